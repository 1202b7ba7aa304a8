"""Rules on what agents are doing: quiet is told from dead, blocked from stalled, and the messages say why."""

from typing import Any

import pytest

from alerts.core.vocabulary import Reason
from tests.alerts.timeline import Timeline
from tests.alerts.timeline import span as span_of

DEAD, STALLED = {"state": "dead"}, {"state": "stalled"}


async def expected(t: Timeline, agent: str = "akira-001") -> None:
    """An agent whose heartbeats are waited for, every 30 seconds."""
    await t.heartbeat(agent, "0s", interval=30)


async def call(t: Timeline, at: str, status: str = "running", *, name: str = "c1", tool: str = "pytest") -> None:
    """Tell of a call of a tool."""
    t.at(at)
    body = {"agent": "akira-001", "tool_name": tool, "status": status}
    if status == "running":
        await t.request("POST", "tool-executions", body | {"id": name})
    else:
        await t.request("PATCH", f"tool-executions/{name}", {"status": status})


async def status(t: Timeline) -> dict[str, Any]:
    """What the API says."""
    found: dict[str, Any] = await t.request("GET", "agents/akira-001/status")
    return found


async def test_a_live_agent_in_a_long_tool_call_is_blocked_and_nobody_is_paged(t: Timeline) -> None:
    """Heartbeats stop with the call, since the program waits for it: the alert that others send here is a false one."""
    await t.request("PUT", "tool-patience/pytest", {"patience": "30m"})
    await t.rule(DEAD)
    await t.rule(STALLED, name="stands still")
    await expected(t)
    await call(t, "10s")
    await t.ticks("20s", "29m", step=span_of("30s"))
    t.expect_silence()
    found = await status(t)
    assert (found["state"], found["why"]) == ("blocked", "in the tool pytest for 28m; 30m are allowed")
    assert found["evidence"]["open_call"]["tool"] == "pytest"
    await call(t, "29m5s", "success")
    await t.heartbeat("akira-001", "29m10s", interval=30)
    await t.ticks("29m20s", "30m")
    t.expect_silence()
    assert (await status(t))["state"] == "working"


async def test_a_call_that_outlasts_the_patience_is_stalled_then_dead(t: Timeline) -> None:
    await t.rule(STALLED, name="stands still", severity="warning")
    await t.rule(DEAD, name="gone", severity="critical")
    await expected(t)
    await call(t, "10s")
    await t.ticks("9m50s", "10m10s")
    t.expect_silence()
    await t.tick("10m20s")
    sent = t.expect("email", Reason.FIRST)
    assert "in the tool pytest for 10m; 10m are allowed" in sent.message.lines[0].summary
    await t.ticks("10m30s", "11m40s")
    t.expect_silence()
    await t.tick("11m50s")
    sent = t.expect("email", Reason.FIRST)
    assert "its call of pytest excuses it no longer" in sent.message.lines[0].summary
    # Who is dead has not recovered from standing still.
    assert {one["rule"]: one["status"] for one in await t.alerts()} == {"stands still": "open", "gone": "open"}
    await call(t, "20m", "success")
    await t.tick("20m10s")
    assert {t.expect("email", Reason.RESOLVED).message.lines[0].rule for _ in range(2)} == {"stands still", "gone"}


async def test_who_beats_on_in_the_call_is_missed_when_it_crashes(t: Timeline) -> None:
    await t.request("PUT", "tool-patience/*", {"patience": "6h"})
    await t.rule(DEAD)
    await expected(t)
    await call(t, "10s")
    for at in ("30s", "1m", "1m30s"):
        await t.heartbeat("akira-001", at, interval=30)
    await t.ticks("1m40s", "3m")
    t.expect_silence()
    await t.tick("3m10s")
    sent = t.expect("email", Reason.FIRST)
    assert "nothing was heard for 100s; 90s of silence are allowed" in sent.message.lines[0].summary


@pytest.mark.parametrize("kind", ["log", "line", "metric", "run"])
async def test_any_sign_of_life_is_one(t: Timeline, kind: str) -> None:
    """Nothing on the way that a monitor happens to listen to, for half an hour; tools and logs all the time."""
    await t.rule(DEAD)
    await t.rule(STALLED, name="stands still")
    await expected(t)
    await t.request("POST", "tasks", {"id": "t1", "agent": "akira-001", "task_type": "review", "status": "running"})
    for minute in range(1, 31):
        at = f"{minute}m"
        if kind == "run":
            await call(t, at, name=f"c{minute}")
            await call(t, f"{minute}m5s", "success", name=f"c{minute}")
        elif kind == "metric":
            await t.metric("akira-001", "tokens", 12, at)
        else:
            await t.log("akira-001", "success", at, **({"kind": "line"} if kind == "line" else {}))
        await t.tick(f"{minute}m30s")
    t.expect_silence()
    found = await status(t)
    assert (found["state"], found["evidence"]["active_by"]) == ("working", "log" if kind == "line" else kind)


