"""Whom an alert addresses, when that may change, and quiet hours on days when the clocks change. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from alerts.audience import audience, changes
from alerts.core.matchers import parse_matchers
from alerts.core.parse import parse_condition
from alerts.core.policy import Withheld, decide
from alerts.core.rule import Escalation, Rule
from alerts.core.targets import Channels, Target, parse_channels
from alerts.core.vocabulary import AlertStatus, ChannelKind, Reason, Severity
from alerts.directory import Directory, Route
from alerts.episode import Episode
from alerts.people import Person, quiet_event
from monitor.calendar.model import CalendarEvent, EventKind
from tests.calendar.makers import BERLIN, NEW_YORK, utc, wall

TENANT, ANN, BEN = UUID(int=1), UUID(int=2), UUID(int=3)
START = utc("2026-03-02 09:00")
HOUR = timedelta(hours=1)


def _shift(member: UUID, start: datetime, end: datetime) -> CalendarEvent:
    return CalendarEvent(
        id=member, tenant_id=TENANT, kind=EventKind.ON_CALL, title="t", start_time=start, end_time=end,
        schedule="platform", members=(member,),
    )  # fmt: skip


def _mail(name: str) -> Target:
    return Target(ChannelKind.EMAIL, f"{name}@example.com")


def _person(user: UUID, name: str, **more: Any) -> Person:
    return Person(user, f"{name}@example.com", ((_mail(name), timedelta(0)),), **more)


DIRECTORY = Directory(
    now=START,
    active=frozenset([TENANT]),
    fallbacks={TENANT: Channels((_mail("all"),))},
    rotations={(TENANT, "platform"): (_shift(ANN, START, START + HOUR), _shift(BEN, START + HOUR, START + 2 * HOUR))},
    people={TENANT: {ANN: _person(ANN, "ann"), BEN: _person(BEN, "ben")}},
    policies={(TENANT, "usual"): (Escalation(timedelta(minutes=10), Channels((_mail("boss"),))),)},
    routes={TENANT: (Route(parse_matchers(['severity="critical"']), Channels((_mail("critical"),))),)},
)
FAILS = parse_condition({"status": "error"})
RULE = Rule(FAILS, channels=parse_channels({"on_call": "platform"}))


def _episode(**more: Any) -> Episode:
    known: dict[str, Any] = {
        "tenant_id": TENANT, "id": UUID(int=9), "config_id": None, "agent_id": None, "severity": Severity.WARNING,
        "status": AlertStatus.OPEN, "triggered_at": START, "value": None, "details": {},
    }  # fmt: skip
    return Episode(**known | more)


def _told(rule: Rule, minutes: float, directory: Directory = DIRECTORY, **more: Any) -> list[str]:
    found = audience(directory, rule, _episode(**more), now=START + timedelta(minutes=minutes))
    return [one.target.address.partition("@")[0] for one in found]


def test_the_audience_is_that_of_the_time() -> None:
    assert _told(RULE, 0) == ["ann"]
    assert _told(RULE, 59.9) == ["ann"]
    assert _told(RULE, 60) == ["ben"]
    assert _told(RULE, 120) == ["all"]
    policy = replace(RULE, policy="usual")
    assert (_told(policy, 9.9), _told(policy, 10), _told(policy, 60)) == (["ann"], ["ann", "boss"], ["ben", "boss"])
    assert _told(replace(RULE, policy="gone"), 60) == ["ben"]
    nobody = Rule(FAILS)
    assert (_told(nobody, 0), _told(nobody, 0, severity=Severity.CRITICAL)) == (["all"], ["critical"])


def test_one_address_by_two_ways_is_told_once_and_not_only_as_on_call() -> None:
    both = replace(RULE, channels=parse_channels({"on_call": "platform", "email": "ann@example.com"}))
    (found,) = audience(DIRECTORY, both, _episode(), now=START)
    assert (found.on_call, found.notes) == (False, ("ann@example.com is on call for platform",))
    (found,) = audience(DIRECTORY, RULE, _episode(), now=START)
    assert found.on_call


def test_changes_are_hand_overs_steps_contacts_and_ends_of_quiet_hours() -> None:
    later = Person(ANN, "ann@example.com", ((_mail("ann"), timedelta(0)), (_mail("phone"), timedelta(minutes=5))))
    known = replace(DIRECTORY, people={TENANT: {ANN: later, BEN: _person(BEN, "ben")}})
    found = changes(known, replace(RULE, policy="usual"), _episode(), now=START)
    minutes = sorted({(at - START) / timedelta(minutes=1) for at in found})
    assert minutes == [5, 10, 60]
    quiet = quiet_event({"start": "08:00", "end": "09:30", "time_zone": "UTC"})
    known = replace(DIRECTORY, people={TENANT: {ANN: _person(ANN, "ann", quiet=quiet)}})
    assert START + timedelta(minutes=30) in changes(known, RULE, _episode(), now=START)


def test_an_address_that_two_share_is_quiet_only_while_both_are() -> None:
    quiet = quiet_event({"start": "08:00", "end": "09:30", "time_zone": "UTC"})
    longer = quiet_event({"start": "08:00", "end": "10:00", "time_zone": "UTC"})

    def until(*people: Person) -> datetime | None:
        known = replace(DIRECTORY, people={TENANT: {person.id: person for person in people}})
        return known.quiet_until(TENANT, Target(ChannelKind.EMAIL, "Ann@Example.com"))

    shared = Person(BEN, "ben@example.com", ((_mail("ann"), timedelta(0)),))
    assert until(_person(ANN, "ann", quiet=quiet)) == START + timedelta(minutes=30)
    assert until(_person(ANN, "ann", quiet=quiet), shared) is None
    assert until(_person(ANN, "ann", quiet=quiet), replace(shared, quiet=longer)) == START + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("zone", "night", "hours"),
    [
        (BERLIN, "2026-03-28", 8),
        (BERLIN, "2026-10-24", 10),
        (NEW_YORK, "2026-03-07", 8),
        (NEW_YORK, "2026-10-31", 10),
    ],
    ids=["berlin forward", "berlin back", "new york forward", "new york back"],
)
def test_quiet_hours_go_by_the_clock_on_the_wall(zone: str, night: str, hours: int) -> None:
    person = _person(ANN, "ann", quiet=quiet_event({"start": "22:00", "end": "07:00", "time_zone": zone}))
    start = wall(f"{night} 22:00", zone).astimezone(UTC)
    assert person.quiet_until(start - timedelta(seconds=1)) is None
    assert person.quiet_until(start) == start + timedelta(hours=hours)
    assert person.quiet_until(start + timedelta(hours=hours)) is None


def test_quiet_hours_of_some_days_are_those_that_start_on_them() -> None:
    fridays = quiet_event({"start": "22:00", "end": "07:00", "time_zone": "UTC", "days": ["FR"]})
    person = _person(ANN, "ann", quiet=fridays)
    assert person.quiet_until(utc("2026-03-06 23:00")) == utc("2026-03-07 07:00")
    assert person.quiet_until(utc("2026-03-07 06:00")) == utc("2026-03-07 07:00")
    assert person.quiet_until(utc("2026-03-07 23:00")) is None


@pytest.mark.parametrize("severity", list(Severity))
def test_quiet_hours_withhold_all_but_what_is_critical(severity: Severity) -> None:
    found = decide(now=START, firing=True, severity=severity, repeat=HOUR, quiet=True)
    if severity is Severity.CRITICAL:
        assert found.reason is Reason.FIRST
    else:
        assert (found.withheld_by, found.withheld) == (Withheld.QUIET_HOURS, Reason.FIRST)
