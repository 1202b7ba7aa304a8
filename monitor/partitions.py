"""Partitions planned ahead and dropped behind: a pure `plan` and an `apply` that carries it out.

Tables of UUIDv7 ids are split by the time inside the id, so their two- and three-column keys stay; the others by
their time column. Names are `<table>_p<first day>`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.ids import uuid7_floor


class Span(StrEnum):
    """How much time one partition holds."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class Key(StrEnum):
    """What the partition's bounds are written in."""

    TIME = "time"
    UUID7 = "uuid7"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is split. `behind` is how far back partitions stand ready for late rows."""

    table: str
    span: Span
    key: Key
    behind: timedelta


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: rows from `start` up to and without `end`."""

    table: str
    name: str
    start: datetime
    end: datetime
    key: Key


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made and what is to be dropped."""

    create: tuple[Partition, ...]
    drop: tuple[str, ...]


LAYOUTS = (
    Layout("agent_logs", Span.DAY, Key.UUID7, timedelta(days=31)),
    Layout("exemplars", Span.DAY, Key.UUID7, timedelta(days=31)),
    Layout("samples", Span.DAY, Key.TIME, timedelta(days=31)),
    Layout("sample_chunks", Span.DAY, Key.TIME, timedelta(days=31)),
    Layout("rollups_minute", Span.DAY, Key.TIME, timedelta(days=31)),
    Layout("rollups_hour", Span.MONTH, Key.TIME, timedelta(days=31)),
    Layout("rollups_day", Span.YEAR, Key.TIME, timedelta(days=31)),
    Layout("audit_logs", Span.MONTH, Key.UUID7, timedelta(days=1)),
    Layout("tasks", Span.DAY, Key.UUID7, timedelta(days=31)),
    Layout("tool_executions", Span.DAY, Key.UUID7, timedelta(days=31)),
    Layout("model_calls", Span.DAY, Key.UUID7, timedelta(days=31)),
    Layout("spans", Span.DAY, Key.UUID7, timedelta(days=31)),
    Layout("error_occurrences", Span.DAY, Key.UUID7, timedelta(days=31)),
    Layout("scores", Span.DAY, Key.UUID7, timedelta(days=31)),
    Layout("usage_metrics", Span.MONTH, Key.UUID7, timedelta(days=396)),
    Layout("messages", Span.MONTH, Key.UUID7, timedelta(days=31)),
)
# Any fixed number: whoever changes partitions holds this lock, so that two planners do not make the same one.
_LOCK = text("SELECT pg_advisory_xact_lock(7305311829014114)")
AHEAD = {Span.DAY: 3, Span.MONTH: 2, Span.YEAR: 2}


def floor(at: datetime, span: Span) -> datetime:
    """Start of the span that holds `at`, in UTC."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if span is Span.DAY:
        return day
    return day.replace(day=1) if span is Span.MONTH else day.replace(month=1, day=1)


def following(start: datetime, span: Span) -> datetime:
    """Start of the next span."""
    if span is Span.DAY:
        return start + timedelta(days=1)
    # 32 days after the first of a month lie in the next one; 366 after New Year in the next year.
    return floor(start + timedelta(days=32 if span is Span.MONTH else 366), span)


def partition(layout: Layout, at: datetime) -> Partition:
    """The partition of a table that holds `at`."""
    start = floor(at, layout.span)
    name = f"{layout.table}_p{start:%Y%m%d}"
    return Partition(layout.table, name, start, following(start, layout.span), layout.key)


def plan(now: datetime, existing: Iterable[str], retention: Mapping[str, timedelta]) -> Plan:
    """What is missing around `now`, and which of the `existing` names lie wholly before their table's retention."""
    have = set(existing)
    create: list[Partition] = []
    drop: list[str] = []
    for layout in LAYOUTS:
        keep = retention.get(layout.table)
        oldest = now - (min(layout.behind, keep) if keep else layout.behind)
        wanted, ahead = partition(layout, oldest), AHEAD[layout.span]
        while ahead:
            if wanted.name not in have:
                create.append(wanted)
            ahead -= wanted.start > now
            wanted = partition(layout, wanted.end)
        if keep is not None:
            drop += _expired(layout, have, now - keep)
    return Plan(tuple(create), tuple(sorted(drop)))


def _expired(layout: Layout, existing: Iterable[str], before: datetime) -> list[str]:
    prefix = f"{layout.table}_p"
    starts = {
        name: datetime.strptime(name.removeprefix(prefix), "%Y%m%d").replace(tzinfo=UTC)
        for name in existing
        if name.startswith(prefix)
    }
    return [name for name, start in starts.items() if following(start, layout.span) <= before]


def _bound(at: datetime, key: Key) -> str:
    return f"'{uuid7_floor(at)}'" if key is Key.UUID7 else f"'{at.isoformat()}'"


async def existing_names(connection: AsyncConnection) -> list[str]:
    """Names of all partitions in the schema."""
    found = await connection.execute(
        text("SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r'")
    )
    return list(found.scalars())


async def apply(db: Database, now: datetime, *, retention: Mapping[str, timedelta]) -> Plan:
    """Make what is missing and drop what has expired, as the owner; returns what was done.

    Each change is a transaction of its own: a partition is locked for as long as its own change takes.
    """
    async with db.owner() as connection:
        todo = plan(now, await existing_names(connection), retention)
    for item in todo.create:
        await _create(db, item)
    for name in todo.drop:
        async with db.owner() as connection:
            await connection.execute(_LOCK)
            await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            await connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
    return todo


async def cover(db: Database, tables: Collection[str], at: datetime) -> None:
    """Make the partitions of some tables that hold `at`, however long ago that is."""
    async with db.owner() as connection:
        have = set(await existing_names(connection))
    for layout in LAYOUTS:
        wanted = partition(layout, at)
        if layout.table in tables and wanted.name not in have:
            await _create(db, wanted)


async def _create(db: Database, item: Partition) -> None:
    start, end = _bound(item.start, item.key), _bound(item.end, item.key)
    async with db.owner() as connection:
        await connection.execute(_LOCK)
        await connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS {item.name} PARTITION OF {item.table} FOR VALUES FROM ({start}) TO ({end})"
            )
        )
        # Policies are not inherited and nothing is granted: only the parent can be used by the other roles.
        await connection.execute(text(f"ALTER TABLE {item.name} ENABLE ROW LEVEL SECURITY"))
