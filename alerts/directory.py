"""Where a tenant's messages go: its channels, who is on call, its routes and fallback; how it wants to be paged."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.condition import ConditionError
from alerts.core.matchers import Matcher, matches, parse_matchers
from alerts.core.rule import Escalation, Rule, parse_steps
from alerts.core.targets import NOBODY, Channels, Target, parse_channels, target_of
from alerts.core.vocabulary import ChannelKind
from alerts.outages import read_ends
from alerts.people import People, addresses, key_of, read_people
from alerts.settings import read_settings
from alerts.settings_bodies import AlertSettings
from monitor.calendar.model import CalendarEvent, EventKind
from monitor.calendar.rotation import on_call, shifts
from monitor.calendar.store import read_events
from monitor.principal import TenantStatus

_TENANTS = text("SELECT id, status, fallback_channel FROM tenants WHERE id = ANY (:tenants)")
_NAMED = text("SELECT tenant_id, name, kind, target, secret FROM channels WHERE tenant_id = ANY (:tenants)")
_POLICIES = text("SELECT tenant_id, name, steps FROM escalations WHERE tenant_id = ANY (:tenants)")
_NEVER = datetime.min.replace(tzinfo=UTC)
_AT_ONCE = timedelta(0)
_WEEK = timedelta(days=7)

Schedule = tuple[UUID, str]
"""(tenant, name of an on-call schedule)."""


@dataclass(frozen=True, slots=True)
class Route:
    """Channels of the alerts that these matchers mean, where their rule names none."""

    matchers: tuple[Matcher, ...]
    channels: Channels


@dataclass(frozen=True, slots=True)
class Address:
    """A target that channels come to. `after`: how long an alert is open before it is told there.

    `on_call`: as a contact of whoever is on call; `note`: what there is to say of that.
    """

    target: Target
    after: timedelta = _AT_ONCE
    on_call: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Directory:
    """Channels and settings of some tenants, at the time `now`. `settle` is how long theirs settle that have not said
    it."""

    now: datetime = _NEVER
    active: frozenset[UUID] = frozenset()
    fallbacks: Mapping[UUID, Channels] = field(default_factory=dict)
    named: Mapping[tuple[UUID, str], Target] = field(default_factory=dict)
    settings: Mapping[UUID, AlertSettings] = field(default_factory=dict)
    outages: Mapping[tuple[UUID, bool], datetime] = field(default_factory=dict)
    settle: timedelta = timedelta(0)
    rotations: Mapping[Schedule, tuple[CalendarEvent, ...]] = field(default_factory=dict)
    people: People = field(default_factory=dict)
    policies: Mapping[tuple[UUID, str], tuple[Escalation, ...]] = field(default_factory=dict)
    routes: Mapping[UUID, tuple[Route, ...]] = field(default_factory=dict)
    # What was found out at `now`; not passed on to what is made of this by `replace`.
    _known: dict[Schedule, tuple[Address, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _quiet: dict[UUID, Mapping[tuple[ChannelKind, str], datetime]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def at(self, now: datetime) -> "Directory":
        """The same at another time: others are on call, others have quiet hours."""
        return self if now == self.now else replace(self, now=now)

    def addresses(self, tenant_id: UUID, channels: Channels) -> list[Address]:
        """Whom channels come to: where they name nobody, or a channel that is gone, the tenant's fallback."""
        if not channels:
            return self._fallback(tenant_id)
        found = [Address(target) for target in channels.targets]
        for name in channels.named:
            target = self.named.get((tenant_id, name))
            found += [Address(target)] if target is not None else self._fallback(tenant_id)
        for name in channels.on_call:
            found += self._on_call((tenant_id, name)) or [
                replace(one, note=f"nobody is on call for {name}, so the fallback channel is told")
                for one in self._fallback(tenant_id)
            ]
        return found

    def resolve(self, tenant_id: UUID, channels: Channels) -> list[Target]:
        """The targets that channels come to."""
        return list(dict.fromkeys(one.target for one in self.addresses(tenant_id, channels)))

    def settles(self, tenant_id: UUID, since: datetime, *, reads_history: bool, now: datetime) -> bool:
        """Whether an alert that opened at `since` may be but a trace of an outage that has just ended."""
        settings = self.settings.get(tenant_id)
        lasts = settings.settle if settings is not None and settings.settle is not None else self.settle
        ends = (self.outages.get((tenant_id, history)) for history in ({False, True} if reads_history else {False}))
        return any(end is not None and end <= since and now < end + lasts for end in ends)

    def fallback(self, tenant_id: UUID) -> list[Target]:
        """The targets of a tenant's fallback channel; none where it has none."""
        return list(dict.fromkeys(one.target for one in self._fallback(tenant_id)))

    def steps(self, tenant_id: UUID, rule: Rule) -> tuple[Escalation, ...]:
        """A rule's escalation: its own, or that of the policy that it names."""
        return rule.escalate if rule.policy is None else self.policies.get((tenant_id, rule.policy), ())

    def route(self, tenant_id: UUID, labels: Mapping[str, str]) -> Channels:
        """The channels of the first of the tenant's routes that means an alert with these labels; else nobody."""
        routes = (one.channels for one in self.routes.get(tenant_id, ()) if matches(one.matchers, labels))
        return next(routes, NOBODY)

    def hand_over(self, tenant_id: UUID, name: str) -> datetime:
        """When somebody else is on call next, or a week from now, whichever is earlier."""
        return shifts(self.rotations.get((tenant_id, name), ()), self.now, self.now + _WEEK)[0].end

    def quiet_until(self, tenant_id: UUID, target: Target) -> datetime | None:
        """When the quiet hours end of whoever is reached there, if all of them have some now."""
        if tenant_id not in self._quiet:
            found = {}
            for key, people in addresses(self.people.get(tenant_id, {}).values()).items():
                ends = [person.quiet_until(self.now) for person in people]
                known = [end for end in ends if end is not None]
                if known and len(known) == len(ends):
                    found[key] = min(known)
            self._quiet[tenant_id] = found
        return self._quiet[tenant_id].get(key_of(target))

    def _fallback(self, tenant_id: UUID) -> list[Address]:
        channels = self.fallbacks.get(tenant_id, NOBODY)
        named = (self.named.get((tenant_id, name)) for name in channels.named)
        found = [Address(target) for target in (*channels.targets, *named) if target is not None]
        return found + [one for name in channels.on_call for one in self._on_call((tenant_id, name))]

    def _on_call(self, schedule: Schedule) -> tuple[Address, ...]:
        """Contacts of whoever is on call; none where nobody is, or nobody who is still a member."""
        if schedule not in self._known:
            tenant_id, name = schedule
            people = self.people.get(tenant_id, {})
            there = [people[one] for one in on_call(self.rotations.get(schedule, ()), self.now) if one in people]
            self._known[schedule] = tuple(
                Address(target, after, on_call=True, note=f"{person.email} is on call for {name}")
                for person in there
                for target, after in person.contacts
            )
        return self._known[schedule]


