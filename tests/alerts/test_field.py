"""What the neighbouring systems offer, row by row, told as timelines: each message with its reason."""

from datetime import timedelta
from typing import Any

from alerts.core.vocabulary import ChannelKind, Reason
from monitor.errors import ChannelError
from tests.alerts.timeline import Timeline, span

FAILS = {"status": "error"}
SLOW = {"metric": "latency_ms", "reduce": "max", "window": "1m", "op": ">", "threshold": 100}
TEN = timedelta(minutes=10)


async def _status(t: Timeline) -> list[str]:
    return [alert["status"] for alert in await t.alerts()]


async def _phases(t: Timeline) -> list[str]:
    return [row["phase"] for row in await t.rows("SELECT phase FROM alert_states ORDER BY fingerprint")]


async def test_states_pending_firing_acknowledged_recovering_resolved(t: Timeline) -> None:
    await t.rule(SLOW | {"recover": 50}, **{"for": "30s", "keep_firing_for": "30s"})
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.tick("10s")
    assert (await _phases(t), await t.alerts()) == (["PENDING"], [])
    await t.ticks("20s", "40s")
    why = t.expect("email", Reason.FIRST).message.why
    assert why.startswith("the rule's condition holds, and has for 30s")
    assert await _phases(t) == ["FIRING"]
    (alert,) = await t.alerts(status="open")
    await t.request("POST", f"alerts/{alert['id']}/acknowledge")
    assert await _status(t) == ["acknowledged"]
    await t.metric("akira-001", "latency_ms", 20, "1m10s")
    await t.tick("1m20s")
    assert await _phases(t) == ["RECOVERING"]
    t.expect_silence()
    await t.ticks("1m30s", "1m50s")
    assert t.expect("email", Reason.RESOLVED).message.why == "the condition no longer holds"
    assert await _status(t) == ["resolved"]


async def test_pending_that_passes_is_heard_by_nobody(t: Timeline) -> None:
    await t.rule(SLOW, **{"for": "2m"})
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.ticks("10s", "1m")
    await t.metric("akira-001", "latency_ms", 5, "1m6s")
    await t.ticks("1m10s", "3m")
    t.expect_silence()
    assert await t.alerts() == []


async def test_hysteresis_keeps_firing_between_the_thresholds(t: Timeline) -> None:
    await t.rule(SLOW | {"recover": 50})
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    for minute in range(1, 5):
        await t.metric("akira-001", "latency_ms", 80, f"{minute}m")
        await t.tick(f"{minute}m10s")
    t.expect_silence()
    await t.metric("akira-001", "latency_ms", 40, "5m10s")
    await t.tick("5m20s")
    t.expect("email", Reason.RESOLVED)


async def test_no_data_never_resolves_what_fires_and_fires_itself_where_asked(t: Timeline) -> None:
    await t.rule(SLOW, name="Keeps")
    await t.rule(SLOW | {"no_data": "alert"}, name="Misses", agent="mute-001", channels={"slack": "#missing"})
    await t.rule({"metric": "other", "reduce": "max", "window": "1m", "op": ">", "threshold": 1}, name="Never")
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    await t.ticks("20s", "3m")
    sent = t.expect("slack", Reason.FIRST, agents=["mute-001"])
    assert sent.message.lines[0].rule == "Misses"
    t.expect_silence()
    assert [alert["rule"] for alert in await t.alerts(status="open")] == ["Misses", "Keeps"]


async def test_one_alert_for_each_series_and_one_message_for_all(t: Timeline) -> None:
    await t.rule(SLOW | {"by": ["model"]})
    for model in ("a", "b", "c"):
        await t.metric("akira-001", "latency_ms", 500, "5s", tags={"model": model})
    assert (await t.tick("10s")).fired == 3
    sent = t.expect("email", Reason.FIRST)
    assert sorted(line.labels["model"] for line in sent.message.lines) == ["a", "b", "c"]
    for model, value in (("a", 5), ("b", 500), ("c", 500)):
        await t.metric("akira-001", "latency_ms", value, "1m10s", tags={"model": model})
    await t.tick("1m20s")
    sent = t.expect("email", Reason.RESOLVED)
    assert (sent.message.firing, sent.message.resolved) == (2, 1)


