"""What withholds messages without being asked alert by alert: maintenance windows, what explains an alert, flapping."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from alerts import system
from alerts.core.vocabulary import Reason
from monitor.calendar.model import CalendarEvent, EventKind
from monitor.calendar.store import insert_event
from monitor.ids import uuid7
from tests.alerts.test_faults import breakable
from tests.alerts.timeline import PUBLIC_URL, Timeline, span

FAILS = {"status": "error"}
GONE = {"heartbeat": "missed", "after": "30s"}
SLOW = {"metric": "latency_ms", "reduce": "max", "window": "10m", "op": ">", "threshold": 100}


async def _window(t: Timeline, start: str, end: str, *matchers: str, **more: Any) -> CalendarEvent:
    event = CalendarEvent(
        id=uuid7(t.start), tenant_id=t.tenant.id, kind=EventKind.MAINTENANCE, title="nightly restart",
        start_time=t.start + span(start), end_time=t.start + span(end), matchers=matchers, **more,
    )  # fmt: skip
    async with t.db.tenant(t.tenant.id) as connection:
        await insert_event(connection, event, {}, actor="user:ada", now=t.start)
    return event


async def _withheld(t: Timeline, rule: str) -> list[dict[str, Any]]:
    """What the timeline of a rule's newest alert says was withheld."""
    alert = next(alert for alert in await t.alerts() if alert["rule"] == rule)
    entries = (await t.request("GET", f"alerts/{alert['id']}/timeline"))["items"]
    return [entry["details"] for entry in entries if entry["kind"] == "withheld"]


async def test_a_window_withholds_every_day_and_tells_once_when_it_ends_while_it_still_fires(t: Timeline) -> None:
    await t.rule(FAILS)
    window = await _window(t, "1h", "2h", "agent=akira-001", rrule="FREQ=DAILY", time_zone="Europe/Berlin")
    await t.log("akira-001", "error", "1h5s")
    assert (await t.tick("1h10s")).fired == 1
    await t.tick("1h59m50s")
    t.expect_silence()
    (withheld,) = await _withheld(t, "Akira fails")
    assert (withheld["by"], withheld["source"], withheld["title"]) == ("maintenance", str(window.id), "nightly restart")
    assert datetime.fromisoformat(withheld["until"]) == t.start + span("2h")
    await t.tick("2h")
    assert "maintenance (nightly restart)" in t.expect("email", Reason.FIRST).message.why
    await t.ticks("2h10s", "2h30s")
    await t.log("akira-001", "success", "3h")
    await t.tick("3h10s")
    t.expect("email", Reason.RESOLVED)
    await t.log("akira-001", "error", "25h1m")
    await t.tick("25h1m10s")
    await t.log("akira-001", "success", "25h5m")
    assert (await t.tick("25h5m10s")).resolved == 1
    await t.ticks("26h", "26h20s")
    t.expect_silence()


