"""Bodies of the calendar's routes: what may be sent and what is answered."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from monitor.calendar.model import EventKind


def _storable(text: str) -> str:
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("a character that cannot be stored")
    return text


Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]
LongText = Annotated[str, Field(max_length=10_000), AfterValidator(_storable)]
_MANY = 1000
_UNSENT = datetime.max.replace(tzinfo=UTC)


class OverrideBody(BaseModel):
    """What is different about the occurrence that would start at `occurrence`; what is not sent is as it would be."""

    model_config = ConfigDict(extra="forbid")

    occurrence: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    members: Annotated[list[Text], Field(max_length=_MANY)] | None = None


class EventBody(BaseModel):
    """An event. Times without a zone are those of the clock on the wall in `time_zone`."""

    model_config = ConfigDict(extra="forbid")

    kind: EventKind = EventKind.EVENT
    title: Text
    description: LongText | None = None
    start_time: datetime
    end_time: datetime
    location: Text | None = None
    all_day: bool = False
    time_zone: Text = "UTC"
    rrule: Text | None = Field(default=None, description="when it comes again, by RFC 5545: FREQ=WEEKLY;BYDAY=MO")
    exdates: Annotated[list[datetime], Field(max_length=_MANY)] = []
    overrides: Annotated[list[OverrideBody], Field(max_length=_MANY)] = []
    matchers: Annotated[list[Annotated[str, Field(max_length=2000)]], Field(max_length=50)] = Field(
        default=[], description="which alerts a maintenance window withholds; none: all"
    )
    schedule: Text | None = Field(default=None, description="the on-call schedule that this is a rotation of")
    members: Annotated[list[Text], Field(max_length=_MANY)] = Field(
        default=[], description="ids or email addresses, in the order of their turns"
    )
    layer: Annotated[int, Field(ge=0, le=100)] = Field(default=0, description="a higher one covers those below it")


class EventPatch(EventBody):
    """What is to be changed. Fields that are not sent stay as they are."""

    title: Text = ""
    start_time: datetime = Field(default_factory=lambda: _UNSENT)
    end_time: datetime = Field(default_factory=lambda: _UNSENT)


class MemberAnswer(BaseModel):
    """A member. `email` is null for one who has left."""

    id: UUID
    email: str | None
    name: str | None


class OccurrenceAnswer(BaseModel):
    """One time that an event takes place; `occurrence`: the start by its rule, which names it in an override."""

    occurrence: datetime
    start_time: datetime
    end_time: datetime


class OverrideAnswer(BaseModel):
    """What is different about one occurrence."""

    occurrence: datetime
    start_time: datetime | None
    end_time: datetime | None
    members: list[MemberAnswer] | None


class EventAnswer(BaseModel):
    """An event as it stands. `occurrences`: those in the range that was asked for."""

    id: UUID
    kind: EventKind
    title: str
    description: str | None
    start_time: datetime
    end_time: datetime
    location: str | None
    all_day: bool
    time_zone: str
    rrule: str | None
    exdates: list[datetime]
    overrides: list[OverrideAnswer]
    matchers: list[str]
    schedule: str | None
    members: list[MemberAnswer]
    layer: int
    created_by: str
    created_at: datetime
    updated_at: datetime
    occurrences: list[OccurrenceAnswer] | None = None


class ShiftAnswer(BaseModel):
    """Who is on call from `start` up to `end`."""

    start: datetime
    end: datetime
    members: list[MemberAnswer]


class GapAnswer(BaseModel):
    """A time at which nobody is on call, and nobody meant that."""

    start: datetime
    end: datetime


class ScheduleAnswer(BaseModel):
    """Who is on call in one schedule: at the time that was asked for, and after it."""

    schedule: str
    on_call: list[MemberAnswer]
    shifts: list[ShiftAnswer]
    gaps: list[GapAnswer]
    warnings: list[str]


class OnCallAnswer(BaseModel):
    """Every schedule, or the one that was asked for."""

    at: datetime
    until: datetime
    schedules: list[ScheduleAnswer]
