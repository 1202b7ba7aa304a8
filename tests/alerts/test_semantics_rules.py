"""What rules mean: UNKNOWN, no data, vanished label sets, Kleene joins, hysteresis, timing."""

from alerts.core.vocabulary import Reason
from tests.alerts.timeline import Timeline

LATENCY = {"metric": "latency_ms", "reduce": "max", "window": "1m", "op": ">", "threshold": 100}


async def _phases(t: Timeline) -> list[str]:
    return [row["phase"] for row in await t.rows("SELECT phase FROM alert_states ORDER BY fingerprint")]


async def test_unknown_never_changes_firing_when_data_stops(t: Timeline) -> None:
    await t.rule(LATENCY)
    await t.metric("akira-001", "latency_ms", 500, "10s")
    await t.tick("20s")
    t.expect("email", Reason.FIRST)
    await t.ticks("30s", "5m")
    t.expect_silence()
    (alert,) = await t.alerts(status="open")
    assert alert["details"]["stale_since"]
    await t.metric("akira-001", "latency_ms", 5, "5m5s")
    await t.tick("5m10s")
    t.expect("email", Reason.RESOLVED)


async def test_a_rule_that_never_saw_data_is_inactive_and_unknown(t: Timeline) -> None:
    rule = await t.rule(LATENCY)
    await t.ticks("10s", "2m")
    t.expect_silence()
    said = await t.request("GET", f"alert-configs/{rule['id']}/explain", expect=200)
    assert (said["phase_before"], said["phase_after"], said["verdict"]) == ("INACTIVE", "INACTIVE", "UNKNOWN")
    assert "no data" in said["detail"]


async def test_min_count_not_met_is_unknown(t: Timeline) -> None:
    await t.rule(LATENCY | {"min_count": 3})
    for moment in ("1s", "2s"):
        await t.metric("akira-001", "latency_ms", 500, moment)
    await t.tick("10s")
    t.expect_silence()
    await t.metric("akira-001", "latency_ms", 500, "12s")
    await t.tick("20s")
    t.expect("email", Reason.FIRST)


async def test_a_point_with_a_time_just_after_the_tick_is_seen_by_the_next_one(t: Timeline) -> None:
    await t.rule(LATENCY)
    await t.tick("5s")
    start = t.at("10s")
    await t.metric("akira-001", "latency_ms", 500, "15s")
    t.clock.time = start
    await t.tick("10s")
    t.expect_silence()
    await t.tick("20s")
    t.expect("email", Reason.FIRST)


async def test_no_data_alert_fires_after_one_empty_window_since_the_creation(t: Timeline) -> None:
    await t.rule(LATENCY | {"no_data": "alert"})
    await t.ticks("10s", "50s")
    t.expect_silence()
    await t.ticks("1m", "1m10s")
    assert t.expect("email", Reason.FIRST).message.lines[0].summary.startswith("max of latency_ms over 1m: no data")


async def test_no_data_ok_resolves_when_the_window_is_empty(t: Timeline) -> None:
    await t.rule(LATENCY | {"no_data": "ok"})
    await t.metric("akira-001", "latency_ms", 500, "10s")
    await t.tick("20s")
    t.expect("email", Reason.FIRST)
    await t.ticks("30s", "1m20s")
    t.expect("email", Reason.RESOLVED)


async def test_hold_for_and_keep_firing_for(t: Timeline) -> None:
    await t.rule(LATENCY | {"reduce": "last"}, **{"for": "30s", "keep_firing_for": "20s"})
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.ticks("10s", "30s")
    t.expect_silence()
    assert await _phases(t) == ["PENDING"]
    await t.tick("40s")
    assert "30s" in t.expect("email", Reason.FIRST).message.why
    await t.metric("akira-001", "latency_ms", 5, "45s")
    await t.ticks("50s", "1m")
    t.expect_silence()
    assert await _phases(t) == ["RECOVERING"]
    await t.tick("1m10s")
    t.expect("email", Reason.RESOLVED)


async def test_recover_is_judged_from_the_phase(t: Timeline) -> None:
    await t.rule(LATENCY | {"reduce": "last", "recover": 50})
    for value, moment in ((500, "5s"), (70, "25s")):
        await t.metric("akira-001", "latency_ms", value, moment)
        await t.ticks(moment, moment)
        await t.tick(f"{int(moment[:-1]) + 10}s")
    t.expect("email", Reason.FIRST)
    t.expect_silence()
    await t.metric("akira-001", "latency_ms", 40, "45s")
    await t.tick("50s")
    t.expect("email", Reason.RESOLVED)


