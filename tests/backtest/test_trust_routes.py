"""Preview and explain over HTTP: what a rule would do, and why it did what it did."""

from typing import Any

from tests.alerts.timeline import Timeline

LATENCY = {"metric": "latency_ms", "reduce": "max", "window": "1m", "op": ">", "threshold": 100}


async def _explain(t: Timeline, rule: dict[str, Any], query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = await t.request("GET", f"alert-configs/{rule['id']}/explain{query}", expect=200)
    return found


async def test_explain_says_what_is_read_and_who_was_told(t: Timeline) -> None:
    rule = await t.rule(LATENCY)
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.metric("akira-001", "latency_ms", 40, "6s")
    quiet = await _explain(t, rule)
    assert (quiet["verdict"], quiet["phase_before"], quiet["phase_after"]) == ("BREACHED", "INACTIVE", "FIRING")
    await t.tick("10s")
    t.at("12s")
    told = await _explain(t, rule)
    assert (told["value"], told["threshold"], told["points"], told["window"]) == (500, 100, 2, 60)
    assert (told["phase_before"], told["phase_after"]) == ("FIRING", "FIRING")
    assert [(one["channel"], one["reason"]) for one in told["notified"]] == [("email", "FIRST")]
    assert told["withheld_by"] is None
    assert not told["recomputed"]


async def test_explain_says_what_withheld_a_message(t: Timeline) -> None:
    rule = await t.rule(LATENCY | {"window": "10m"}, repeat="1m")
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.tick("10s")
    (alert,) = await t.alerts(status="open")
    await t.request("POST", f"alerts/{alert['id']}/acknowledge", {})
    await t.ticks("1m10s", "1m20s")
    told = await _explain(t, rule)
    assert told["withheld_by"]["by"] == "acknowledged"
    assert told["withheld_by"]["reason"] == "REPEAT"


async def test_explain_of_a_pending_rule_says_how_long_it_has_held(t: Timeline) -> None:
    rule = await t.rule(LATENCY, **{"for": "1m"})
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.ticks("10s", "30s")
    told = await _explain(t, rule)
    assert told["phase_after"] == "PENDING"
    assert told["notes"] == ["breached for 20s of the 1m after which it fires"]


async def test_explain_of_the_past_is_recomputed_with_the_rule_of_that_time(t: Timeline) -> None:
    rule = await t.rule(LATENCY)
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.ticks("10s", "2m")
    await t.metric("akira-001", "latency_ms", 5, "2m5s")
    await t.ticks("2m10s", "3m")
    t.at("4m")
    await t.request("PATCH", f"alert-configs/{rule['id']}", {"conditions": LATENCY | {"threshold": 900}})
    t.at("5m")
    fired = await _explain(t, rule, f"?at={(t.start.timestamp() + 10):.0f}")
    assert fired["recomputed"]
    assert (fired["version"], fired["threshold"], fired["value"]) == (1, 100, 500)
    assert (fired["phase_before"], fired["phase_after"]) == ("INACTIVE", "FIRING")
    assert [one["reason"] for one in fired["notified"]] == ["FIRST"]
    well = await _explain(t, rule, f"?at={(t.start.timestamp() + 170):.0f}")
    assert (well["verdict"], well["phase_after"], well["notified"]) == ("OK", "INACTIVE", [])
    await t.request("GET", f"alert-configs/{rule['id']}/explain?at=-1d", expect=404)


async def test_a_preview_tells_the_value_now_and_what_would_have_paged(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    for second in range(5, 600, 30):
        await t.metric("akira-001", "latency_ms", 500 if 200 <= second < 300 else 5, f"{second}s")
    t.at("10m")
    body = {"agent": "akira-001", "conditions": LATENCY, "since": "-15m", "channels": {"email": "ops@example.com"}}
    told = await t.request("POST", "alert-configs/preview", body, expect=200)
    (now,) = told["value_now"]
    assert (now["agent"], now["verdict"], now["value"]) == ("akira-001", "OK", 5)
    assert (told["backtest"]["pages"], len(told["backtest"]["episodes"])) == (1, 1)
    # From the tick after 215 s until the last high point, at 275 s, has left the window of a minute.
    assert told["backtest"]["longest_s"] in (110, 120, 130)
    assert told["backtest"]["complete"]
    assert sum(count for _, count in told["backtest"]["chart"]) > 0
    assert any("heartbeat" in said for said in told["warnings"])
    assert await t.alerts() == []


async def test_a_preview_of_an_impossible_rule_names_the_fault(t: Timeline) -> None:
    answer = await t.request("POST", "alert-configs/preview", {"conditions": {"metric": "x"}}, expect=422)
    assert "conditions.threshold" in str(answer)
    await t.request("POST", "alert-configs/preview", {"conditions": LATENCY, "since": "-90d"}, expect=422)
