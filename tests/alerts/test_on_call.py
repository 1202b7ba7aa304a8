"""Who hears of an alert: whoever is on call, by their own contacts, steps by name, routes, quiet hours, gaps."""

from datetime import timedelta
from typing import Any

import pytest

from alerts import gaps
from alerts.core.vocabulary import Reason
from monitor.identity.store import insert_member
from tests.alerts.timeline import PUBLIC_URL, Timeline, span

FAILS = {"status": "error"}
PLATFORM = {"on_call": "platform"}


async def _member(t: Timeline, name: str, *contacts: dict[str, Any], **more: Any) -> str:
    """A member who is reached as said; by email unless said."""
    email = f"{name}@example.com"
    async with t.db.owner() as owner:
        await insert_member(owner, t.tenant.id, email=email, role="on-call", now=t.clock())
    await t.request("PATCH", f"members/{email}", {"contacts": list(contacts), **more})
    return email


async def _rotation(t: Timeline, *members: str, start: str = "0s", end: str = "1h", **more: Any) -> str:
    """Shifts that begin then and last until then, handed over every day unless said; returns the event's id."""
    body = {
        "kind": "on_call", "title": "rotation", "schedule": "platform", "members": list(members),
        "start_time": (t.start + span(start)).isoformat(), "end_time": (t.start + span(end)).isoformat(),
    }  # fmt: skip
    made = await t.request("POST", "calendar-events", body | more)
    return str(made["id"])


async def _fallback(t: Timeline) -> None:
    await t.request("PUT", "channels/fallback", {"email": "all@example.com"})


async def _fail(t: Timeline, at: str = "5s") -> None:
    await t.log("akira-001", "error", at)


async def _acknowledge(t: Timeline) -> None:
    (alert,) = await t.alerts(status="open")
    await t.request("POST", f"alerts/{alert['id']}/acknowledge")


async def test_whoever_is_on_call_is_told_and_after_the_hand_over_the_next_one(t: Timeline) -> None:
    ann, ben = await _member(t, "ann"), await _member(t, "ben", {"kind": "slack", "target": "U0BEN12345"})
    await _rotation(t, ann)
    await _rotation(t, ben, start="1h", end="2h")
    await t.rule(FAILS, channels=PLATFORM)
    await _fail(t)
    await t.tick("10s")
    sent = t.expect("email", Reason.FIRST, target="ann@example.com")
    assert "ann@example.com is on call for platform" in sent.message.why
    await t.tick("59m")
    t.expect_silence()
    await t.tick("1h")
    assert "ben@example.com is on call" in t.expect("slack", Reason.FIRST, target="U0BEN12345").message.why
    t.expect_silence()
    await t.log("akira-001", "success", "1h1m")
    await t.tick("1h1m10s")
    t.expect("email", Reason.RESOLVED, target="ann@example.com")
    t.expect("slack", Reason.RESOLVED, target="U0BEN12345")
    t.expect_silence()


async def test_who_comes_on_call_is_not_told_what_somebody_has_until_that_ends(t: Timeline) -> None:
    await _rotation(t, await _member(t, "ann"))
    await _rotation(t, await _member(t, "ben"), start="1h", end="2d")
    await t.rule(FAILS, channels=PLATFORM, repeat="7d")
    await _fail(t)
    await t.tick("10s")
    t.expect("email", Reason.FIRST, target="ann@example.com")
    await _acknowledge(t)
    await t.tick("1h")
    await t.tick("23h")
    t.expect_silence()
    await t.tick("24h1m")
    t.expect("email", Reason.FIRST, target="ben@example.com")
    t.expect_silence()


async def test_nobody_on_call_is_the_fallback_and_says_so(t: Timeline) -> None:
    await _fallback(t)
    await _rotation(t, await _member(t, "ann"), start="1h", end="2h")
    await t.rule(FAILS, channels=PLATFORM)
    await _fail(t)
    await t.tick("10s")
    sent = t.expect("email", Reason.FIRST, target="all@example.com")
    assert "nobody is on call for platform, so the fallback channel is told" in sent.message.why
    t.expect_silence()


async def test_a_member_who_has_left_is_not_on_call(t: Timeline) -> None:
    await _fallback(t)
    ann = await _member(t, "ann")
    await _rotation(t, ann)
    await t.all_rows(
        "UPDATE memberships SET status = 'inactive' WHERE tenant_id = :id AND role = 'on-call'", id=t.tenant.id
    )
    await t.rule(FAILS, channels=PLATFORM)
    await _fail(t)
    await t.tick("10s")
    t.expect("email", Reason.FIRST, target="all@example.com")
    t.expect_silence()
    (schedule,) = (await t.request("GET", "on-call"))["schedules"]
    assert (schedule["on_call"][0]["email"], len(schedule["gaps"])) == (None, 2)


