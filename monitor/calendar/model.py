"""A calendar event, and its occurrences. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class EventKind(StrEnum):
    """What an event means beside being one. `on_call`: shifts of a rotation; `maintenance`: withholds messages."""

    EVENT = "event"
    ON_CALL = "on_call"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Override:
    """What is different about one occurrence, the one that would start at `occurrence`; None: as it would be."""

    occurrence: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    members: tuple[UUID, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEvent:
    """An event, or the first of a series where it has an `rrule`.

    Both times have a zone. `rrule` is a recurrence rule of RFC 5545, which goes by the clock on the wall in
    `time_zone`; `exdates` are the starts of occurrences that are left out. `matchers` say which alerts a maintenance
    window is for; none: all. `schedule`, `members` (users, in the order of their turns) and `layer` (a higher one
    covers those below it) are those of an on-call rotation.
    """

    id: UUID
    tenant_id: UUID
    kind: EventKind
    title: str
    start_time: datetime
    end_time: datetime
    time_zone: str = "UTC"
    all_day: bool = False
    rrule: str | None = None
    exdates: tuple[datetime, ...] = ()
    overrides: tuple[Override, ...] = ()
    matchers: tuple[str, ...] = ()
    schedule: str | None = None
    members: tuple[UUID, ...] = ()
    layer: int = 0


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that an event takes place, from `start` up to `end`, both in UTC.

    `index`: how many occurrences the rule has before it, those that are left out included.
    """

    event: CalendarEvent
    start: datetime
    end: datetime
    index: int = 0
    override: Override | None = None
