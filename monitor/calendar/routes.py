"""`/api/v1/calendar-events` and `/api/v1/on-call`."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.calendar import store
from monitor.calendar.bodies import (
    EventAnswer,
    EventBody,
    EventPatch,
    GapAnswer,
    OccurrenceAnswer,
    OnCallAnswer,
    OverrideAnswer,
    ScheduleAnswer,
    ShiftAnswer,
)
from monitor.calendar.editing import body_of, event_from, more_of
from monitor.calendar.members import People, read_people
from monitor.calendar.model import CalendarEvent, EventKind
from monitor.calendar.recurrence import occurrences
from monitor.calendar.rotation import gaps, on_call, shifts
from monitor.calendar.store import Sort
from monitor.errors import InvalidInput, NotFound, Unreadable
from monitor.http.deps import Given, Reader, Writer
from monitor.http.described import MISSING
from monitor.http.etags import Match, check_match, etag
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.named import Named, refuse_named

LONGEST_RANGE = timedelta(days=366)
Words = Annotated[str | None, Query(min_length=1, max_length=200)]

router = APIRouter(prefix="/api/v1", tags=["calendar"])


@router.post("/calendar-events", status_code=201)
async def create_event(deps: Given, principal: Writer, body: EventBody, response: Response) -> EventAnswer:
    """Add an event, a rotation of an on-call schedule, or a maintenance window."""
    now, tenant_id = deps.clock(), principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        people = await read_people(connection, tenant_id)
        event = event_from(body, people, tenant_id=tenant_id, event_id=uuid7(now))
        await store.insert_event(connection, event, more_of(body), actor=principal.actor, now=now)
        answer = _one(await store.get_event(connection, tenant_id, event.id), people, response)
        await deps.audit(
            connection, principal, "calendar_event.created", resource=("calendar_event", str(event.id)),
            new=answer.model_dump(mode="json", exclude_none=True),
        )  # fmt: skip
        return answer


@router.get("/calendar-events")
async def list_events(
    deps: Given,
    principal: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    start: AwareDatetime | None = None,
    end: AwareDatetime | None = None,
    kind: EventKind | None = None,
    schedule: Words = None,
    q: Words = None,
    sort: Sort = Sort.NEWEST,
    starts_from: AwareDatetime | None = None,
    starts_before: AwareDatetime | None = None,
) -> Page[EventAnswer]:
    """Events; `q`: words of the title. With `start` and `end`: those that take place then, and when: what conflicts
    with something of that time. `starts_from` and `starts_before`: those whose first occurrence begins then.
    """
    within = None if start is None and end is None else _range(start, end)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await store.list_events(
            connection,
            principal.tenant_id,
            limit=limit,
            sort=sort,
            after=_after(cursor, sort),
            kind=kind,
            schedule=schedule,
            words=q,
            within=within,
            starts=(starts_from, starts_before),
        )
        people = await read_people(connection, principal.tenant_id)
    found = page(rows, limit, lambda row: [str(sort), row.start_time.isoformat(), str(row.id)])
    answers = [_answer(row, people, within) for row in found["items"]]
    return Page[EventAnswer](items=[one for one in answers if one.occurrences != []], next=found["next"])


@router.get("/calendar-events/{event_id}")
async def get_event(deps: Given, principal: Reader, event_id: UUID, response: Response) -> EventAnswer:
    """One event."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        people = await read_people(connection, principal.tenant_id)
        return _one(await store.get_event(connection, principal.tenant_id, event_id), people, response)


@router.patch("/calendar-events/{event_id}")
async def patch_event(
    deps: Given, principal: Writer, event_id: UUID, body: EventPatch, response: Response, match: Match = None
) -> EventAnswer:
    """Change an event with all its occurrences; a single one by `exdates` and `overrides`."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        row = await store.get_event(connection, tenant_id, event_id, lock=True)
        check_match(row._mapping, match)
        people = await read_people(connection, tenant_id)
        old = _answer(row, people)
        merged = body_of(row, body.model_dump(exclude_unset=True))
        event = event_from(merged, people, tenant_id=tenant_id, event_id=event_id)
        if event.schedule != row.schedule:
            await _refuse_last(connection, row)
        await store.update_event(connection, event, more_of(merged))
        new = _one(await store.get_event(connection, tenant_id, event_id), people, response)
        await deps.audit(
            connection, principal, "calendar_event.updated", resource=("calendar_event", str(event_id)),
            old=old.model_dump(mode="json"), new=new.model_dump(mode="json"),
        )  # fmt: skip
        return new


@router.delete("/calendar-events/{event_id}", status_code=204)
async def delete_event(deps: Given, principal: Writer, event_id: UUID, match: Match = None) -> None:
    """Delete an event with all its occurrences; 409 for the last rotation of a schedule that something names."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await store.get_event(connection, principal.tenant_id, event_id, lock=True)
        check_match(row._mapping, match)
        await _refuse_last(connection, row)
        await store.delete_event(connection, principal.tenant_id, event_id)
        await deps.audit(connection, principal, "calendar_event.deleted", resource=("calendar_event", str(event_id)))


