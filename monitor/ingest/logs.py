"""Rows of POST /api/v1/logs: checked, their times completed, ready to store."""

from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from monitor.agents.live import LogRow
from monitor.ids import uuid7_named, uuid7_us
from monitor.ingest import values
from monitor.ingest.decode import Rows
from monitor.ingest.payloads import LogIn, Outcome
from monitor.ingest.values import Fault, Warn, Window
from monitor.series.store import Kind, SeriesName

_DURATION, _STATUS = "execution_duration_ms", "execution_status"
_OWN_UNITS = {_DURATION: "ms", _STATUS: None}
_STATUS_VALUE = {"success": 1.0, "warning": 0.5, "error": 0.0}
_LONGEST_MS = 10 * 366 * 86_400_000
_LEVEL_LIMIT = 50


class LogKind(StrEnum):
    """Executions count for status, failure and rate rules; lines are text."""

    EXECUTION = "execution"
    LINE = "line"


_EXECUTION = LogKind.EXECUTION.value
_KINDS = {kind.value for kind in LogKind}
_LEVELS = {"error": "error", "critical": "error", "fatal": "error", "warning": "warning", "warn": "warning"}


class LogDraft(NamedTuple):
    """A good log whose agent is still a name. `at_us` is the event's time, which its id will carry."""

    row_index: int
    agent: str
    at_us: int
    started_us: int | None
    completed_us: int | None
    duration: int | None
    kind: str
    status: str
    level: str | None
    external_id: str | None
    message: str | None
    details: bytes | None

    def row(self, agent_id: UUID, received_us: int) -> LogRow:
        """The row to store. A caller's own id and time always give the same id."""
        made = uuid7_us(self.at_us) if self.external_id is None else uuid7_named(self.at_us, self.external_id)
        return LogRow(
            agent_id, made, received_us, self.started_us, self.completed_us, self.duration, self.kind, self.status,
            self.level, self.external_id, self.message, self.details,
        )  # fmt: skip

    def values(self) -> dict[str, float]:
        """An execution's own points by metric, at the event's time: `execution_duration_ms`, and `execution_status`
        (success 1, warning 0.5, error 0)."""
        if self.kind != _EXECUTION:
            return {}
        status = _STATUS_VALUE[self.status]
        return {_STATUS: status} if self.duration is None else {_STATUS: status, _DURATION: float(self.duration)}


def own_series(agent_id: UUID, metric: str) -> SeriesName:
    """The name of the series of a metric in `LogDraft.values`."""
    return SeriesName(agent_id, metric, (), Kind.GAUGE, _OWN_UNITS[metric])


def drafts(rows: Rows[LogIn], window: Window, outcome: Outcome) -> list[LogDraft]:
    """The good rows; the others are named in `outcome`."""
    kept: list[LogDraft] = []
    for index, row in enumerate(rows.rows):
        if isinstance(row, str):
            outcome.reject(index, row)
            continue
        warn = _Warn(index, outcome)
        try:
            kept.append(_draft(index, row, rows.extra.get(index), window, warn))
        except Fault as fault:
            outcome.reject(index, str(fault))
    return kept


class _Warn:
    __slots__ = ("index", "outcome")

    def __init__(self, index: int, outcome: Outcome) -> None:
        self.index = index
        self.outcome = outcome

    def __call__(self, text: str) -> None:
        self.outcome.warnings.append((self.index, text))


def _draft(index: int, row: LogIn, extra: dict[str, Any] | None, window: Window, warn: Warn) -> LogDraft:
    agent = values.name(row.agent, "agent")
    kind = _EXECUTION if row.kind is None else row.kind
    if type(kind) is not str or kind not in _KINDS:
        raise Fault("kind: one of execution, line is expected")
    level = None if row.level is None else values.name(row.level, "level", limit=_LEVEL_LIMIT)
    started, completed, duration = _times(row, window)
    # Rows without a time are a microsecond apart: they keep their order.
    at_us = completed if completed is not None else started if started is not None else window.now_us + index
    return LogDraft(
        index, agent, window.check(at_us, "completed_at" if completed is not None else "started_at"),
        started, completed, duration, kind, _status(row.status, kind, level), level, _own_id(row.id),
        None if row.message is None else values.text(row.message, "message", warn),
        _details(row.details, extra, warn),
    )  # fmt: skip


def _status(status: object, kind: str, level: str | None) -> str:
    if type(status) is str and status in _STATUS_VALUE:
        return status
    if status is None and kind == LogKind.LINE:
        return _LEVELS.get((level or "").lower(), "success")
    raise Fault("status: one of success, error, warning is expected")


def _times(row: LogIn, window: Window) -> tuple[int | None, int | None, int | None]:
    """Start, end (microseconds) and duration (milliseconds); the third from the two that are given."""
    if row.started_at is None and row.completed_at is None and row.duration is None and row.timestamp is None:
        return None, None, None
    started = None if row.started_at is None else values.time_us(row.started_at, "started_at")
    completed = None if row.completed_at is None else values.time_us(row.completed_at, "completed_at")
    if started is None and completed is None and row.timestamp is not None:
        completed = window.check(values.time_us(row.timestamp, "timestamp"), "timestamp")
    duration = None if row.duration is None else _duration(row.duration)
    if started is not None and started > window.newest_us:
        window.check(started, "started_at")
    if started is not None and completed is not None:
        if completed < started:
            raise Fault("completed_at: before started_at")
        if duration is None:
            duration = (completed - started + 500) // 1000
    elif duration is not None and started is not None:
        completed = started + duration * 1000
    elif duration is not None and completed is not None:
        started = max(0, completed - duration * 1000)
    return started, completed, duration


def _duration(value: object) -> int:
    if type(value) is not int and type(value) is not float:
        raise Fault(f"duration: milliseconds as a number are expected, not {values.kind_of(value)}")
    # Not `value < 0`: that is false for NaN.
    if not value >= 0:
        raise Fault("duration: negative" if value < 0 else "duration: not a finite number")
    if value > _LONGEST_MS:
        raise Fault("duration: more than ten years; milliseconds are expected")
    return round(value)


def _own_id(value: object) -> str | None:
    if value is None:
        return None
    if type(value) is int:
        return values.name(str(value) if abs(value) < 10**200 else "", "id")
    return values.name(value, "id")


def _details(value: object, extra: dict[str, Any] | None, warn: Warn) -> bytes | None:
    """Details with the row's unknown fields among them; a field of the details is not overwritten by one."""
    if value is None and extra is None:
        return None
    if value is not None and type(value) is not dict:
        raise Fault(f"details: an object is expected, not {values.kind_of(value)}")
    given: dict[str, Any] = value or {}
    if extra is not None:
        clashes = extra.keys() & given.keys()
        for key in clashes:
            warn(f"{values.clean(key[:40])}: not kept, details have a field of that name")
        given = {**extra, **given}
    return values.details(given, warn)