async def test_groups_wait_and_have_an_interval_and_repeat(t: Timeline) -> None:
    await t.settings(group={"by": ["rule"], "wait": "30s", "interval": "5m"})
    await t.rule(FAILS, agent=None)
    await t.log("a-1", "error", "5s")
    await t.ticks("10s", "30s")
    t.expect_silence()
    await t.tick("40s")
    assert "it waited 30s" in t.expect("email", Reason.FIRST).message.why
    await t.log("a-2", "error", "45s")
    await t.ticks("50s", "5m30s", step=timedelta(minutes=1))
    t.expect_silence()
    await t.tick("5m40s")
    assert "it waited 5m" in t.expect("email", Reason.FIRST).message.why
    await t.ticks("1h", "4h", step=timedelta(hours=1))
    t.expect_silence()
    await t.tick("4h5m40s")
    sent = t.expect("email", Reason.REPEAT)
    assert (sent.message.why, sorted(sent.agents)) == (
        "it is still firing; repeated every 4h until it is handled",
        ["a-1", "a-2"],
    )


async def test_a_dead_agent_inhibits_what_else_is_said_of_it(t: Timeline) -> None:
    await t.heartbeat("akira-001", "1s")
    await t.rule({"heartbeat": "missed", "after": "30s"}, name="Gone", channels={"webhook": "https://hooks.example"})
    await t.rule(SLOW | {"window": "10m"}, name="Slow")
    await t.tick("10s")
    await t.tick("50s")
    t.expect("webhook", Reason.FIRST)
    await t.metric("akira-001", "latency_ms", 500, "55s")
    assert (await t.tick("1m")).fired == 1
    t.expect_silence()
    slow = next(alert for alert in await t.alerts(status="open") if alert["rule"] == "Slow")
    assert slow["details"]["muted"]["by"] == "inhibited"


async def test_a_silence_mutes_messages_and_never_the_judgement(t: Timeline) -> None:
    await t.rule(FAILS)
    ends_at = (t.start + span("10m")).isoformat()
    await t.request(
        "POST", "silences", {"matchers": ["agent=~akira.*"], "ends_at": ends_at, "comment": "x"}, expect=201
    )
    await t.log("akira-001", "error", "5s")
    assert (await t.tick("10s")).fired == 1
    await t.tick("9m50s")
    t.expect_silence()
    await t.tick("10m")
    assert "the silence (x) that withheld" in t.expect("email", Reason.FIRST).message.why


async def test_acknowledging_stops_repeats_and_escalation(t: Timeline) -> None:
    await t.rule(FAILS, repeat="10m", escalate=[{"after": "15m", "channels": {"slack": "#boss"}}])
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    await t.ticks("10m10s", "15m10s", step=timedelta(minutes=5))
    t.expect("email", Reason.REPEAT)
    assert "nobody has acknowledged it for 15m" in t.expect("slack", Reason.ESCALATED).message.why
    (alert,) = await t.alerts()
    await t.request("POST", f"alerts/{alert['id']}/acknowledge")
    # An edit tells Slack who has it; nobody is told anew.
    await t.deliver("15m20s")
    t.expect("slack", Reason.RESPONDED)
    await t.ticks("16m", "2h", step=TEN)
    t.expect_silence()


async def test_flapping_is_said_once(t: Timeline) -> None:
    await t.rule(FAILS)
    for minute in range(7):
        await t.log("akira-001", "error", f"{minute}m5s")
        await t.tick(f"{minute}m10s")
        await t.log("akira-001", "success", f"{minute}m35s")
        await t.tick(f"{minute}m40s")
    whys = []
    for _ in range(4):
        whys.append(t.expect("email", Reason.FIRST).message.why)
        t.expect("email", Reason.RESOLVED)
    assert ["it is flapping" in why for why in whys] == [False, False, False, True]
    t.expect_silence()


