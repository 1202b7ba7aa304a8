"""Calls as columns of the ledger: what its one statement is given, as arrays. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import msgspec

from monitor import arrays
from monitor.ids import microseconds
from monitor.usage.model import Call
from monitor.usage.pricing import Price, plain_name


class Line(Protocol):
    """A call with its cost."""

    @property
    def call(self) -> Call:
        """The call."""

    @property
    def cost_usd(self) -> Decimal | None:
        """None while nobody knows the price."""

    @property
    def price(self) -> Price | None:
        """By which the cost was reckoned."""

    @property
    def source(self) -> str | None:
        """Who said what it costs."""


class _Form(NamedTuple):
    """How values of a type travel: the type of the array, what makes it, and the cast that follows."""

    type: str
    make: Callable[[Sequence[Any]], arrays.Array]
    cast: str = ""


def _times(values: Sequence[datetime | None]) -> arrays.Times:
    return arrays.times_or_null([None if at is None else microseconds(at) for at in values])


def _texts(values: Sequence[Any]) -> arrays.Texts:
    return arrays.texts([None if value is None else str(value) for value in values])


_UUID, _TEXT, _INT = _Form("uuid", arrays.uuids_or_null), _Form("text", _texts), _Form("bigint", arrays.int8s_or_null)
_TIME = _Form("timestamptz", _times)
_NUMERIC, _FLOAT, _FLAG = (
    _Form("text", _texts, "::numeric"),
    _Form("text", _texts, "::float8"),
    _Form("text", _texts, "::bool"),
)
_JSON = _Form("jsonb", lambda values: arrays.jsonbs([msgspec.json.encode(value) for value in values]))

_COLUMNS: dict[str, tuple[_Form, Callable[[Line], Any]]] = {
    "id": (_UUID, lambda line: line.call.id),
    "agent_id": (_UUID, lambda line: line.call.agent_id),
    "task_id": (_UUID, lambda line: line.call.task_id),
    "execution_id": (_UUID, lambda line: line.call.execution_id),
    "conversation": (_TEXT, lambda line: line.call.conversation),
    "user_ref": (_TEXT, lambda line: line.call.user),
    "workflow": (_TEXT, lambda line: line.call.workflow),
    "model": (_TEXT, lambda line: line.call.model),
    "model_name": (_TEXT, lambda line: plain_name(line.call.model) if line.call.model else None),
    "provider": (_TEXT, lambda line: line.call.provider),
    "operation": (_TEXT, lambda line: line.call.operation),
    "failed": (_FLAG, lambda line: line.call.failed),
    "error_message": (_TEXT, lambda line: line.call.error_message),
    "input_tokens": (_INT, lambda line: line.call.tokens.input),
    "output_tokens": (_INT, lambda line: line.call.tokens.output),
    "cache_read_tokens": (_INT, lambda line: line.call.tokens.cache_read),
    "cache_write_tokens": (_INT, lambda line: line.call.tokens.cache_write),
    "reasoning_tokens": (_INT, lambda line: line.call.tokens.reasoning),
    "cost_usd": (_NUMERIC, lambda line: line.cost_usd),
    "cost_source": (_TEXT, lambda line: line.source),
    "price_id": (_UUID, lambda line: None if line.price is None else line.price.id),
    "reservation_id": (_UUID, lambda line: line.call.reservation),
    "started_at": (_TIME, lambda line: line.call.started_at),
    "completed_at": (_TIME, lambda line: line.call.completed_at),
    "time_to_first_token_ms": (_FLOAT, lambda line: line.call.time_to_first_token_ms),
    "agent_version": (_TEXT, lambda line: line.call.agent_version),
    "environment": (_TEXT, lambda line: line.call.environment),
    "trace_id": (_TEXT, lambda line: line.call.trace_id),
    "span_id": (_TEXT, lambda line: line.call.span_id),
    "metadata": (_JSON, lambda line: line.call.metadata),
}
_CHANGED = ["source", *(name for name in _COLUMNS if name != "id")]
UPSERT = f"""
    INSERT INTO model_calls (tenant_id, source, {", ".join(_COLUMNS)})
    SELECT %s, %s, {", ".join(f"n.{name}{form.cast}" for name, (form, _) in _COLUMNS.items())}
    FROM unnest({", ".join(f"%s::{form.type}[]" for form, _ in _COLUMNS.values())}) AS n ({", ".join(_COLUMNS)})
    ON CONFLICT (tenant_id, id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _CHANGED)}
    WHERE ({", ".join(f"model_calls.{name}" for name in _CHANGED)})
          IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _CHANGED)})
"""
"""Insert lines, or make equal what differs. Its parameters: the tenant, the source, then `columns`."""


def columns(lines: Sequence[Line]) -> list[arrays.Array]:
    """The lines, column by column."""
    return [form.make([of(line) for line in lines]) for form, of in _COLUMNS.values()]
