"""The rule that everything began with: three errors in a row page somebody, a success says so."""

from alerts.core.vocabulary import Reason
from tests.alerts.timeline import Timeline

THREE_ERRORS = {"status": "error", "consecutive_failures": 3}
CHANNELS = {"email": "user@example.com", "slack": "#alerts"}


async def test_third_error_pages_once_and_a_success_resolves_once(t: Timeline) -> None:
    await t.rule(THREE_ERRORS, channels=CHANNELS, severity="critical", owner="platform", runbook="https://run.book")
    for moment in ("10s", "20s"):
        await t.log("akira-001", "error", moment)
        await t.tick(moment)
    t.expect_silence()
    await t.log("akira-001", "error", "30s", message="Traceback: out of cheese")
    await t.tick("32s")
    first = t.expect("email", Reason.FIRST, target="user@example.com", agents=["akira-001"])
    t.expect("slack", Reason.FIRST, target="#alerts", agents=["akira-001"])
    line = first.message.lines[0]
    assert (line.value, line.threshold, line.severity) == (3, 3, "critical")
    assert line.last_message == "Traceback: out of cheese"
    assert (line.owner, line.runbook) == ("platform", "https://run.book")
    assert line.url == f"https://monitor.example/alerts/{line.alert_id}"
    await t.ticks("40s", "2m")
    t.expect_silence()
    await t.log("akira-001", "success", "2m5s")
    await t.tick("2m10s")
    resolved = t.expect("email", Reason.RESOLVED)
    assert resolved.message.lines[0].recovered
    assert resolved.previous is not None
    assert t.expect("slack", Reason.RESOLVED).previous is not None
    await t.ticks("2m20s", "3m")
    t.expect_silence()


async def test_the_alert_is_there_for_the_api(t: Timeline) -> None:
    rule = await t.rule(THREE_ERRORS, labels={"team": "platform"})
    for moment in ("1s", "2s", "3s"):
        await t.log("akira-001", "error", moment)
    await t.tick("10s")
    (alert,) = await t.alerts(status="open")
    assert (alert["config_id"], alert["rule"], alert["agent"]) == (rule["id"], "Akira fails", "akira-001")
    assert (alert["value"], alert["labels"], alert["severity"]) == (3, {"team": "platform"}, "warning")
    timeline = (await t.request("GET", f"alerts/{alert['id']}/timeline"))["items"]
    assert [entry["kind"] for entry in timeline] == ["fired", "notified"]
    await t.log("akira-001", "success", "15s")
    await t.tick("20s")
    (alert,) = await t.alerts(status="resolved")
    assert alert["reason"] == "recovered"


async def test_a_late_success_between_the_errors_is_no_streak(t: Timeline) -> None:
    await t.rule(THREE_ERRORS)
    await t.log("akira-001", "error", "10s")
    await t.log("akira-001", "error", "30s")
    await t.log("akira-001", "success", "20s")
    await t.log("akira-001", "error", "40s")
    await t.tick("45s")
    t.expect_silence()
    await t.log("akira-001", "error", "50s")
    await t.tick("55s")
    t.expect("email", Reason.FIRST)


async def test_a_late_success_never_resolves_a_newer_failure(t: Timeline) -> None:
    await t.rule({"status": "error"})
    await t.log("akira-001", "error", "1m")
    await t.tick("1m10s")
    t.expect("email", Reason.FIRST)
    await t.log("akira-001", "success", "30s")
    await t.tick("1m20s")
    t.expect_silence()


async def test_a_late_error_opens_an_alert_if_the_condition_holds_now(t: Timeline) -> None:
    await t.rule({"status": "error", "consecutive_failures": 2})
    await t.log("akira-001", "success", "10s")
    await t.log("akira-001", "error", "40s")
    await t.tick("45s")
    t.expect_silence()
    await t.log("akira-001", "error", "20s")
    await t.tick("50s")
    t.expect("email", Reason.FIRST)


async def test_heartbeats_and_log_lines_never_resolve_a_status_rule(t: Timeline) -> None:
    await t.rule({"status": "error"})
    await t.log("akira-001", "error", "10s")
    await t.tick("15s")
    t.expect("email", Reason.FIRST)
    await t.heartbeat("akira-001", "20s")
    await t.log("akira-001", "success", "25s", kind="line", level="info", message="all is well")
    await t.ticks("30s", "1m")
    t.expect_silence()


async def test_the_order_of_rule_and_agent_does_not_matter(t: Timeline) -> None:
    await t.log("early", "error", "1s")
    await t.rule({"status": "error"}, agent="early")
    await t.rule({"status": "error"}, agent="late")
    await t.log("late", "error", "5s")
    await t.tick("10s")
    sent = t.expect("email", Reason.FIRST)
    assert sorted(sent.agents) == ["early", "late"]
    t.expect_silence()