async def test_one_alert_for_each_label_set_of_by(t: Timeline) -> None:
    await t.rule(LATENCY | {"by": ["model"]})
    for model, value in (("opus", 500), ("haiku", 5), ("sonnet", 300)):
        await t.metric("akira-001", "latency_ms", value, "5s", tags={"model": model})
    await t.tick("10s")
    sent = t.expect("email", Reason.FIRST)
    assert sorted(line.labels["model"] for line in sent.message.lines) == ["opus", "sonnet"]
    assert len(await t.alerts(status="open")) == 2


async def test_a_vanished_label_set_goes_on_firing_and_its_repeats_stop_after_a_day(t: Timeline) -> None:
    await t.rule(LATENCY | {"by": ["model"]}, repeat="4h")
    await t.metric("akira-001", "latency_ms", 500, "5s", tags={"model": "opus"})
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    repeats = 0
    for hour in range(1, 49):
        await t.tick(f"{hour}h20s")
        while t.unheard:
            assert t.expect("email", Reason.REPEAT).message.lines[0].silent
            repeats += 1
    assert repeats == 5
    assert len(await t.alerts(status="open")) == 1


async def test_kleene_logic_over_a_rate_and_a_heartbeat(t: Timeline) -> None:
    await t.rule(
        {"all": [{"rate": "error", "threshold": 0.5, "window": "5m"}, {"not": {"heartbeat": "missed", "after": "1m"}}]}
    )
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect_silence()
    await t.heartbeat("akira-001", "15s")
    await t.tick("20s")
    t.expect("email", Reason.FIRST)
    await t.ticks("30s", "1m10s")
    t.expect_silence()
    await t.ticks("1m20s", "1m30s")
    t.expect("email", Reason.RESOLVED)


async def test_a_rate_counts_executions_in_its_window(t: Timeline) -> None:
    await t.rule({"rate": "error", "window": "1m", "op": ">", "threshold": 0.4, "min_count": 3})
    for status, moment in (("error", "1s"), ("success", "2s"), ("success", "3s")):
        await t.log("akira-001", status, moment)
    await t.tick("10s")
    t.expect_silence()
    await t.log("akira-001", "error", "12s")
    await t.tick("20s")
    sent = t.expect("email", Reason.FIRST)
    assert sent.message.lines[0].value == 0.5


async def test_a_log_rule_matches_text_and_level(t: Timeline) -> None:
    await t.rule({"log": {"contains": "Traceback", "level": "error"}, "window": "1m", "count": 2})
    for level, moment in (("error", "1s"), ("info", "2s")):
        await t.log("akira-001", "error", moment, kind="line", level=level, message="Traceback (most recent call last)")
    await t.tick("10s")
    t.expect_silence()
    await t.log("akira-001", "error", "12s", kind="line", level="critical", message="a Traceback")
    await t.tick("20s")
    assert t.expect("email", Reason.FIRST).message.lines[0].value == 2


async def test_a_missed_heartbeat_fires_and_the_next_one_resolves(t: Timeline) -> None:
    await t.rule({"heartbeat": "missed", "after": "90s"})
    await t.ticks("10s", "3m")
    t.expect_silence()
    await t.heartbeat("akira-001", "3m10s")
    await t.ticks("3m20s", "4m40s")
    t.expect_silence()
    await t.tick("4m50s")
    t.expect("email", Reason.FIRST)
    await t.heartbeat("akira-001", "5m")
    await t.tick("5m10s")
    t.expect("email", Reason.RESOLVED)


async def test_a_farewell_ends_what_is_expected(t: Timeline) -> None:
    await t.rule({"heartbeat": "missed", "after": "90s"})
    await t.heartbeat("akira-001", "10s")
    await t.heartbeat("akira-001", "20s", status="shutdown")
    await t.ticks("30s", "5m")
    t.expect_silence()


async def test_a_quiet_rule_is_not_looked_at_again(t: Timeline) -> None:
    await t.rule({"status": "error"})
    await t.log("akira-001", "success", "5s")
    assert (await t.tick("10s")).evaluated == 1
    assert (await t.tick("20s")).evaluated == 0
    await t.log("akira-001", "success", "25s")
    assert (await t.tick("30s")).evaluated == 1
