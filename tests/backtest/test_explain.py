"""Any rule, any time: between two ticks, before it ever fired, while it was held back, disabled or without data."""

from datetime import datetime
from typing import Any

import pytest

from tests.alerts.timeline import Timeline, span

SLOW = {"metric": "latency_ms", "reduce": "max", "window": "1m", "op": ">", "threshold": 100}
FAILS = {"status": "error"}


async def _explain(t: Timeline, rule: dict[str, Any], at: str | None = None) -> dict[str, Any]:
    query = "" if at is None else f"&at={(t.start + span(at)).timestamp():.3f}"
    found: dict[str, Any] = await t.request(
        "GET", f"alert-configs/{rule['id']}/explain?agent=akira-001{query}", expect=200
    )
    return found


def _phases(told: dict[str, Any]) -> tuple[str, str, str]:
    return told["verdict"], told["phase_before"], told["phase_after"]


async def test_between_two_ticks_what_was_breached_fires_at_the_next(t: Timeline) -> None:
    rule = await t.rule(SLOW)
    await t.tick("0s")
    await t.metric("akira-001", "latency_ms", 500, "4s")
    await t.ticks("10s", "30s")
    t.at("5m")
    before = await _explain(t, rule, "7s")
    assert _phases(before) == ("BREACHED", "INACTIVE", "INACTIVE")
    assert (before["value"], before["points"], before["window"], before["threshold"]) == (500, 1, 60, 100)
    assert before["notified"] == []
    fired = f"{t.start + span('10s'):%H:%M:%S}"
    assert any(note.startswith("judged at the next tick: it fired at") and fired in note for note in before["notes"])
    after = await _explain(t, rule, "13s")
    assert _phases(after) == ("BREACHED", "FIRING", "FIRING")
    assert [one["reason"] for one in after["notified"]] == ["FIRST"]
    assert datetime.fromisoformat(after["since"]) == t.start + span("10s")
    assert _phases(await _explain(t, rule, "2s")) == ("UNKNOWN", "INACTIVE", "INACTIVE")


@pytest.mark.parametrize("condition", [SLOW, FAILS, {"heartbeat": "missed", "after": "30s"}, {"repeat_call": 5}])
async def test_a_rule_that_never_fired_says_what_it_read(t: Timeline, condition: dict[str, Any]) -> None:
    rule = await t.rule(condition)
    t.at("2m")
    for at in (None, "1m", "1m3s"):
        silent = await _explain(t, rule, at)
        assert _phases(silent)[1:] == ("INACTIVE", "INACTIVE"), (at, silent)
        assert silent["verdict"] in ("UNKNOWN", "OK")
        assert (silent["notified"], silent["withheld_by"], silent["points"]) == ([], None, 0)
    await t.heartbeat("akira-001", "2m10s")
    await t.log("akira-001", "success", "2m10s")
    await t.metric("akira-001", "latency_ms", 5, "2m10s")
    await t.ticks("2m20s", "2m40s")
    t.at("10m")
    for at in ("2m15s", "2m30s", "2m33s"):
        well = await _explain(t, rule, at)
        assert _phases(well)[1:] == ("INACTIVE", "INACTIVE")
        kept = not any("of heartbeats only the newest is kept" in note for note in well["notes"])
        assert well["verdict"] == ("OK" if kept else "UNKNOWN"), (at, well)
        assert well["detail"]


async def test_what_was_held_back_is_said_for_its_time_and_who_was_told_for_theirs(t: Timeline) -> None:
    await t.settings(group={"by": ["rule"], "wait": "30s"})
    rule = await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.ticks("10s", "1m")
    t.at("5m")
    waiting = await _explain(t, rule, "25s")
    assert (_phases(waiting), waiting["notified"]) == (("BREACHED", "FIRING", "FIRING"), [])
    assert (waiting["withheld_by"]["by"], waiting["withheld_by"]["reason"]) == ("group", "FIRST")
    told = await _explain(t, rule, "45s")
    assert [one["reason"] for one in told["notified"]] == ["FIRST"]
    assert told["withheld_by"] is None


async def test_a_rule_that_was_disabled_then_or_is_now_says_so_of_its_time(t: Timeline) -> None:
    rule = await t.rule(SLOW)
    t.at("1m")
    await t.request("PATCH", f"alert-configs/{rule['id']}", {"enabled": False})
    await t.metric("akira-001", "latency_ms", 500, "1m30s")
    await t.ticks("1m40s", "2m")
    t.at("3m")
    off = await _explain(t, rule, "1m45s")
    assert "the rule is disabled: it is not judged" in (await _explain(t, rule))["notes"]
    assert "the rule was disabled: it was not judged" in off["notes"]
    assert (off["verdict"], off["phase_after"], off["notified"]) == ("BREACHED", "INACTIVE", [])
    assert not any("disabled" in note for note in (await _explain(t, rule, "30s"))["notes"])


async def test_what_history_says_today_and_no_alert_said_then_is_told_apart(t: Timeline) -> None:
    rule = await t.rule(SLOW)
    await t.ticks("0s", "1m")
    # It was measured at 20 s and came when its window had passed.
    t.at("4m")
    moment = (t.start + span("20s")).isoformat()
    await t.request(
        "POST", "metrics", {"agent": "akira-001", "metric": "latency_ms", "value": 500, "timestamp": moment}
    )
    await t.ticks("4m10s", "4m30s")
    late = await _explain(t, rule, "30s")
    assert _phases(late) == ("BREACHED", "INACTIVE", "INACTIVE")
    assert any("no alert was opened" in note for note in late["notes"])