async def read_directory(
    connection: AsyncConnection, tenants: Iterable[UUID], *, now: datetime, settle: timedelta = timedelta(0)
) -> Directory:
    """The directory of these tenants, from `now` on: what is over before is left out."""
    wanted = sorted(set(tenants))
    given = {"tenants": wanted}
    rows = (await connection.execute(_TENANTS, given)).all()
    named = await connection.execute(_NAMED, given)
    policies = await connection.execute(_POLICIES, given)
    rotations: dict[Schedule, list[CalendarEvent]] = defaultdict(list)
    for event in await read_events(connection, wanted, EventKind.ON_CALL, since=now):
        rotations[event.tenant_id, event.schedule or ""].append(event)
    settings = await read_settings(connection, wanted)
    return Directory(
        now=now,
        active=frozenset(row.id for row in rows if row.status == TenantStatus.ACTIVE),
        fallbacks={row.id: fallback_of(row.fallback_channel) for row in rows},
        named={(row.tenant_id, row.name): target_of(ChannelKind(row.kind), row.target, row.secret) for row in named},
        settings=settings,
        outages=await read_ends(connection, wanted),
        settle=settle,
        rotations={schedule: tuple(events) for schedule, events in rotations.items()},
        people=await read_people(connection, wanted),
        policies={(row.tenant_id, row.name): _steps_of(row.steps) for row in policies},
        routes={tenant_id: _routes_of(one.routes) for tenant_id, one in settings.items()},
    )


def fallback_of(raw: Any) -> Channels:
    """The channels in `tenants.fallback_channel`; nobody for what is not there or cannot be read."""
    if not raw:
        return NOBODY
    try:
        return parse_channels(raw, "fallback_channel")
    except ConditionError:
        return NOBODY


def _steps_of(raw: Any) -> tuple[Escalation, ...]:
    try:
        return parse_steps(raw, "steps")
    except ConditionError:
        return ()


def _routes_of(raw: Iterable[Any]) -> tuple[Route, ...]:
    return tuple(Route(parse_matchers(one.matchers), parse_channels(one.channels)) for one in raw)
