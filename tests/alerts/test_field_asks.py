"""What people ask of the neighbouring systems in vain, and more ways in which those fail: as timelines."""

from datetime import timedelta
from typing import Any

from alerts.core.vocabulary import ChannelKind, Reason
from monitor.errors import ChannelError
from tests.alerts.timeline import Timeline, span

FAILS = {"status": "error"}
SLOW = {"metric": "latency_ms", "reduce": "max", "window": "1m", "op": ">", "threshold": 100}


async def test_vmalert_a_replay_keeps_firing_and_tells_whom_and_why(t: Timeline) -> None:
    timing: dict[str, Any] = {"for": "20s", "keep_firing_for": "1m", "channels": {"slack": "#ops"}}
    rule = await t.rule(SLOW, **timing)
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.metric("akira-001", "latency_ms", 500, "45s")
    for moment in ("1m50s", "2m20s", "2m50s"):
        await t.metric("akira-001", "latency_ms", 5, moment)
    t.clock.time = t.start
    await t.ticks("10s", "3m30s")
    first, last = t.expect("slack", Reason.FIRST), t.expect("slack", Reason.RESOLVED)
    t.expect_silence()
    assert first.message.why.startswith("the rule's condition holds, and has for 20s")
    assert last.message.why == "the condition no longer holds"
    (alert,) = await t.alerts()
    told = await t.request("GET", f"alert-configs/{rule['id']}/backtest?since=-1h")
    (episode,) = told["episodes"]
    assert told["pages"] == 1
    for name in ("triggered_at", "resolved_at"):
        assert episode[name] == alert[name]


async def test_langfuse_an_empty_window_is_not_zero(t: Timeline) -> None:
    await t.rule(SLOW | {"op": "<", "threshold": 10, "reduce": "mean"}, name="Too fast")
    await t.metric("akira-001", "latency_ms", 50, "5s")
    await t.ticks("10s", "5m")
    t.expect_silence()
    assert await t.alerts() == []
    await t.metric("akira-001", "latency_ms", 3, "5m5s")
    await t.tick("5m10s")
    assert t.expect("email", Reason.FIRST).message.lines[0].value == 3


async def test_keep_after_a_recurring_window_what_still_fires_is_told_once_and_what_is_over_never(t: Timeline) -> None:
    window = {
        "kind": "maintenance", "title": "nightly", "rrule": "FREQ=DAILY", "matchers": ["rule=~Akira.*"],
        "start_time": t.start.isoformat(), "end_time": (t.start + span("1h")).isoformat(),
    }  # fmt: skip
    await t.request("POST", "calendar-events", window, expect=201)
    await t.rule(FAILS, agent=None)
    for agent in ("a-1", "a-2"):
        await t.log(agent, "error", "5s")
    assert (await t.tick("10s")).fired == 2
    await t.log("a-1", "success", "30m")
    await t.ticks("30m10s", "50m10s", step=timedelta(minutes=10))
    t.expect_silence()
    await t.tick("1h")
    sent = t.expect("email", Reason.FIRST, agents=["a-2"])
    assert sent.message.why == "the maintenance (nightly) that withheld its messages is over, and it is still firing"
    await t.log("a-1", "error", "1d5s")
    await t.tick("1d10s")
    t.expect_silence()
    await t.tick("1d1h")
    assert t.expect("email", Reason.FIRST, agents=["a-1"]).message.why.startswith("the maintenance (nightly)")


async def test_healthchecks_and_uptime_kuma_every_channel_repeats_until_somebody_has_it(t: Timeline) -> None:
    named = {"email": "ops@example.com", "slack": "#ops", "webhook": "https://hooks.example", "ntfy": "ntfys://h.x/t"}
    await t.rule(FAILS, channels=named, repeat="30m")
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    for kind in named:
        t.expect(kind, Reason.FIRST)
    for moment in ("30m10s", "1h10s"):
        await t.tick(moment)
        for kind in named:
            why = t.expect(kind, Reason.REPEAT).message.why
            assert why == "it is still firing; repeated every 30m until it is handled"
    (alert,) = await t.alerts()
    await t.request("POST", f"alerts/{alert['id']}/acknowledge")
    await t.deliver("1h15s")
    t.expect("slack", Reason.RESPONDED)
    await t.ticks("1h30m10s", "4h", step=timedelta(minutes=30))
    assert {sent.message.reason for sent in t.unheard} <= {Reason.RESPONDED}


async def test_uptime_kuma_of_several_conditions_the_one_that_failed_is_named(t: Timeline) -> None:
    await t.rule({"any": [SLOW, {"status": "error", "consecutive_failures": 2}]}, name="Unwell")
    await t.metric("akira-001", "latency_ms", 5, "5s")
    for second in (5, 6):
        await t.log("akira-001", "error", f"{second}s")
    await t.tick("10s")
    (line,) = t.expect("email", Reason.FIRST).message.lines
    assert "2 consecutive failures" in line.summary
    assert "latency_ms" not in line.summary


async def test_an_alert_of_every_user_in_its_own_rolling_window(t: Timeline) -> None:
    await t.rule({"metric": "tokens", "reduce": "sum", "window": "10m", "op": ">", "threshold": 100, "by": ["user"]})
    for second, user, tokens in ((5, "ann", 60), (10, "ben", 90), (15, "ann", 60)):
        await t.metric("akira-001", "tokens", tokens, f"{second}s", tags={"user": user}, kind="delta")
    await t.tick("20s")
    (line,) = t.expect("email", Reason.FIRST).message.lines
    assert (line.labels["user"], line.value) == ("ann", 120)
    await t.ticks("9m50s", "10m20s")
    assert [line.labels["user"] for line in t.expect("email", Reason.RESOLVED).message.lines] == ["ann"]
    t.expect_silence()


async def test_gatus_a_first_message_that_failed_is_tried_again_by_every_channel_on_its_own(t: Timeline) -> None:
    t.channels[ChannelKind.SLACK].failing["#ops"] = ChannelError("Slack answered 503")
    await t.rule(FAILS, channels={"email": "ops@example.com", "slack": "#ops"})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    t.channels[ChannelKind.SLACK].failing.clear()
    await t.ticks("1m", "5m", step=timedelta(minutes=1))
    t.expect("slack", Reason.FIRST)
    t.expect_silence()