@router.get("/on-call", responses=MISSING)
async def get_on_call(
    deps: Given,
    principal: Reader,
    schedule: Words = None,
    at: AwareDatetime | None = None,
    days: Annotated[int, Query(ge=1, le=92, description="how far ahead shifts and gaps are told")] = 14,
) -> OnCallAnswer:
    """Who is on call now, or at a time; the shifts after it, and a warning for each time that nobody covers."""
    at = at or deps.clock()
    until = at + timedelta(days=days)
    async with deps.db.tenant(principal.tenant_id) as connection:
        events = await store.read_events(connection, [principal.tenant_id], EventKind.ON_CALL, since=at)
        people = await read_people(connection, principal.tenant_id)
    by_schedule: dict[str, list[CalendarEvent]] = defaultdict(list)
    for event in events:
        by_schedule[event.schedule or ""].append(event)
    if schedule is not None and schedule not in by_schedule:
        raise NotFound("there is no such on-call schedule")
    names = sorted(by_schedule) if schedule is None else [schedule]
    found = [_schedule(name, by_schedule[name], people, at, until) for name in names]
    return OnCallAnswer(at=at, until=until, schedules=found)


def _schedule(name: str, events: list[CalendarEvent], people: People, at: datetime, until: datetime) -> ScheduleAnswer:
    planned = shifts(events, at, until)
    missing = gaps(planned, people.known.keys())
    return ScheduleAnswer(
        schedule=name,
        on_call=people.answers(on_call(events, at)),
        shifts=[
            ShiftAnswer(start=one.start, end=one.end, members=people.answers(one.members))
            for one in planned
            if one.planned
        ],
        gaps=[GapAnswer(start=one.start, end=one.end) for one in missing],
        warnings=[
            f"nobody is on call from {one.start.isoformat()} to {one.end.isoformat()}"
            + (": whoever was is no active member any more" if one.planned else "")
            for one in missing
        ],
    )


async def _refuse_last(connection: AsyncConnection, row: Any) -> None:
    """Raise Conflict where a schedule that something names would be gone with this event."""
    if row.schedule is not None and await store.is_alone(connection, row):
        await refuse_named(connection, row.tenant_id, Named.SCHEDULE, row.schedule)


def _after(cursor: str | None, sort: Sort) -> tuple[datetime, UUID] | None:
    """Start and id of the last event of the page before. Raises Unreadable."""
    key = decode(cursor, parts=3)
    if key is None:
        return None
    try:
        start, last = datetime.fromisoformat(key[1]), uuid_of(key[2])
    except ValueError:
        raise Unreadable("cursor is not one that was given out") from None
    if key[0] != sort or last is None or start.tzinfo is None:
        raise Unreadable("cursor is not one that was given out for this sort")
    return start, last


def _range(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    if start is None or end is None:
        raise InvalidInput("start and end go together", path="start" if start is None else "end")
    if not timedelta(0) < end - start <= LONGEST_RANGE:
        raise InvalidInput(f"must be after start, by {LONGEST_RANGE.days} days at most", path="end")
    return start, end


def _one(row: Any, people: People, response: Response) -> EventAnswer:
    response.headers["ETag"] = etag(row._mapping)
    return _answer(row, people)


def _answer(row: Any, people: People, within: tuple[datetime, datetime] | None = None) -> EventAnswer:
    event = store.event_of(row)
    given = {name: getattr(row, name) for name in EventAnswer.model_fields if name != "occurrences"}
    given["members"] = people.answers(event.members)
    given["overrides"] = [
        OverrideAnswer(
            occurrence=one.occurrence,
            start_time=one.start_time,
            end_time=one.end_time,
            members=None if one.members is None else people.answers(one.members),
        )
        for one in event.overrides
    ]
    if within is not None:
        given["occurrences"] = [
            OccurrenceAnswer(
                occurrence=one.start if one.override is None else one.override.occurrence,
                start_time=one.start,
                end_time=one.end,
            )
            for one in occurrences(event, *within)
        ]
    return EventAnswer.model_validate(given)
