"""Where the neighbouring systems fail, and what their users complain of: none of it happens here."""

import asyncio
from typing import Any

import pytest

from alerts.core.message import Message, Reference
from alerts.core.vocabulary import ChannelKind, Reason
from monitor.errors import ChannelError
from monitor.ids import PLATFORM_TENANT
from tests.alerts.test_faults import breakable
from tests.alerts.timeline import Timeline, span

FAILS = {"status": "error"}
SLOW = {"metric": "latency_ms", "reduce": "max", "window": "1m", "op": ">", "threshold": 100}
OPS = "ops@example.com"


async def test_healthchecks_a_page_is_not_marked_as_sent_before_it_is(
    t: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.evaluate("10s")

    async def die(self: Any, target: str, message: Message, previous: Reference | None) -> Reference:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(type(t.channels[ChannelKind.EMAIL]), "send", die)
        with pytest.raises(asyncio.CancelledError):
            await t.deliver("10s")
    t.deliverer = t.another_deliverer("alerter-2")
    await t.deliver("3m")
    t.expect("email", Reason.FIRST)
    t.expect_silence()


async def test_healthchecks_three_failed_tries_lose_nothing(t: Timeline) -> None:
    t.channels[ChannelKind.EMAIL].failing[OPS] = ChannelError("timed out")
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    for second in range(20, 120, 10):
        await t.deliver(f"{second}s")
    assert t.channels[ChannelKind.EMAIL].attempts > 3
    t.channels[ChannelKind.EMAIL].failing.clear()
    await t.deliver("20m")
    t.expect("email", Reason.FIRST)


async def test_gatus_a_resolve_that_failed_is_tried_again(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    t.channels[ChannelKind.EMAIL].failing[OPS] = ChannelError("greylisted")
    await t.log("akira-001", "success", "15s")
    await t.tick("20s")
    t.expect_silence()
    t.channels[ChannelKind.EMAIL].failing.clear()
    await t.deliver("5m")
    assert t.expect("email", Reason.RESOLVED).message.why == "the condition no longer holds"
    t.expect_silence()


async def test_langfuse_a_channel_that_fails_is_not_switched_off(t: Timeline) -> None:
    await t.request("PUT", "channels/fallback", {"slack": "#fallback"})
    hook = "https://hooks.example"
    t.channels[ChannelKind.WEBHOOK].failing[hook] = ChannelError("500")
    await t.rule(FAILS, agent=None, channels={"webhook": hook})
    for number in range(6):
        t.channels[ChannelKind.WEBHOOK].failing[hook] = ChannelError("gone", permanent=True)
        await t.log(f"a-{number}", "error", f"{number}m5s")
        await t.tick(f"{number}m10s")
        sent = t.expect("slack", Reason.FIRST, target="#fallback", agents=[f"a-{number}"])
        assert "could not be delivered to webhook" in sent.message.why
    undeliverable = await t.all_rows("SELECT rule FROM alerts WHERE tenant_id = :id", id=PLATFORM_TENANT)
    assert [row["rule"] for row in undeliverable] == ["notification undeliverable"]
    t.channels[ChannelKind.WEBHOOK].failing.clear()
    await t.log("a-7", "error", "7m5s")
    await t.tick("7m10s")
    t.expect("webhook", Reason.FIRST, agents=["a-7"])
    t.expect_silence()


async def test_alertmanager_and_prometheus_a_restart_forgets_no_alert_and_no_pending_time(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.rule(SLOW, name="Slow", channels={"slack": "#alerts"}, **{"for": "1m"})
    await t.log("akira-001", "error", "5s")
    await t.metric("akira-001", "latency_ms", 500, "5s")
    await t.ticks("10s", "30s")
    t.expect("email", Reason.FIRST)
    t.evaluator, t.deliverer = t.another_evaluator("alerter-1"), t.another_deliverer("alerter-1")
    await t.metric("akira-001", "latency_ms", 500, "35s")
    await t.ticks("40s", "1m10s")
    assert "has for 1m" in t.expect("slack", Reason.FIRST).message.why
    t.expect_silence()


async def test_grafana_a_silence_holds_for_missing_data_too(t: Timeline) -> None:
    await t.rule(SLOW | {"no_data": "alert"})
    await t.metric("akira-001", "latency_ms", 5, "5s")
    ends_at = (t.start + span("1h")).isoformat()
    silence = {"matchers": ['agent="akira-001"', 'rule="Akira fails"'], "ends_at": ends_at, "comment": "known"}
    await t.request("POST", "silences", silence, expect=201)
    await t.ticks("10s", "3m")
    (alert,) = await t.alerts(status="open")
    assert alert["details"]["muted"]["by"] == "silence"
    t.expect_silence()


async def test_prometheus_too_many_alerts_of_one_rule_clear_none(t: Timeline) -> None:
    await t.rule(FAILS, agent=None)
    moment = t.at("5s").isoformat()
    rows = [{"agent": f"a-{n:03}", "status": "error", "completed_at": moment} for n in range(300)]
    await t.request("POST", "logs", rows, expect=202)
    assert (await t.tick("10s")).fired == 300
    assert t.expect("email", Reason.FIRST).message.firing == 300
    await t.log("b-1", "error", "15s")
    assert (await t.tick("20s")).resolved == 0
    assert t.expect("email", Reason.FIRST).agents == ["b-1"]
    t.expect_silence()


async def test_users_of_slack_one_message_for_an_alert_from_its_first_to_its_end(t: Timeline) -> None:
    await t.rule(FAILS, channels={"slack": "#alerts"}, repeat="1h")
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    first = t.expect("slack", Reason.FIRST)
    assert first.previous is None
    root = {"first": str(first.message.notification_id)}
    await t.tick("1h10s")
    assert t.expect("slack", Reason.REPEAT).previous == root
    await t.log("akira-001", "success", "1h15s")
    await t.tick("1h20s")
    assert t.expect("slack", Reason.RESOLVED).previous == root
    t.expect_silence()


async def test_users_of_slack_one_channel_gets_one_message_a_second_and_others_do_not_wait(t: Timeline) -> None:
    for number in range(4):
        await t.rule(FAILS, name=f"Rule {number}", agent=f"a-{number}", channels={"slack": "#busy"})
        await t.log(f"a-{number}", "error", f"{number * 10 + 5}s")
        await t.evaluate(f"{number * 10 + 10}s")
    await t.rule(FAILS, agent="b-1", channels={"slack": "#quiet"})
    await t.log("b-1", "error", "45s")
    await t.evaluate("50s")
    now = t.at("50s")
    assert await t.deliverer.run_once(now) == 2
    assert sorted(sent.target for sent in t.sent) == ["#busy", "#quiet"]
    assert await t.deliverer.run_once(now + span("1s") / 2) == 0
    for second in (1, 2, 3):
        assert await t.deliverer.run_once(now + second * span("1s")) == 1
    assert [sent.agents for sent in t.sent if sent.target == "#busy"] == [["a-0"], ["a-1"], ["a-2"], ["a-3"]]


async def test_users_of_slack_who_asks_for_time_gets_it_for_all_that_goes_there(t: Timeline) -> None:
    slack = t.channels[ChannelKind.SLACK]
    slack.failing["#busy"] = ChannelError("Slack answered 429", retry_after=30)
    for number in range(3):
        await t.rule(FAILS, name=f"Rule {number}", agent=f"a-{number}", channels={"slack": "#busy"})
        await t.log(f"a-{number}", "error", f"{number * 10 + 5}s")
        await t.evaluate(f"{number * 10 + 10}s")
    await t.deliver("30s")
    await t.deliver("59s")
    assert slack.attempts == 1
    slack.failing.clear()
    await t.deliver("1m")
    assert sorted(t.expect("slack", Reason.FIRST).agents[0] for _ in range(3)) == ["a-0", "a-1", "a-2"]
    t.expect_silence()


async def test_users_of_grafana_an_outage_of_the_store_is_one_alert_and_its_end_no_burst(
    t: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await t.settings(settle="20s")
    store = breakable(t)
    await t.request("PUT", "channels/fallback", {"email": "fallback@example.com"})
    for number in range(5):
        await t.rule(SLOW, name=f"Slow {number}", agent=f"a-{number}", channels={"slack": f"#a-{number}"})
        await t.metric(f"a-{number}", "latency_ms", 5, "5s")
    await t.tick("10s")
    store.down = True
    await t.ticks("20s", "1m30s")
    blind = t.expect("email", Reason.FIRST, target="fallback@example.com")
    assert blind.message.lines[0].rule == "history store unreachable"
    t.expect_silence()
    store.down = False
    # What happened in between is known again: for a moment all of it looks bad, then only what is.
    for number in range(5):
        await t.metric(f"a-{number}", "latency_ms", 500, "1m31s")
    await t.tick("1m40s")
    t.expect("email", Reason.RESOLVED, target="fallback@example.com")
    t.expect_silence()
    assert len(await t.alerts(status="open")) == 5
    await t.ticks("1m50s", "2m")
    for number in range(5):
        t.expect("slack", Reason.FIRST, target=f"#a-{number}")
    t.expect_silence()


async def test_users_of_grafana_a_restart_tells_nothing_again(t: Timeline) -> None:
    await t.settings(settle="20s")
    await t.rule(FAILS, agent=None)
    for number in range(5):
        await t.log(f"a-{number}", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    for round_number in range(1, 4):
        name = f"alerter-{round_number + 1}"
        t.evaluator, t.deliverer = t.another_evaluator(name), t.another_deliverer(name)
        await t.ticks(f"{round_number * 10}m", f"{round_number * 10 + 1}m")
    t.expect_silence()


async def test_users_of_uptime_kuma_what_happened_while_the_network_was_down_is_told(t: Timeline) -> None:
    for kind in t.channels.values():
        kind.failing |= {target: ChannelError("no route to host") for target in (OPS, "#alerts")}
    await t.rule(FAILS, channels={"email": OPS, "slack": "#alerts"})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    await t.log("akira-001", "success", "10m")
    await t.tick("10m10s")
    t.expect_silence()
    for kind in t.channels.values():
        kind.failing.clear()
    await t.deliver("30m")
    for channel in ("email", "slack"):
        t.expect(channel, Reason.FIRST)
        t.expect(channel, Reason.RESOLVED)
    t.expect_silence()
