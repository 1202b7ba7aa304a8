"""From what is said of a run to the run: the first time, and as a change of what is known of it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec.structs import fields, replace

from monitor.errors import Conflict, InvalidInput
from monitor.ids import microseconds
from monitor.ingest.privacy import Policy
from monitor.ingest.values import Fault, Window
from monitor.runs import lifecycle
from monitor.runs.model import Execution, Interaction, RunStatus, Source, Task, ToolExecution, ToolStatus
from monitor.usage.model import Call, Tokens

Run = Task | Execution | ToolExecution | Interaction

_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
USAGE = frozenset({*_TOKENS, "tokens_used", "cost_usd"})
_TIMES = ("started_at", "completed_at", "created_at", "at")
_CONTENTS = ("input", "output", "parameters", "result", "payload", "metadata")
_TEXTS = ("description", "error_message", "traceback", "message")
_NAMES = ("user", "conversation")
# What a run must say the first time; a task has a type by default, as a task of a trace does.
_NEEDED: Mapping[type[Any], tuple[str, ...]] = {
    Task: ("agent_id", "task_type"),
    Execution: ("name",),
    ToolExecution: ("agent_id", "tool_name"),
    Interaction: ("from_agent_id", "to_agent_id", "interaction_type"),
}
_CALLED = {"agent_id": "agent", "from_agent_id": "from_agent", "to_agent_id": "to_agent"}
_DEFAULTS: Mapping[type[Any], Mapping[str, Any]] = {
    Task: {"status": RunStatus.PENDING},
    Execution: {"status": RunStatus.PENDING, "workflow_id": None},
    ToolExecution: {"status": ToolStatus.RUNNING},
    Interaction: {},
}


@dataclass(frozen=True, slots=True)
class Said:
    """One row of a request, its references found: values by the model's fields, and those that are none of them."""

    values: Mapping[str, Any]
    usage: Mapping[str, Any]
    duration_ms: float | None = None


def agents_of(runs: Iterable[Run | None]) -> list[UUID]:
    """Whose doing these runs are."""
    named = (getattr(run, "agent_id", None) or getattr(run, "from_agent_id", None) for run in runs)
    return sorted({agent_id for agent_id in named if agent_id is not None})


def check_times(values: Mapping[str, Any], window: Window) -> None:
    """Raise InvalidInput for a time that is too far ahead, or older than what is kept."""
    for name in _TIMES:
        if values.get(name) is not None:
            try:
                window.check(microseconds(values[name]), name)
            except Fault as fault:
                raise InvalidInput(str(fault).partition(": ")[2], path=name) from None


def redacted(values: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """As the tenant wants it stored: what is posted directly is kept, without what its rules take out."""
    made = dict(values)
    if policy.redactor is None:
        return made
    for names, rule in ((_CONTENTS, policy.value), (_TEXTS, policy.text), (_NAMES, policy.name)):
        for name in names:
            if made.get(name) is not None:
                made[name] = rule(made[name])
    return made


def start_of(values: Mapping[str, Any], now: datetime) -> datetime:
    """The time that a run's id carries."""
    for name in ("started_at", "at", "created_at"):
        if values.get(name) is not None:
            at: datetime = values[name]
            return at
    return now


def told(kind: type[Any], run_id: UUID, said: Said, *, now: datetime) -> Run:
    """A run that is told of for the first time. Raises InvalidInput for what is missing or cannot be."""
    values = {name: value for name, value in _with_times(said, None, now=now).items() if value is not None}
    for name in _NEEDED[kind]:
        if name not in values:
            raise InvalidInput("missing", path=_CALLED.get(name, name))
    values = {**_DEFAULTS[kind], **values}
    if kind is Interaction:
        values.setdefault("at", now)
        return Interaction(id=run_id, **values)
    if kind is ToolExecution:
        values.setdefault("started_at", min(now, values.get("completed_at", now)))
    made: Task | Execution | ToolExecution = kind(id=run_id, **values)
    return lifecycle.made(made, now=now)


def changed(run: Run, source: str, said: Said, *, now: datetime) -> Run:
    """A run with what is said of it now. Raises Conflict where that cannot be so, InvalidInput for a value."""
    if source != Source.API:
        raise Conflict("it is made of a trace, and follows that")
    for name in _CALLED:
        if name in said.values and said.values[name] != getattr(run, name):
            raise Conflict("it is another agent's")
    values = {name: value for name, value in _with_times(said, run, now=now).items() if name not in _CALLED}
    # A value that was said is taken back by null where there may be none; nothing takes back a name or a status.
    optional = {item.name for item in fields(run) if item.default is None}
    values = {name: value for name, value in values.items() if value is not None or name in optional}
    return replace(run, **values) if isinstance(run, Interaction) else lifecycle.changed(run, values, now=now)


def _with_times(said: Said, run: Run | None, *, now: datetime) -> dict[str, Any]:
    """The values, with the times that a duration stands for: of what ended and does not say when, it ended now."""
    values = dict(said.values)
    values.pop("created_at", None)
    if said.duration_ms is None:
        return values
    span = timedelta(milliseconds=said.duration_ms)
    started = values.get("started_at") or getattr(run, "started_at", None)
    completed = values.get("completed_at")
    if started is None and completed is None and values.get("status") in lifecycle.ENDED:
        completed = values["completed_at"] = now
    if started is not None and completed is None:
        values["completed_at"] = started + span
    elif completed is not None and started is None:
        values["started_at"] = completed - span
    elif started is None:
        raise InvalidInput("started_at or completed_at is expected with it", path="duration_ms")
    return values


def call_of(task: Task, usage: Mapping[str, Any], before: Call | None, *, now: datetime) -> Call:
    """The line of the ledger that a task's own tokens and cost are. `before`: what was said of them before.

    Where only their sum is known, all of it counts as read. Raises InvalidInput where the sum is another one.
    """
    known = before.tokens if before is not None else Tokens()
    counts = {
        name: usage[name] if usage.get(name) is not None else getattr(known, name.removesuffix("_tokens"))
        for name in _TOKENS
    }
    total = usage.get("tokens_used")
    if total is not None:
        if usage.get("input_tokens") is None:
            counts["input_tokens"] = max(0, total - counts["output_tokens"])
        if counts["input_tokens"] + counts["output_tokens"] != total:
            raise InvalidInput("not the sum of input_tokens and output_tokens", path="tokens_used")
    if counts["cache_read_tokens"] + counts["cache_write_tokens"] > counts["input_tokens"]:
        raise InvalidInput("cached tokens are a part of them", path="input_tokens")
    if counts["reasoning_tokens"] > counts["output_tokens"]:
        raise InvalidInput("reasoning tokens are a part of them", path="output_tokens")
    cost: Decimal | None = usage.get("cost_usd", before.given_cost if before is not None else None)
    return Call(
        id=task.id,
        agent_id=task.agent_id,
        model=task.model,
        tokens=Tokens(**{name.removesuffix("_tokens"): count for name, count in counts.items()}),
        started_at=task.started_at or (before.started_at if before is not None else now),
        completed_at=task.completed_at,
        task_id=task.id,
        execution_id=task.execution_id,
        conversation=task.conversation,
        user=task.user,
        provider=usage.get("provider") or (before.provider if before is not None else None),
        failed=task.status is RunStatus.FAILED,
        given_cost=cost,
        agent_version=task.agent_version,
        environment=task.environment,
        trace_id=task.trace_id,
        span_id=task.span_id,
    )
