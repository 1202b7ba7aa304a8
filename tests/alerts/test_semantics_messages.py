"""Who hears what of an alert, and who does not."""

from alerts.core.covering import cover, seal
from alerts.core.vocabulary import Reason
from tests.alerts.timeline import Timeline

FAILS = {"status": "error"}


async def _alert_id(t: Timeline) -> str:
    (alert,) = await t.alerts(status="open")
    return str(alert["id"])


async def test_500_alerts_of_one_pass_are_one_message_that_lists_them(t: Timeline) -> None:
    await t.rule(FAILS, agent=None, selector={"agent_type": "custom"}, channels={"slack": "#alerts"})
    moment = t.at("5s").isoformat()
    rows = [{"agent": f"a-{n:03}", "status": "error", "completed_at": moment} for n in range(500)]
    await t.request("POST", "logs", rows, expect=202)
    done = await t.tick("10s")
    assert done.fired == 500
    sent = t.expect("slack", Reason.FIRST)
    assert (len(sent.message.lines), sent.message.firing) == (500, 500)
    t.expect_silence()
    for row in rows[:200]:
        row |= {"status": "success", "completed_at": t.at("15s").isoformat()}
    await t.request("POST", "logs", rows[:200], expect=202)
    await t.tick("20s")
    sent = t.expect("slack", Reason.RESOLVED)
    assert (sent.message.firing, sent.message.resolved) == (300, 200)
    assert sent.previous is not None
    t.expect_silence()


async def test_whoever_heard_firing_hears_the_resolve_and_nobody_else(t: Timeline) -> None:
    rule = await t.rule(FAILS, channels={"email": "old@example.com"})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST, target="old@example.com")
    await t.request("PATCH", f"alert-configs/{rule['id']}", {"channels": {"slack": "#never-used"}, "enabled": True})
    await t.log("akira-001", "success", "15s")
    await t.tick("20s")
    t.expect("email", Reason.RESOLVED, target="old@example.com")
    t.expect_silence()


async def test_a_change_of_channels_or_timing_keeps_the_state_and_tells_who_is_new(t: Timeline) -> None:
    rule = await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    before = await _alert_id(t)
    changes = {"channels": {"email": "ops@example.com", "slack": "#alerts"}, "repeat": "2h", "severity": "critical"}
    await t.request("PATCH", f"alert-configs/{rule['id']}", changes)
    await t.tick("20s")
    t.expect("slack", Reason.FIRST)
    t.expect_silence()
    (alert,) = await t.alerts(status="open")
    assert (alert["id"], alert["severity"]) == (before, "critical")


