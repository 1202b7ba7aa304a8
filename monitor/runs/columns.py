"""Runs as columns: what a set-based statement is given. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from monitor import arrays
from monitor.runs.fingerprint import fingerprint
from monitor.runs.model import Execution, Interaction, RunStatus, Task, ToolExecution

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encode = msgspec.json.Encoder(uuid_format="canonical").encode
_NUL, _REPLACEMENT = "\0", "\ufffd"


def _texts(values: Iterable[str | None]) -> arrays.Texts:
    return arrays.texts([v.replace(_NUL, _REPLACEMENT) if v is not None and _NUL in v else v for v in values])


def _json(value: Any) -> bytes | None:
    """As jsonb takes it: without NUL, which it cannot hold."""
    if value is None:
        return None
    raw = _encode(value)
    return _encode(_without_nul(value)) if b"\\u0000" in raw else raw


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(_NUL, _REPLACEMENT)
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(one) for name, one in value.items()}
    return [_without_nul(one) for one in value] if isinstance(value, list | tuple) else value


def _jsons(values: Iterable[Any]) -> arrays.Jsonbs:
    return arrays.jsonbs([_json(value) for value in values])


def _ids(values: Iterable[UUID | None]) -> arrays.Uuids:
    return arrays.uuids_or_null(list(values))


def _times(values: Iterable[datetime | None]) -> arrays.Times:
    return arrays.times_or_null([None if at is None else (at - _EPOCH) // _MICROSECOND for at in values])


def _ints(values: Iterable[int | None]) -> arrays.Int8s:
    return arrays.int8s_or_null(list(values))


def _end(started: datetime | None, completed: datetime | None) -> datetime | None:
    """Never before the start: a clock that was set back in between says nothing of the run."""
    return started if completed is not None and started is not None and completed < started else completed


def _fingerprint(task: Task) -> str | None:
    if task.status is not RunStatus.FAILED or not (task.error_type or task.error_message or task.traceback):
        return None
    return fingerprint(task.error_type, task.error_message, task.traceback)


class Column(NamedTuple):
    """A column by its name and type in PostgreSQL, and how its values are made of rows."""

    name: str
    type: str
    of: Callable[[Sequence[Any]], arrays.Array]


def _column(name: str, kind: str, make: Callable[[Iterable[Any]], arrays.Array], value: Callable[[Any], Any]) -> Column:
    return Column(name, kind, lambda rows: make([value(row) for row in rows]))


def _named(kind: str, make: Callable[[Iterable[Any]], arrays.Array], *names: str) -> tuple[Column, ...]:
    """Columns that are called as the field is."""

    def of(name: str) -> Column:
        return Column(name, kind, lambda rows: make([getattr(row, name) for row in rows]))

    return tuple(of(name) for name in names)


_END = _column("completed_at", "timestamptz", _times, lambda row: _end(row.started_at, row.completed_at))
_ORIGIN = _named("text", _texts, "trace_id", "span_id")

COLUMNS: dict[type[Any], tuple[Column, ...]] = {
    Execution: (
        *_named("uuid", _ids, "id", "workflow_id", "user_id"),
        *_named("text", _texts, "name", "status", "workflow_type", "initiator", "conversation", "current_step"),
        *_named("bigint", _ints, "steps_completed", "steps_total"),
        *_named("jsonb", _jsons, "input", "output", "metadata"),
        *_named("text", _texts, "description", "error_message"),
        *_named("timestamptz", _times, "started_at"),
        _END,
        *_ORIGIN,
    ),
    Task: (
        *_named("uuid", _ids, "id", "agent_id", "execution_id", "parent_task_id"),
        *_named("text", _texts, "conversation", "task_type", "description", "status", "priority"),
        _column("user_ref", "text", _texts, lambda task: task.user),
        *_named("jsonb", _jsons, "input", "output", "metadata"),
        *_named("text", _texts, "error_type", "error_message", "traceback"),
        _column("error_fingerprint", "text", _texts, _fingerprint),
        *_named("bigint", _ints, "retry_count"),
        *_named("text", _texts, "model", "agent_version", "environment"),
        *_named("timestamptz", _times, "started_at"),
        _END,
        *_ORIGIN,
    ),
    ToolExecution: (
        *_named("uuid", _ids, "id", "agent_id", "task_id", "execution_id"),
        *_named("text", _texts, "conversation", "tool_name", "tool_type", "call_id", "mcp_server", "mcp_instance"),
        *_named("text", _texts, "message_id", "status", "error_message", "error_code"),
        *_named("jsonb", _jsons, "parameters", "result", "metadata"),
        *_named("timestamptz", _times, "started_at"),
        _END,
        *_ORIGIN,
    ),
    Interaction: (
        *_named("uuid", _ids, "id", "execution_id", "task_id", "from_agent_id", "to_agent_id"),
        *_named("text", _texts, "interaction_type", "message"),
        *_named("jsonb", _jsons, "payload"),
        *_named("timestamptz", _times, "at"),
        *_ORIGIN,
    ),
}
"""What is written of each kind of run. Sums, durations and times of writing are the store's and the triggers'."""