@pytest.mark.parametrize("acknowledged", [False, True])
async def test_contacts_are_taken_one_after_the_other_until_somebody_acknowledges(
    t: Timeline, acknowledged: bool
) -> None:
    slack = {"kind": "slack", "target": "U0ANN12345"}
    ann = await _member(t, "ann", slack, {"kind": "email", "target": "ann@example.com", "after": "5m"})
    await _rotation(t, ann)
    await t.rule(FAILS, channels=PLATFORM)
    await _fail(t)
    await t.tick("10s")
    t.expect("slack", Reason.FIRST, target="U0ANN12345")
    await t.tick("5m")
    t.expect_silence()
    if acknowledged:
        await _acknowledge(t)
    await t.tick("5m10s")
    if not acknowledged:
        assert "nobody has acknowledged it for 5m" in t.expect("email", Reason.ESCALATED).message.why
    assert [one for one in t.unheard if one.channel == "email"] == []


async def test_a_policy_by_name_escalates_to_whoever_is_on_call_then(t: Timeline) -> None:
    await _rotation(t, await _member(t, "ann"), end="10m")
    await _rotation(t, await _member(t, "ben"), start="10m", end="2h")
    steps = [{"after": "5m", "channels": {"slack": "#ops"}}, {"after": "15m", "channels": PLATFORM}]
    await t.request("POST", "escalations", {"name": "usual", "steps": steps}, expect=201)
    await t.rule(FAILS, escalate="usual")
    await _fail(t)
    await t.tick("10s")
    t.expect("email", Reason.FIRST, target="ops@example.com")
    await t.tick("5m10s")
    t.expect("slack", Reason.ESCALATED, target="#ops")
    await t.tick("15m10s")
    t.expect("email", Reason.ESCALATED, target="ben@example.com")
    t.expect_silence()
    await t.request("PATCH", "escalations/usual", {"steps": [{"after": "16m", "channels": {"slack": "#boss"}}]})
    await t.tick("16m10s")
    t.expect("slack", Reason.ESCALATED, target="#boss")
    t.expect_silence()


async def test_routes_say_where_alerts_go_whose_rule_does_not(t: Timeline) -> None:
    await _fallback(t)
    routes = [
        {"matchers": ['severity="critical"', 'team="platform"'], "channels": {"slack": "#critical"}},
        {"matchers": ['severity=~"critical|warning"'], "channels": {"slack": "#rest"}},
    ]
    await t.request("PUT", "alert-settings", {"routes": routes})
    await t.rule(FAILS, name="a", channels=None, severity="critical", labels={"team": "platform"})
    await t.rule(FAILS, name="b", channels=None)
    await t.rule(FAILS, name="c", channels=None, severity="info")
    await t.rule(FAILS, name="d", severity="critical", labels={"team": "platform"})
    await _fail(t)
    await t.tick("10s")
    for channel, target in (("slack", "#critical"), ("slack", "#rest"), ("email", "all@example.com")):
        assert len(t.expect(channel, Reason.FIRST, target=target).message.lines) == 1
    t.expect("email", Reason.FIRST, target="ops@example.com")
    t.expect_silence()


def _quiet(t: Timeline, minutes: int) -> dict[str, Any]:
    """Quiet hours from an hour before the start until so many minutes after it, to the minute."""
    start = t.start.replace(second=0)
    return {
        "start": (start - timedelta(hours=1)).strftime("%H:%M"),
        "end": (start + timedelta(minutes=minutes)).strftime("%H:%M"),
        "time_zone": "UTC",
    }


