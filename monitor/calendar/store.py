"""Events of the calendar in SQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.calendar.model import CalendarEvent, EventKind, Override
from monitor.calendar.tables import CalendarEventRow as Row
from monitor.errors import NotFound


class Sort(StrEnum):
    """In which order events are listed: as they were made, or as they begin."""

    NEWEST = "newest"
    FIRST = "start_time"
    LAST = "-start_time"


def event_of(row: Any) -> CalendarEvent:
    """The event in a row."""
    return CalendarEvent(
        **{name: getattr(row, name) for name in ("id", "tenant_id", "title", "start_time", "end_time", "time_zone")},
        **{name: getattr(row, name) for name in ("all_day", "rrule", "schedule", "layer")},
        kind=EventKind(row.kind),
        exdates=tuple(row.exdates),
        overrides=tuple(override_of(raw) for raw in row.overrides),
        matchers=tuple(row.matchers),
        members=tuple(row.members),
    )


def override_of(raw: Mapping[str, Any]) -> Override:
    """The override in a row's JSON."""
    start, end, members = (raw.get(name) for name in ("start_time", "end_time", "members"))
    return Override(
        datetime.fromisoformat(raw["occurrence"]),
        None if start is None else datetime.fromisoformat(start),
        None if end is None else datetime.fromisoformat(end),
        None if members is None else tuple(UUID(member) for member in members),
    )


def override_to_json(override: Override) -> dict[str, Any]:
    """The inverse of `override_of`."""
    start, end, members = override.start_time, override.end_time, override.members
    return {
        "occurrence": override.occurrence.isoformat(),
        "start_time": None if start is None else start.isoformat(),
        "end_time": None if end is None else end.isoformat(),
        "members": None if members is None else [str(member) for member in members],
    }


async def insert_event(
    connection: AsyncConnection, event: CalendarEvent, more: Mapping[str, Any], *, actor: str, now: datetime
) -> None:
    """Add an event; `more`: description and location."""
    values = _columns(event) | dict(more) | {"created_by": actor, "created_at": now, "updated_at": now}
    await connection.execute(insert(Row).values(tenant_id=event.tenant_id, id=event.id, **values))


async def update_event(connection: AsyncConnection, event: CalendarEvent, more: Mapping[str, Any]) -> None:
    """Change an event as a whole."""
    values = _columns(event) | dict(more)
    await connection.execute(update(Row).where(Row.tenant_id == event.tenant_id, Row.id == event.id).values(**values))


async def delete_event(connection: AsyncConnection, tenant_id: UUID, event_id: UUID) -> None:
    """Delete an event, all its occurrences with it. Raises NotFound."""
    gone = await connection.execute(delete(Row).where(Row.tenant_id == tenant_id, Row.id == event_id))
    if not gone.rowcount:
        raise NotFound("there is no such event")


async def get_event(connection: AsyncConnection, tenant_id: UUID, event_id: UUID, *, lock: bool = False) -> Any:
    """The row of an event. Raises NotFound."""
    query = select(*Row.__table__.columns).where(Row.tenant_id == tenant_id, Row.id == event_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    if row is None:
        raise NotFound("there is no such event")
    return row


async def is_alone(connection: AsyncConnection, row: Any) -> bool:
    """Whether no other event is of this one's on-call schedule."""
    others = select(Row.id).where(Row.tenant_id == row.tenant_id, Row.schedule == row.schedule, Row.id != row.id)
    return (await connection.execute(others.limit(1))).first() is None


async def list_events(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    limit: int,
    sort: Sort = Sort.NEWEST,
    after: tuple[datetime, UUID] | None = None,
    kind: EventKind | None = None,
    schedule: str | None = None,
    words: str | None = None,
    within: tuple[datetime, datetime] | None = None,
    starts: tuple[datetime | None, datetime | None] = (None, None),
) -> Sequence[Any]:
    """Up to `limit + 1` rows, those after the one with this start and id.

    `words`: in the title; `within`: those that may take place then; `starts`: their first occurrence begins at the one
    time or later, and before the other.
    """
    query = select(*Row.__table__.columns).where(Row.tenant_id == tenant_id)
    query = _sorted(query, sort, after).limit(limit + 1)
    low, high = starts
    if low is not None:
        query = query.where(Row.start_time >= low)
    if high is not None:
        query = query.where(Row.start_time < high)
    if kind is not None:
        query = query.where(Row.kind == kind)
    if schedule is not None:
        query = query.where(Row.schedule == schedule)
    if words is not None:
        found = func.to_tsvector("english", Row.title).op("@@")(func.plainto_tsquery("english", words))
        query = query.where(found)
    if within is not None:
        start, end = within
        query = query.where(Row.start_time < end, or_(Row.end_time > start, Row.rrule.is_not(None)))
    return (await connection.execute(query)).all()


def _sorted(query: Any, sort: Sort, after: tuple[datetime, UUID] | None) -> Any:
    by = (Row.id,) if sort is Sort.NEWEST else (Row.start_time, Row.id)
    if after is not None:
        key = tuple_(*(after[1:] if sort is Sort.NEWEST else after))
        query = query.where(tuple_(*by) > key if sort is Sort.FIRST else tuple_(*by) < key)
    return query.order_by(*(by if sort is Sort.FIRST else (one.desc() for one in by)))


async def read_events(
    connection: AsyncConnection, tenants: Iterable[UUID], kind: EventKind, *, since: datetime
) -> list[CalendarEvent]:
    """All events of a kind, of these tenants, that may take place at `since` or later."""
    query = select(*Row.__table__.columns).where(
        Row.tenant_id.in_(sorted(set(tenants))),
        Row.kind == kind,
        or_(Row.end_time > since, Row.rrule.is_not(None)),
    )
    return [event_of(row) for row in await connection.execute(query.order_by(Row.tenant_id, Row.id))]


def _columns(event: CalendarEvent) -> dict[str, Any]:
    plain = ("title", "start_time", "end_time", "all_day", "time_zone", "rrule", "schedule", "layer")
    return {name: getattr(event, name) for name in plain} | {
        "kind": str(event.kind),
        "exdates": list(event.exdates),
        "overrides": [override_to_json(one) for one in event.overrides],
        "matchers": list(event.matchers),
        "members": list(event.members),
    }
