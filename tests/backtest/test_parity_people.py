"""A backtest knows what withheld messages, who was to be told, and what people did: it tells what the alerter did."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from alerts.backtest.report import Report
from alerts.core.policy import Withheld
from monitor.identity.store import insert_member
from tests.alerts.timeline import INTERVAL, Timeline, span
from tests.backtest.both import ask, live, told

BUDGET = 3

Prepare = Callable[[Timeline], Awaitable[dict[str, Any]]]
"""Sets up what a case is about, and says what its rule has besides."""

Act = Callable[[Timeline, int], Awaitable[None]]
"""What people do in the ten seconds from this one on."""

Shows = Callable[[Report], bool]
"""Whether a backtest has what its case is about."""


async def _nothing(t: Timeline, second: int) -> None:
    """People do nothing."""


async def _member(t: Timeline, name: str, **more: Any) -> str:
    email = f"{name}@example.com"
    async with t.db.owner() as owner:
        await insert_member(owner, t.tenant.id, email=email, role="on-call", now=t.clock())
    await t.request("PATCH", f"members/{email}", more)
    return email


async def _event(t: Timeline, kind: str, start: str, end: str, **more: Any) -> None:
    times = {"start_time": (t.start + span(start)).isoformat(), "end_time": (t.start + span(end)).isoformat()}
    await t.request("POST", "calendar-events", {"kind": kind, "title": "planned"} | times | more)


async def _silenced(t: Timeline) -> dict[str, Any]:
    times = {"starts_at": (t.start + span("1m35s")).isoformat(), "ends_at": (t.start + span("3m15s")).isoformat()}
    await t.request("POST", "silences", {"matchers": ["agent=akira-001"], "comment": "deploy"} | times)
    return {"repeat": "1m"}


async def _maintained(t: Timeline) -> dict[str, Any]:
    await _event(t, "maintenance", "2m", "2m35s", rrule="FREQ=DAILY")
    await _event(t, "maintenance", "6m5s", "7m", matchers=["agent=akira-002"])
    return {"repeat": "50s"}


async def _on_call(t: Timeline) -> dict[str, Any]:
    """A hand-over, a gap in which the fallback is told, and a second contact that is told later."""
    late = {"kind": "slack", "target": "U0BEN12345", "after": "40s"}
    ann = await _member(t, "ann")
    ben = await _member(t, "ben", contacts=[{"kind": "email", "target": "ben@example.com"}, late])
    await t.request("PUT", "channels/fallback", {"email": "all@example.com"})
    await _event(t, "on_call", "0s", "3m", schedule="platform", members=[ann])
    await _event(t, "on_call", "4m", "1h", schedule="platform", members=[ben])
    return {"channels": {"on_call": "platform"}, "repeat": "70s"}


async def _escalated(t: Timeline) -> dict[str, Any]:
    steps = [
        {"after": "20s", "channels": {"slack": "#second"}},
        {"after": "1m", "channels": {"email": "boss@example.com"}},
    ]
    await t.request("POST", "escalations", {"name": "usual", "steps": steps})
    return {"escalate": "usual", "repeat": "3m"}


async def _quiet(t: Timeline) -> dict[str, Any]:
    start, end = (f"{t.start + span(at):%H:%M}" for at in ("1m", "5m"))
    await _member(t, "ann", quiet_hours={"start": start, "end": end, "time_zone": "UTC"})
    return {"channels": {"email": "ann@example.com", "slack": "#all"}, "repeat": "2m"}


async def _routed(t: Timeline) -> dict[str, Any]:
    await t.settings(routes=[{"matchers": ["severity=critical"], "channels": {"slack": "#critical"}}])
    return {"channels": None, "severity": "critical", "repeat": "1m"}


async def _grouped(t: Timeline) -> dict[str, Any]:
    await t.settings(group={"by": ["rule"], "wait": "20s", "interval": "1m"})
    return {"repeat": "2m"}


async def _budgeted(t: Timeline) -> dict[str, Any]:
    await t.settings(budget=BUDGET)
    return {"repeat": "30s"}


async def _plain(t: Timeline) -> dict[str, Any]:
    return {"repeat": "40s", "escalate": [{"after": "50s", "channels": {"slack": "#late"}}]}


async def _inhibited(t: Timeline) -> dict[str, Any]:
    """Another rule explains this one, and the death of an agent all that is said of it."""
    await t.rule(
        {"log": {"contains": "Traceback"}, "window": "30s", "count": 3},
        agent=None,
        name="cause",
        channels={"slack": "#c"},
    )
    body = {"name": "causes", "source": ["rule=cause"], "target": ["rule=this"], "equal": ["agent"]}
    await t.request("POST", "inhibitions", body, expect=201)
    await t.heartbeat("akira-002", "0s")
    dead = {"agent": "akira-002", "name": "dead", "severity": "critical", "channels": {"slack": "#d"}}
    await t.rule({"heartbeat": "missed", "after": "2m"}, **dead)
    return {"repeat": "30s"}


async def _respond(t: Timeline, second: int, action: str, body: dict[str, Any] | None = None) -> None:
    """To the oldest alert that is open."""
    t.at(f"{second + 9}s")
    found = [one for one in await t.alerts(status="open") if one["rule"] == "this"]
    if found:
        await t.request("POST", f"alerts/{found[-1]['id']}/{action}", body or {})


async def _acknowledging(t: Timeline, second: int) -> None:
    if second in (150, 360):
        await _respond(t, second, "acknowledge", {"until": (t.start + timedelta(seconds=second + 95)).isoformat()})


async def _snoozing(t: Timeline, second: int) -> None:
    if second in (150, 360):
        await _respond(t, second, "snooze", {"until": (t.start + timedelta(seconds=second + 75)).isoformat()})


async def _resolving(t: Timeline, second: int) -> None:
    if second in (130, 180, 360):
        await _respond(t, second, "resolve")


def _withheld(by: Withheld) -> Shows:
    return lambda found: found.withheld.get(by, 0) > 0


def _reaches(*targets: str) -> Shows:
    return lambda found: set(targets) <= {one.target for one in found.messages}


def _together(found: Report) -> bool:
    return any(len(one.alerts) > 1 for one in found.messages)


def _spent(found: Report) -> bool:
    """No more than the budget of the hour, while repeats and resolves went on being due for minutes."""
    until = found.messages[-1].at + timedelta(minutes=2)
    return len(found.messages) == BUDGET and any((one["resolved_at"] or found.until) > until for one in found.episodes)


def _between_ticks(found: Report) -> bool:
    ends = [one["resolved_at"] - found.since for one in found.episodes if one["resolved_at"] is not None]
    return any(end % INTERVAL for end in ends)


CASES: list[tuple[str, Prepare, Act, Shows]] = [
    ("silenced", _silenced, _nothing, _withheld(Withheld.SILENCED)),
    ("maintained", _maintained, _nothing, _withheld(Withheld.MAINTENANCE)),
    ("on call", _on_call, _nothing, _reaches("ann@example.com", "all@example.com", "ben@example.com")),
    ("escalated", _escalated, _nothing, _reaches("#second", "boss@example.com")),
    ("escalated until acknowledged", _escalated, _acknowledging, _withheld(Withheld.ACKNOWLEDGED)),
    ("quiet hours", _quiet, _nothing, _withheld(Withheld.QUIET_HOURS)),
    ("routed", _routed, _nothing, _reaches("#critical")),
    ("grouped", _grouped, _nothing, _together),
    ("budgeted", _budgeted, _nothing, _spent),
    ("inhibited", _inhibited, _nothing, _withheld(Withheld.INHIBITED)),
    ("acknowledged", _plain, _acknowledging, _withheld(Withheld.ACKNOWLEDGED)),
    ("snoozed", _plain, _snoozing, _withheld(Withheld.SNOOZED)),
    ("resolved by hand", _plain, _resolving, _between_ticks),
    ("acknowledged on call", _on_call, _acknowledging, _withheld(Withheld.ACKNOWLEDGED)),
]


@pytest.mark.parametrize(("name", "prepare", "act", "shows"), CASES, ids=[case[0] for case in CASES])
async def test_a_backtest_tells_what_the_alerter_did(
    t: Timeline, name: str, prepare: Prepare, act: Act, shows: Shows
) -> None:
    more = await prepare(t)
    made = await t.rule({"status": "error", "consecutive_failures": 2}, **({"agent": None, "name": "this"} | more))

    async def feed(second: int, rng: Random) -> None:
        bad = (second // 120) % 2 == 1
        for agent in ("akira-001", "akira-002"):
            if rng.random() < (0.7 if bad else 0.3):
                status = "error" if bad or rng.random() < 0.2 else "success"
                said = "Traceback" if bad else "done"
                await t.log(agent, status, f"{second + rng.randint(0, 8)}s", message=said)
        await act(t, second)

    heard = [one for one in await live(t, feed, seed=len(name)) if one[2] not in ("#c", "#d")]
    found = await ask(t, made["id"])
    assert heard, "the test is about nothing"
    assert shows(found), "the test is not about what it is called after"
    assert told(t, found) == heard
    assert [(one.told, one.alerter, one.replay) for one in found.different or ()] == []