async def test_quiet_hours_withhold_all_but_what_is_critical_and_it_is_told_when_they_end(t: Timeline) -> None:
    ann = await _member(t, "ann", quiet_hours=_quiet(t, 30))
    await _rotation(t, ann, end="5h")
    rule = await t.rule(FAILS, channels={**PLATFORM, "slack": "#alerts"}, repeat="3h")
    await t.rule(FAILS, name="worse", channels=PLATFORM, severity="critical")
    await _fail(t)
    await t.tick("10s")
    t.expect("slack", Reason.FIRST)
    sent = t.expect("email", Reason.FIRST, target="ann@example.com")
    assert [line.rule for line in sent.message.lines] == ["worse"]
    await t.tick("28m")
    t.expect_silence()
    (alert,) = await t.alerts(status="open", config_id=rule["id"])
    timeline = (await t.request("GET", f"alerts/{alert['id']}/timeline"))["items"]
    (withheld,) = [entry["details"] for entry in timeline if entry["kind"] == "withheld"]
    assert (withheld["by"], withheld["reason"], withheld["target"]) == ("quiet hours", "FIRST", "ann@example.com")
    assert withheld["until"] > t.clock().isoformat()
    await t.tick("31m")
    sent = t.expect("email", Reason.FIRST, target="ann@example.com")
    assert "the quiet hours are over" in sent.message.why
    t.expect_silence()


async def test_quiet_hours_hold_for_an_address_that_a_rule_names_and_end_when_it_gets_critical(t: Timeline) -> None:
    await _member(t, "ann", quiet_hours=_quiet(t, 50))
    rule = await t.rule(FAILS, channels={"email": "Ann@example.com"})
    await _fail(t)
    await t.tick("10s")
    t.expect_silence()
    await t.request("PATCH", f"alert-configs/{rule['id']}", {"severity": "critical"})
    await t.tick("20s")
    t.expect("email", Reason.FIRST, target="Ann@example.com")


async def test_what_recovers_in_quiet_hours_is_never_told(t: Timeline) -> None:
    await _member(t, "ann", quiet_hours=_quiet(t, 30))
    await t.rule(FAILS, channels={"email": "ann@example.com"})
    await _fail(t)
    await t.tick("10s")
    await t.log("akira-001", "success", "15s")
    await t.tick("20s")
    await t.tick("40m")
    t.expect_silence()


async def test_a_gap_is_told_two_days_ahead_and_ends_when_somebody_takes_it(t: Timeline) -> None:
    await _fallback(t)
    await _rotation(t, await _member(t, "ann"), end="72h")

    async def watch(at: str) -> int:
        return await gaps.run_once(t.db, t.at(at), public_url=PUBLIC_URL)

    assert await watch("23h") == 0
    assert await watch("25h") == 1
    assert await watch("25h1m") == 1
    await t.deliver("25h2m")
    sent = t.expect("email", Reason.FIRST, target="all@example.com")
    assert "nobody is on call for platform from" in sent.message.lines[0].summary
    t.expect_silence()
    (schedule,) = (await t.request("GET", "on-call?schedule=platform"))["schedules"]
    assert len(schedule["warnings"]) == 1
    await _rotation(t, "ann@example.com", start="72h", end="20d")
    assert await watch("26h") == 0
    await t.deliver("26h1m")
    t.expect("email", Reason.RESOLVED, target="all@example.com")
    t.expect_silence()


async def test_names_that_stand_for_nothing_are_refused_and_those_in_use_stay(t: Timeline) -> None:
    rule = {"name": "r", "agent": "akira-001", "conditions": FAILS}
    for change, path in (
        ({"channels": PLATFORM}, "channels.on_call"),
        ({"escalate": "usual"}, "escalate"),
        ({"escalate": [{"after": "5m", "channels": PLATFORM}]}, "channels.on_call"),
    ):
        answer = await t.request("POST", "alert-configs", rule | change, expect=422)
        assert answer["path"] == path
    steps = [{"after": "5m", "channels": {"slack": "#ops"}}]
    await t.request("POST", "escalations", {"name": "usual", "steps": []}, expect=422)
    await t.request(
        "POST", "escalations", {"name": "usual", "steps": [{"after": "5m", "channels": PLATFORM}]}, expect=422
    )
    await t.request("POST", "escalations", {"name": "usual", "steps": steps}, expect=201)
    await t.request("POST", "escalations", {"name": "usual", "steps": steps}, expect=409)
    made = await t.request("POST", "alert-configs", rule | {"escalate": "usual"}, expect=201)
    assert made["escalate"] == "usual"
    await t.request("DELETE", "escalations/usual", expect=409)
    await t.request("PATCH", "escalations/usual", {"name": "other"}, expect=409)
    await t.request("DELETE", f"alert-configs/{made['id']}")
    await t.request("DELETE", "escalations/usual", expect=204)
    route = {"matchers": [], "channels": PLATFORM}
    await t.request("PUT", "alert-settings", {"routes": [route]}, expect=422)
    await t.request("PUT", "channels/fallback", PLATFORM, expect=422)
