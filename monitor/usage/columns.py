"""Calls as columns of the ledger: what its one statement is given, as arrays. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import msgspec

from monitor import arrays
from monitor.ids import microseconds
from monitor.usage.model import Call
from monitor.usage.pricing import plain_name


class Line(Protocol):
    """A call with its cost."""

    @property
    def call(self) -> Call:
        """The call."""

    @property
    def cost_usd(self) -> Decimal | None:
        """None while nobody knows the price."""

    @property
    def price_id(self) -> UUID | None:
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


def _strings(values: Sequence[Any]) -> arrays.Texts:
    return arrays.texts([None if value is None else str(value) for value in values])


def _names(models: Sequence[str | None]) -> arrays.Texts:
    """Of models the names without who serves them."""
    named = {model: plain_name(model) if model else None for model in set(models)}
    return arrays.texts([named[model] for model in models])


def _jsons(values: Sequence[Any]) -> arrays.Jsonbs:
    return arrays.jsonbs([msgspec.json.encode(value) if value else b"{}" for value in values])


_UUID, _INT = _Form("uuid", arrays.uuids_or_null), _Form("bigint", arrays.int8s_or_null)
_TEXT, _TIME = _Form("text", arrays.texts), _Form("timestamptz", _times)
_NUMERIC, _FLOAT, _FLAG = (
    _Form("text", _strings, "::numeric"),
    _Form("text", _strings, "::float8"),
    _Form("text", _strings, "::bool"),
)
_JSON, _NAME = _Form("jsonb", _jsons), _Form("text", _names)

_COLUMNS: dict[str, tuple[_Form, str]] = {
    "id": (_UUID, "call.id"),
    "agent_id": (_UUID, "call.agent_id"),
    "task_id": (_UUID, "call.task_id"),
    "execution_id": (_UUID, "call.execution_id"),
    "conversation": (_TEXT, "call.conversation"),
    "user_ref": (_TEXT, "call.user"),
    "workflow": (_TEXT, "call.workflow"),
    "model": (_TEXT, "call.model"),
    "model_name": (_NAME, "call.model"),
    "provider": (_TEXT, "call.provider"),
    "operation": (_TEXT, "call.operation"),
    "failed": (_FLAG, "call.failed"),
    "error_message": (_TEXT, "call.error_message"),
    "input_tokens": (_INT, "call.tokens.input"),
    "output_tokens": (_INT, "call.tokens.output"),
    "cache_read_tokens": (_INT, "call.tokens.cache_read"),
    "cache_write_tokens": (_INT, "call.tokens.cache_write"),
    "reasoning_tokens": (_INT, "call.tokens.reasoning"),
    "cost_usd": (_NUMERIC, "cost_usd"),
    "cost_source": (_TEXT, "source"),
    "price_id": (_UUID, "price_id"),
    "reservation_id": (_UUID, "call.reservation"),
    "started_at": (_TIME, "call.started_at"),
    "completed_at": (_TIME, "call.completed_at"),
    "time_to_first_token_ms": (_FLOAT, "call.time_to_first_token_ms"),
    "agent_version": (_TEXT, "call.agent_version"),
    "environment": (_TEXT, "call.environment"),
    "trace_id": (_TEXT, "call.trace_id"),
    "span_id": (_TEXT, "call.span_id"),
    "metadata": (_JSON, "call.metadata"),
}
"""Each column's form, and where a line has its value."""
_VALUES = attrgetter(*(where for _, where in _COLUMNS.values()))
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
    told = zip(*map(_VALUES, lines), strict=True)
    return [form.make(values) for (form, _), values in zip(_COLUMNS.values(), told, strict=True)]