async def test_an_agent_that_hangs_in_a_healthy_process_is_found(t: Timeline) -> None:
    """It beats as if nothing were wrong, with a task in hand, and nothing moves."""
    await t.rule(STALLED)
    await t.rule(DEAD, name="gone")
    await expected(t)
    await t.request("POST", "tasks", {"id": "t1", "agent": "akira-001", "task_type": "review", "status": "running"})
    for minute in range(1, 10):
        await t.heartbeat("akira-001", f"{minute}m", interval=30)
        await t.tick(f"{minute}m5s")
    await t.heartbeat("akira-001", "9m50s", interval=30)
    await t.tick("10m")
    t.expect_silence()
    await t.tick("10m10s")
    sent = t.expect("email", Reason.FIRST)
    assert "it has a task in hand, and no progress was seen for 10m" in sent.message.lines[0].summary
    t.at("10m20s")
    await t.request("PATCH", "tasks/t1", {"status": "completed"})
    await t.heartbeat("akira-001", "10m20s", interval=30)
    await t.tick("10m30s")
    t.expect("email", Reason.RESOLVED)
    t.expect_silence()


async def test_an_idle_agent_is_left_in_peace(t: Timeline) -> None:
    await t.rule(STALLED)
    await t.rule(DEAD, name="gone")
    await expected(t)
    await t.log("akira-001", "success", "5s")
    for minute in range(1, 60, 1):
        await t.heartbeat("akira-001", f"{minute}m", interval=30)
        await t.tick(f"{minute}m20s")
    t.expect_silence()
    assert (await status(t))["state"] == "idle"


async def test_what_a_new_process_begins_is_not_held_against_the_old_one(t: Timeline) -> None:
    """Restarted after hours: what was begun before it came back does not make it late."""
    await t.rule(STALLED)
    await t.rule(DEAD, name="gone")
    await expected(t)
    await t.heartbeat("akira-001", "10s", status="shutdown")
    await t.ticks("20s", "4h", step=span_of("20m"))
    await t.heartbeat("akira-001", "4h", interval=30)
    await call(t, "4h5s")
    await t.ticks("4h10s", "4h2m")
    t.expect_silence()
    assert (await status(t))["state"] == "blocked"


async def test_the_expectation_begins_with_the_third_heartbeat_and_ends_on_purpose(t: Timeline) -> None:
    await t.rule(DEAD)
    for at in ("0s", "30s"):
        await t.heartbeat("akira-001", at)
    await t.ticks("1m", "20m", step=span_of("1m"))
    t.expect_silence()
    await t.heartbeat("akira-001", "20m30s")
    await t.ticks("20m40s", "2h", step=span_of("5m"))
    t.expect("email", Reason.FIRST)
    await t.heartbeat("akira-001", "2h1m", status="stopped")
    await t.tick("2h1m10s")
    t.expect("email", Reason.RESOLVED)
    await t.ticks("2h2m", "9h", step=span_of("1h"))
    t.expect_silence()


async def test_patience_of_its_own_is_believed_at_once(t: Timeline) -> None:
    await t.rule(DEAD)
    await expected(t)
    await t.tick("10s")
    await t.request("PATCH", "agents/akira-001", {"patience": "10m"})
    await t.ticks("1m", "10m")
    t.expect_silence()
    await t.tick("10m10s")
    sent = t.expect("email", Reason.FIRST)
    assert "10m of silence are allowed" in sent.message.lines[0].summary


async def test_patience_with_a_tool_is_believed_at_once(t: Timeline) -> None:
    await t.rule(STALLED)
    await expected(t)
    await call(t, "10s")
    await t.tick("20s")
    await t.request("PUT", "tool-patience/pytest", {"patience": 60})
    assert await t.request("GET", "tool-patience") == {"items": [{"tool": "pytest", "patience": 60.0}]}
    await t.tick("30s")
    await t.tick("1m10s")
    t.expect_silence()
    await t.tick("1m20s")
    t.expect("email", Reason.FIRST)
    await t.request("DELETE", "tool-patience/pytest", expect=204)
    await t.request("DELETE", "tool-patience/pytest", expect=404)
    await t.tick("1m30s")
    t.expect("email", Reason.RESOLVED)


@pytest.mark.parametrize("patience", ["0s", "8d", "soon", True, None, -1, {}])
async def test_a_patience_that_cannot_be_is_refused(t: Timeline, patience: Any) -> None:
    await t.request("PUT", "tool-patience/bash", {"patience": patience}, expect=422)
    await expected(t)
    if patience is not None:
        await t.request("PATCH", "agents/akira-001", {"patience": patience}, expect=422)


async def test_a_rule_that_waits_for_blocked_waits_through_what_is_worse(t: Timeline) -> None:
    await t.rule({"state": "blocked"}, **{"for": "1m"})
    await expected(t)
    await call(t, "10s")
    await t.ticks("20s", "1m10s")
    t.expect_silence()
    await t.tick("1m20s")
    t.expect("email", Reason.FIRST)
    await t.ticks("1m30s", "12m", step=span_of("30s"))
    t.expect_silence()
    await call(t, "12m5s", "success")
    await t.tick("12m10s")
    t.expect("email", Reason.RESOLVED)
