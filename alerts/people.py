"""How the members of tenants are reached, and when they are left in peace."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.targets import Target, target_of
from alerts.core.vocabulary import ChannelKind
from monitor.calendar.model import CalendarEvent, EventKind
from monitor.calendar.recurrence import active
from monitor.identity.members import Member, list_members
from monitor.ids import PLATFORM_TENANT
from monitor.zones import instants, zone_of

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_A_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Person:
    """An active member. `contacts`: how to reach them, each with how long an alert is open before; in their order.

    `quiet`: their quiet hours, as an event that comes again.
    """

    id: UUID
    email: str
    contacts: tuple[tuple[Target, timedelta], ...]
    quiet: CalendarEvent | None = None

    def quiet_until(self, now: datetime) -> datetime | None:
        """When the quiet hours end that they have now; None: they have none."""
        return max((one.end for one in active([self.quiet], now)), default=None) if self.quiet else None


People = Mapping[UUID, Mapping[UUID, Person]]
"""By tenant, and by user."""


async def read_people(connection: AsyncConnection, tenants: Iterable[UUID]) -> People:
    """The active members of these tenants."""
    found: dict[UUID, dict[UUID, Person]] = {}
    for member in await list_members(connection, tenants):
        if member.active:
            found.setdefault(member.tenant_id, {})[member.id] = _person(member)
    return found


def addresses(people: Iterable[Person]) -> dict[tuple[ChannelKind, str], list[Person]]:
    """Who is reached at an address: a contact of theirs, or the email address of their account."""
    found: dict[tuple[ChannelKind, str], list[Person]] = {}
    for person in people:
        theirs = {key_of(Target(ChannelKind.EMAIL, person.email)), *(key_of(target) for target, _ in person.contacts)}
        for key in theirs:
            found.setdefault(key, []).append(person)
    return found


def key_of(target: Target) -> tuple[ChannelKind, str]:
    """What tells addresses apart: of email, not how it is capitalised."""
    is_email = target.kind is ChannelKind.EMAIL
    return target.kind, target.address.lower() if is_email else target.address


def quiet_event(raw: Mapping[str, Any]) -> CalendarEvent:
    """Quiet hours, as a membership holds them, as an event: from `start` to `end` on the days on which they start."""
    days = [day for day in _DAYS if day in raw.get("days", _DAYS)]
    start, end = time.fromisoformat(raw["start"]), time.fromisoformat(raw["end"])
    zone = zone_of(raw["time_zone"], path="time_zone")
    first = (_A_MONDAY + timedelta(days=_DAYS.index(days[0]))).date()
    last = first if end > start else first + timedelta(days=1)
    return CalendarEvent(
        id=PLATFORM_TENANT,
        tenant_id=PLATFORM_TENANT,
        kind=EventKind.EVENT,
        title="quiet hours",
        start_time=instants(datetime.combine(first, start), zone)[0],
        end_time=instants(datetime.combine(last, end), zone)[0],
        time_zone=raw["time_zone"],
        rrule=f"FREQ=WEEKLY;BYDAY={','.join(days)}",
    )


def _person(member: Member) -> Person:
    contacts = [(target_of(ChannelKind(one.kind), one.target, one.secret), one.after) for one in member.contacts]
    if not contacts:
        contacts = [(Target(ChannelKind.EMAIL, member.email), timedelta(0))]
    quiet = None if member.quiet_hours is None else quiet_event(member.quiet_hours)
    return Person(member.id, member.email, tuple(contacts), quiet)