async def test_repeats_every_four_hours_unless_said(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    await t.ticks("1h", "4h")
    t.expect_silence()
    await t.tick("4h10s")
    assert "4h" in t.expect("email", Reason.REPEAT).message.why
    await t.tick("4h20s")
    t.expect_silence()


async def test_escalation_reaches_further_channels(t: Timeline) -> None:
    await t.rule(FAILS, escalate=[{"after": "15m", "channels": {"slack": "#boss"}}])
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    await t.tick("15m")
    t.expect_silence()
    await t.tick("15m10s")
    assert "15m" in t.expect("slack", Reason.ESCALATED, target="#boss").message.why
    await t.log("akira-001", "success", "16m")
    await t.tick("16m10s")
    t.expect("slack", Reason.RESOLVED, target="#boss")
    t.expect("email", Reason.RESOLVED)


async def test_acknowledge_stops_repeats_until_it_expires(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    alert_id = await _alert_id(t)
    answer = await t.request("POST", f"alerts/{alert_id}/acknowledge", {"comment": "mine"})
    assert answer["status"] == "acknowledged"
    assert answer["acknowledged_by"].startswith("key:")
    for hour in range(1, 24):
        await t.tick(f"{hour}h1m")
    t.expect_silence()
    await t.tick("24h1m")
    t.expect("email", Reason.REPEAT)
    kinds = [entry["kind"] for entry in (await t.request("GET", f"alerts/{alert_id}/timeline"))["items"]]
    assert kinds == ["fired", "notified", "acknowledged", "withheld", "acknowledgement ended", "notified"]


async def test_an_acknowledgement_ends_when_the_severity_rises(t: Timeline) -> None:
    rule = await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    await t.request("POST", f"alerts/{await _alert_id(t)}/acknowledge")
    await t.request("PATCH", f"alert-configs/{rule['id']}", {"severity": "critical"})
    await t.tick("20s")
    assert [alert["status"] for alert in await t.alerts()] == ["open"]
    await t.tick("4h20s")
    t.expect("email", Reason.REPEAT)


async def test_resolve_by_hand_latches_until_one_ok(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    t.at("15s")
    answer = await t.request("POST", f"alerts/{await _alert_id(t)}/resolve", {"comment": "known"})
    assert (answer["status"], answer["reason"]) == ("resolved", "resolved by hand")
    await t.log("akira-001", "error", "20s")
    await t.ticks("20s", "1m")
    sent = t.expect("email", Reason.RESOLVED)
    assert not sent.message.lines[0].recovered
    t.expect_silence()
    await t.log("akira-001", "success", "1m5s")
    await t.tick("1m10s")
    await t.log("akira-001", "error", "1m15s")
    await t.tick("1m20s")
    t.expect("email", Reason.FIRST)


async def test_still_breached_after_repeat_it_opens_again_and_says_so(t: Timeline) -> None:
    await t.rule(FAILS, repeat="1h")
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    await t.request("POST", f"alerts/{await _alert_id(t)}/resolve")
    await t.tick("20s")
    t.expect("email", Reason.RESOLVED)
    await t.ticks("30m", "1h")
    t.expect_silence()
    await t.ticks("1h10s", "1h30s")
    assert "resolved by hand" in t.expect("email", Reason.FIRST).message.why


async def test_a_comment_stands_in_the_timeline_and_an_ended_alert_takes_no_more_acknowledgement(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    alert_id = await _alert_id(t)
    entries = (await t.request("POST", f"alerts/{alert_id}/comment", {"comment": "looking"}, expect=201))["items"]
    assert entries[-1]["details"] == {"comment": "looking"}
    await t.request("POST", f"alerts/{alert_id}/resolve")
    await t.request("POST", f"alerts/{alert_id}/acknowledge", expect=409)
    await t.request("POST", f"alerts/{alert_id}/resolve", expect=409)


async def test_a_suspended_tenant_is_not_paged_and_its_state_goes_on(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    status = "UPDATE tenants SET status = :status WHERE id = :id"
    await t.all_rows(status, status="suspended", id=t.tenant.id)
    assert (await t.tick("10s")).fired == 1
    await t.tick("20s")
    t.expect_silence()
    await t.all_rows(status, status="active", id=t.tenant.id)
    await t.tick("30s")
    t.expect("email", Reason.FIRST)


async def test_a_rule_without_channels_uses_the_fallback_and_named_channels_are_resolved(t: Timeline) -> None:
    await t.request("POST", "channels", {"name": "ops", "kind": "slack", "target": "#ops"}, expect=201)
    await t.request("PUT", "channels/fallback", {"email": "fallback@example.com"})
    await t.rule(FAILS, channels=None)
    await t.rule({"status": "error", "consecutive_failures": 1}, channels={"channel": "ops"}, name="Named")
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST, target="fallback@example.com")
    t.expect("slack", Reason.FIRST, target="#ops")
    t.expect_silence()


async def test_a_webhook_is_signed_with_its_own_secret_to_the_end(t: Timeline) -> None:
    hook = {"url": "https://hooks.example/1", "secret": "the rule's own secret"}
    rule = await t.rule(FAILS, channels={"webhook": hook})
    assert rule["channels"] == {"webhook": {"url": cover(hook["url"]), "secret": "********"}}
    await t.request("PATCH", f"alert-configs/{rule['id']}", {"channels": rule["channels"]})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    assert t.expect("webhook", Reason.FIRST).message.secret == seal(hook["url"], hook["secret"])
    await t.log("akira-001", "success", "15s")
    await t.tick("20s")
    assert t.expect("webhook", Reason.RESOLVED).message.secret == seal(hook["url"], hook["secret"])


async def test_a_test_message_is_real_and_marked(t: Timeline) -> None:
    rule = await t.rule(FAILS, channels={"email": "ops@example.com", "slack": "#alerts"})
    answer = await t.request("POST", f"alert-configs/{rule['id']}/test", expect=202)
    assert len(answer["targets"]) == 2
    await t.deliver("5s")
    assert t.expect("email", Reason.TEST).message.test
    assert t.expect("slack", Reason.TEST).message.lines[0].rule == "Akira fails"
    assert await t.alerts() == []
