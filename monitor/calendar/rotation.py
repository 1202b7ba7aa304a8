"""Pure: who is on call, by the events of one schedule.

Each event of the kind `on_call` is a rotation: its occurrences are shifts, and its members take them in turns, one
shift each. Of the events that take place at a time, those in the highest layer count: a holiday's cover is an event
in a higher layer, and ends by itself. Two events in one layer put two people on call. An event without members says
that nobody is on call, and means it; a time at which nothing takes place is a gap.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from monitor.calendar.model import CalendarEvent, Occurrence
from monitor.calendar.recurrence import active, occurrences


@dataclass(frozen=True, slots=True)
class Shift:
    """Who is on call from `start` up to `end`. `planned`: whether any event says so; if not, it is a gap."""

    start: datetime
    end: datetime
    members: tuple[UUID, ...]
    planned: bool = True


def on_call(events: Iterable[CalendarEvent], at: datetime) -> tuple[UUID, ...]:
    """The members on call at a time; none where there is a gap, or where that is meant."""
    return _members(active(events, at))


def shifts(events: Iterable[CalendarEvent], start: datetime, end: datetime) -> list[Shift]:
    """Who is on call when, without holes from `start` up to `end`; what follows a shift is another one."""
    found = [one for event in events for one in occurrences(event, start, end)]
    waiting = sorted(found, key=lambda one: one.start, reverse=True)
    points = {start, end} | {at for one in found for at in (one.start, one.end) if start < at < end}
    made: list[Shift] = []
    now: list[Occurrence] = []
    ordered = sorted(points)
    for begins, ends in pairwise(ordered):
        now = [one for one in now if one.end > begins]
        while waiting and waiting[-1].start <= begins:
            now.append(waiting.pop())
        shift = Shift(begins, ends, _members(now), planned=bool(now))
        if made and (made[-1].members, made[-1].planned) == (shift.members, shift.planned):
            made[-1] = replace(made[-1], end=shift.end)
        else:
            made.append(shift)
    return made


def gaps(found: Sequence[Shift], present: AbstractSet[UUID]) -> list[Shift]:
    """Shifts that nobody takes: nothing is planned, or none of their members is `present` in the tenant any more."""
    return [shift for shift in found if not shift.planned or (shift.members and not present & set(shift.members))]


def _members(taking_place: Iterable[Occurrence]) -> tuple[UUID, ...]:
    found = list(taking_place)
    top = max((one.event.layer for one in found), default=0)
    turns = [_turn(one) for one in sorted(found, key=lambda one: one.event.id) if one.event.layer == top]
    return tuple(dict.fromkeys(member for turn in turns for member in turn))


def _turn(one: Occurrence) -> tuple[UUID, ...]:
    if one.override is not None and one.override.members is not None:
        return one.override.members
    members = one.event.members
    return (members[one.index % len(members)],) if members else ()
