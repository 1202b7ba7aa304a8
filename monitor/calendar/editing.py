"""From what is sent to an event: times on the wall, members by name, and all that can be wrong with it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from alerts.core.condition import ConditionError
from alerts.core.matchers import parse_matchers
from monitor.calendar.bodies import EventBody
from monitor.calendar.members import People
from monitor.calendar.model import CalendarEvent, EventKind, Override
from monitor.calendar.recurrence import check
from monitor.errors import InvalidInput
from monitor.zones import instants, zone_of

_OWN = {EventKind.ON_CALL: ("schedule", "members", "layer"), EventKind.MAINTENANCE: ("matchers",)}
"""Fields that only events of one kind have."""


def event_from(body: EventBody, people: People, *, tenant_id: UUID, event_id: UUID) -> CalendarEvent:
    """The event that a body describes. Raises InvalidInput with the path of the first fault."""
    for kind, fields in _OWN.items():
        for name in fields:
            if kind is not body.kind and getattr(body, name):
                raise InvalidInput(f"is for events of the kind {kind} only", path=name)
    if body.kind is EventKind.ON_CALL and body.schedule is None:
        raise InvalidInput("is required: the name of the on-call schedule", path="schedule")
    if body.rrule is None and (body.exdates or body.overrides):
        raise InvalidInput("is for events that come again: there is no rrule", path="overrides")
    zone = zone_of(body.time_zone, path="time_zone")
    event = CalendarEvent(
        id=event_id,
        tenant_id=tenant_id,
        kind=body.kind,
        title=body.title,
        start_time=_instant(body.start_time, zone),
        end_time=_instant(body.end_time, zone),
        time_zone=body.time_zone,
        all_day=body.all_day,
        rrule=body.rrule,
        exdates=tuple(_instant(at, zone) for at in body.exdates),
        overrides=_overrides(body, people, zone),
        matchers=_matchers(body),
        schedule=body.schedule,
        members=people.find(body.members, path="members"),
        layer=body.layer,
    )
    check(event)
    return event


def more_of(body: EventBody) -> dict[str, Any]:
    """What is stored of a body beside its event."""
    return {"description": body.description, "location": body.location}


def body_of(row: Any, sent: Mapping[str, Any]) -> EventBody:
    """The body that a row stands for, with the fields of `sent` in the place of the row's."""
    stored = {name: getattr(row, name) for name in EventBody.model_fields}
    stored["members"] = [str(member) for member in row.members]
    return EventBody.model_validate(stored | dict(sent))


def _instant(at: datetime, zone: ZoneInfo) -> datetime:
    return instants(at, zone)[0] if at.tzinfo is None else at.astimezone(UTC)


def _overrides(body: EventBody, people: People, zone: ZoneInfo) -> tuple[Override, ...]:
    found = []
    for index, one in enumerate(body.overrides):
        path = f"overrides[{index}].members"
        if one.members is not None and body.kind is not EventKind.ON_CALL:
            raise InvalidInput("is for events of the kind on_call only", path=path)
        found.append(
            Override(
                _instant(one.occurrence, zone),
                None if one.start_time is None else _instant(one.start_time, zone),
                None if one.end_time is None else _instant(one.end_time, zone),
                None if one.members is None else people.find(one.members, path=path),
            )
        )
    if len({one.occurrence for one in found}) < len(found):
        raise InvalidInput("has one occurrence twice", path="overrides")
    return tuple(found)


def _matchers(body: EventBody) -> tuple[str, ...]:
    try:
        return tuple(str(matcher) for matcher in parse_matchers(body.matchers))
    except ConditionError as fault:
        raise InvalidInput(fault.message, path=fault.path) from None