async def test_flapping_is_told_each_time_where_its_rule_says_so(t: Timeline) -> None:
    rule = await t.rule(FAILS)
    for minute in range(5):
        await t.log("akira-001", "error", f"{minute}m5s")
        await t.tick(f"{minute}m10s")
        await t.log("akira-001", "success", f"{minute}m35s")
        await t.tick(f"{minute}m40s")
    for _ in range(4):
        t.expect("email", Reason.FIRST)
        t.expect("email", Reason.RESOLVED)
    t.expect_silence()
    changed = await t.request("PATCH", f"alert-configs/{rule['id']}", {"flapping": False})
    assert changed["flapping"] is False
    # It flaps already: from now on it does not hold its peace any more.
    for minute in range(5, 12):
        await t.log("akira-001", "error", f"{minute}m5s")
        await t.tick(f"{minute}m10s")
        assert t.expect("email", Reason.FIRST).message.why.startswith("the rule's condition holds")
        await t.log("akira-001", "success", f"{minute}m35s")
        await t.tick(f"{minute}m40s")
        t.expect("email", Reason.RESOLVED)
    t.expect_silence()
    then = (t.start + span("8m10s")).isoformat().replace("+", "%2B")
    explained = await t.request("GET", f"alert-configs/{rule['id']}/explain?agent=akira-001&at={then}", expect=200)
    assert (explained["verdict"], explained["withheld_by"]) == ("BREACHED", None)
    await t.rule(FAILS, name="No", flapping=None)
    wrongs: list[Any] = ["no", 0, 1]
    for wrong in wrongs:
        body = {"name": "n", "conditions": FAILS, "flapping": wrong}
        assert "flapping" in (await t.request("POST", "alert-configs", body, expect=422))["detail"]


async def test_delivery_is_at_least_once(t: Timeline) -> None:
    t.channels[ChannelKind.EMAIL].failing["ops@example.com"] = ChannelError("connection refused")
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    await t.ticks("20s", "10m", step=timedelta(minutes=1))
    t.expect_silence()
    t.channels[ChannelKind.EMAIL].failing.clear()
    await t.tick("1h")
    t.expect("email", Reason.FIRST)
    await t.tick("1h10s")
    t.expect_silence()


async def test_two_alerters_tell_once(t: Timeline) -> None:
    other, messenger = t.another_evaluator("alerter-2"), t.another_deliverer("alerter-2")
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    for at in ("10s", "20s", "30s"):
        await t.tick(at)
        await other.run_once(t.at(at))
        await messenger.run_once(t.clock.time)
    t.expect("email", Reason.FIRST)
    t.expect_silence()


async def test_a_channel_is_tried_end_to_end(t: Timeline) -> None:
    rule = await t.rule(FAILS, channels={"slack": "#alerts"})
    await t.request("POST", f"alert-configs/{rule['id']}/test", expect=202)
    await t.deliver("5s")
    assert t.expect("slack", Reason.TEST).message.test


async def test_a_backtest_tells_what_was_told(t: Timeline) -> None:
    rule = await t.rule(SLOW, repeat="2m")
    for second in (5, 45, 85, 125):
        await t.metric("akira-001", "latency_ms", 500, f"{second}s")
    await t.ticks("10s", "2m30s")
    t.expect("email", Reason.FIRST)
    t.expect("email", Reason.REPEAT)
    t.expect_silence()
    names = ("agent", "conditions", "channels", "repeat")
    preview = await t.request("POST", "alert-configs/preview", {name: rule[name] for name in names} | {"since": "-1h"})
    # The first message and its repeat, of one alert.
    assert (preview["backtest"]["pages"], preview["backtest"]["episodes_in_all"]) == (2, 1)