async def test_a_window_is_for_what_its_matchers_match_and_without_any_for_all(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.rule(FAILS, agent="tetsuo-001", name="Tetsuo", channels={"slack": "#alerts"})
    await _window(t, "0s", "10m", "agent=akira-001")
    await _window(t, "20m", "30m")
    await t.log("akira-001", "error", "5s")
    await t.log("tetsuo-001", "error", "5s")
    await t.tick("10s")
    t.expect("slack", Reason.FIRST)
    t.expect_silence()
    await t.tick("10m")
    t.expect("email", Reason.FIRST)
    await t.ticks("20m", "30m", timedelta(minutes=5))
    t.expect("slack", Reason.REPEAT)
    t.expect("email", Reason.REPEAT)
    t.expect_silence()


async def test_an_agent_that_people_set_to_maintenance_is_not_paged(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.request("PATCH", "agents/akira-001", {"status": "maintenance"})
    assert (await t.tick("10s")).fired == 1
    t.expect_silence()
    await t.request("PATCH", "agents/akira-001", {"status": "active"})
    await t.tick("20s")
    t.expect("email", Reason.FIRST)


async def test_a_dead_agent_withholds_what_else_is_said_of_it_and_nothing_of_others(t: Timeline) -> None:
    for agent in ("akira-001", "tetsuo-001"):
        await t.heartbeat(agent, "1s")
    await t.rule(GONE, name="Gone", channels={"webhook": "https://hooks.example"})
    await t.rule(SLOW, name="Slow", agent=None, selector={"agent_type": "custom"}, channels={"slack": "#slow"})
    await t.rule(SLOW, name="Grave", severity="critical", channels={"email": "grave@example.com"})
    await t.tick("10s")
    await t.tick("50s")
    gone = t.expect("webhook", Reason.FIRST)
    await t.metric("akira-001", "latency_ms", 500, "55s")
    await t.metric("tetsuo-001", "latency_ms", 500, "55s")
    assert (await t.tick("1m")).fired == 3
    t.expect("slack", Reason.FIRST, agents=["tetsuo-001"])
    t.expect("email", Reason.FIRST, target="grave@example.com")
    t.expect_silence()
    (withheld,) = [one for alert in await t.alerts() if (one := alert["details"].get("muted")) is not None]
    assert withheld == {"by": "inhibited", "source": str(gone.message.lines[0].alert_id), "title": "Gone on akira-001"}
    await t.heartbeat("akira-001", "1m5s")
    await t.ticks("1m10s", "1m30s")
    t.expect("webhook", Reason.RESOLVED)
    t.expect("slack", Reason.FIRST, agents=["akira-001"])
    t.expect_silence()


async def test_a_tenants_own_rule_withholds_and_deleting_it_tells(t: Timeline) -> None:
    body = {"name": "one is enough", "source": ["rule=Database"], "target": ['team="core"'], "equal": ["env"]}
    made = await t.request("POST", "inhibitions", body, expect=201)
    await t.request("POST", "inhibitions", body, expect=409)
    await t.request("POST", "inhibitions", body | {"name": "x", "target": ["team=~.*"]}, expect=422)
    await t.rule(FAILS, agent="db-001", name="Database", labels={"env": "prod"}, channels={"slack": "#db"})
    await t.rule(FAILS, name="Fails", labels={"env": "prod", "team": "core"})
    await t.rule(FAILS, name="Stage", labels={"env": "stage", "team": "core"}, channels={"slack": "#stage"})
    await t.log("db-001", "error", "5s")
    await t.log("akira-001", "error", "5s")
    assert (await t.tick("10s")).fired == 3
    t.expect("slack", Reason.FIRST, target="#db")
    t.expect("slack", Reason.FIRST, target="#stage")
    t.expect_silence()
    assert [one["title"] for one in await _withheld(t, "Fails")] == ["Database on db-001"]
    await t.request("DELETE", f"inhibitions/{made['id']}", expect=204)
    await t.tick("20s")
    t.expect("email", Reason.FIRST)


async def test_a_store_that_is_down_withholds_what_depends_on_it_and_nothing_else(
    t: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = breakable(t)
    await t.request("PUT", "channels/fallback", {"email": "fallback@example.com"})
    await t.rule(SLOW, name="Slow", repeat="10m")
    await t.rule(FAILS, name="Fails", repeat="10m", channels={"slack": "#alerts"})
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    t.expect("slack", Reason.FIRST)
    store.down = True
    await t.tick("1m")
    t.expect("email", Reason.FIRST, target="fallback@example.com")
    await t.tick("10m20s")
    t.expect("slack", Reason.REPEAT)
    t.expect_silence()
    assert [(one["by"], one["title"]) for one in await _withheld(t, "Slow")] == [
        ("inhibited", "history store unreachable on agent-monitor")
    ]
    store.down = False
    await t.metric("akira-001", "latency_ms", 500, "10m25s")
    await t.ticks("10m30s", "10m50s")
    t.expect("email", Reason.RESOLVED, target="fallback@example.com")
    t.expect("email", Reason.REPEAT, target="ops@example.com")
    t.expect_silence()


async def test_flapping_is_said_once_and_then_there_is_peace_until_it_is_calm(t: Timeline) -> None:
    await t.rule(FAILS)
    for minute in range(8):
        await t.log("akira-001", "error", f"{minute}m5s")
        assert (await t.tick(f"{minute}m10s")).fired == 1
        await t.log("akira-001", "success", f"{minute}m35s")
        assert (await t.tick(f"{minute}m40s")).resolved == 1
    for _ in range(3):
        assert "flapping" not in t.expect("email", Reason.FIRST).message.why
        t.expect("email", Reason.RESOLVED)
    assert "it is flapping: it fired 4 times within 1h" in t.expect("email", Reason.FIRST).message.why
    t.expect("email", Reason.RESOLVED)
    t.expect_silence()
    assert [one["by"] for one in await _withheld(t, "Akira fails")] == ["flapping"]
    await t.log("akira-001", "error", "8m5s")
    await t.ticks("8m10s", "23m", timedelta(minutes=2))
    t.expect_silence()
    await t.tick("23m10s")
    t.expect("email", Reason.FIRST)
    await t.log("akira-001", "success", "24m")
    await t.tick("24m10s")
    t.expect("email", Reason.RESOLVED)
    t.expect_silence()


async def test_a_preview_shows_which_alerts_and_which_rules_for_which_agents(t: Timeline) -> None:
    for agent in ("akira-001", "akira-002", "tetsuo-001"):
        await t.log(agent, "success", "1s")
    await t.rule(FAILS, name="All fail", agent=None, selector={"agent_type": "custom"}, labels={"team": "core"})
    await t.rule({**SLOW, "by": ["model"]}, name="Slow")
    await t.log("akira-002", "error", "5s")
    await t.tick("10s")

    async def preview(*matchers: str) -> tuple[list[str], list[str]]:
        found = await t.request("POST", "silences/preview", {"matchers": list(matchers)})
        assert found["alerts_total"] == len(found["alerts"])
        assert found["targets_total"] == len(found["targets"])
        targets = [f"{one['rule']} {one['agent']}{' in part' * one['some']}" for one in found["targets"]]
        return [f"{one['rule']} {one['agent']}" for one in found["alerts"]], targets

    assert await preview("agent=~akira-.*", "team=core") == (
        ["All fail akira-002"],
        ["All fail akira-001", "All fail akira-002"],
    )
    assert await preview("model=opus") == ([], ["Slow akira-001 in part"])
    assert await preview("agent=akira-001", "severity!=critical") == ([], ["All fail akira-001", "Slow akira-001"])
    found = await t.request("POST", "silences/preview?limit=1", {"matchers": ["agent_type=custom"]})
    assert (len(found["targets"]), found["targets_total"]) == (1, 4)
    await t.request("POST", "silences/preview", {"matchers": ["agent=~.*"]}, expect=422)


async def test_who_silenced_what_is_in_the_audit_trail_and_what_cannot_be_is_refused(t: Timeline) -> None:
    end = (t.start + span("1h")).isoformat()
    good = {"matchers": ["agent=akira-001"], "ends_at": end, "comment": "deploy"}
    made = await t.request("POST", "silences", good, expect=201)
    assert (made["matchers"], made["state"]) == (['agent="akira-001"'], "active")
    await t.request("PATCH", f"silences/{made['id']}", {"comment": "longer"})
    await t.request("POST", f"silences/{made['id']}/expire")
    trail = await t.rows("SELECT action, actor FROM audit_logs WHERE resource_type = 'silence' ORDER BY id")
    assert [row["action"] for row in trail] == ["silence.created", "silence.updated", "silence.expired"]
    assert {row["actor"] for row in trail} == {made["created_by"]}
    refused: list[dict[str, Any]] = [
        {"matchers": []}, {"matchers": ["agent"]}, {"ends_at": t.start.isoformat()}, {"comment": ""},
    ]  # fmt: skip
    for wrong in refused:
        await t.request("POST", "silences", good | wrong, expect=422)


async def test_a_silence_covers_system_alerts_too_and_when_it_ends_its_tenant_is_told_once(t: Timeline) -> None:
    await t.request("PUT", "channels/fallback", {"email": "fallback@example.com"})
    end = (t.start + span("10m")).isoformat()
    matchers = ['rule="history store unreachable"', "agent=agent-monitor", "severity=critical"]
    await t.request("POST", "silences", {"matchers": matchers, "ends_at": end, "comment": "moving"}, expect=201)

    async def report(at: str, *, active: bool) -> None:
        async with t.db.alerter() as connection:
            await system.report(
                connection, system.SystemFault.HISTORY_BLIND, active=active, detail="it is away",
                tenants={t.tenant.id}, now=t.at(at), public_url=PUBLIC_URL,
            )  # fmt: skip
        await t.deliver(at)

    async def wait(at: str) -> None:
        await system.tell_waiting(t.db, now=t.at(at), public_url=PUBLIC_URL)
        await t.deliver(at)

    await report("10s", active=True)
    await report("20s", active=True)
    await wait("30s")
    t.expect_silence()
    withheld = await t.all_rows("SELECT details FROM alert_events WHERE kind = 'withheld'")
    assert [(row["details"]["by"], row["details"]["title"]) for row in withheld] == [("silence", "moving")]
    await wait("10m")
    t.expect("email", Reason.FIRST, target="fallback@example.com")
    await wait("10m10s")
    await report("11m", active=False)
    t.expect("email", Reason.RESOLVED)
    t.expect_silence()
