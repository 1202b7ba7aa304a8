"""Retries, dead letters and the other way round them, order within a group."""

from datetime import timedelta
from typing import Any

from alerts.core.vocabulary import ChannelKind, Reason
from monitor.errors import ChannelError
from monitor.ids import PLATFORM_TENANT
from tests.alerts.timeline import Timeline

FAILS = {"status": "error"}
OPS = "ops@example.com"


async def _states(t: Timeline) -> list[dict[str, Any]]:
    return await t.rows("SELECT status, attempts, last_error, next_attempt_at, target FROM notifications ORDER BY id")


async def _platform(t: Timeline) -> list[dict[str, Any]]:
    return await t.all_rows("SELECT * FROM alerts WHERE tenant_id = :id ORDER BY id", id=PLATFORM_TENANT)


async def test_a_passing_failure_is_tried_again_until_it_works(t: Timeline) -> None:
    email = t.channels[ChannelKind.EMAIL]
    email.failing[OPS] = ChannelError("greylisted")
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    (row,) = await _states(t)
    assert (row["status"], row["attempts"], row["last_error"]) == ("pending", 1, "greylisted")
    assert timedelta(0) < row["next_attempt_at"] - t.clock.time <= timedelta(seconds=2)
    email.failing.clear()
    await t.deliver("20s")
    t.expect("email", Reason.FIRST)
    (row,) = await _states(t)
    assert (row["status"], row["attempts"], row["last_error"]) == ("sent", 2, None)


async def test_retry_after_is_honoured(t: Timeline) -> None:
    t.channels[ChannelKind.SLACK].failing["#alerts"] = ChannelError("slow down", retry_after=90)
    await t.rule(FAILS, channels={"slack": "#alerts"})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    (row,) = await _states(t)
    assert row["next_attempt_at"] - t.clock.time == timedelta(seconds=90)
    t.channels[ChannelKind.SLACK].failing.clear()
    await t.deliver("1m39s")
    t.expect_silence()
    await t.deliver("1m40s")
    t.expect("slack", Reason.FIRST)


async def test_one_failing_target_does_not_hold_up_others(t: Timeline) -> None:
    t.channels[ChannelKind.EMAIL].failing[OPS] = ChannelError("down")
    await t.rule(FAILS, channels={"email": [OPS, "second@example.com"], "slack": "#alerts"})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST, target="second@example.com")
    t.expect("slack", Reason.FIRST)


async def test_a_fault_in_a_channel_is_a_failed_attempt(t: Timeline) -> None:
    t.channels[ChannelKind.EMAIL].failing[OPS] = ZeroDivisionError("a bug")  # type: ignore[assignment]
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    (row,) = await _states(t)
    assert (row["status"], row["last_error"]) == ("pending", "ZeroDivisionError: a bug")


async def test_a_dead_letter_raises_an_alert_and_goes_through_the_fallback(t: Timeline) -> None:
    await t.request("PUT", "channels/fallback", {"slack": "#fallback"})
    email = t.channels[ChannelKind.EMAIL]
    email.failing[OPS] = ChannelError("no such mailbox", permanent=True)
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    notice = t.expect("slack", Reason.FIRST, target="#fallback", agents=["akira-001"])
    assert "no such mailbox" in notice.message.why
    t.expect_silence()
    (alert,) = await _platform(t)
    assert (alert["rule"], alert["status"]) == ("notification undeliverable", "open")
    await t.log("akira-001", "success", "15s")
    await t.tick("20s")
    t.expect("slack", Reason.RESOLVED, target="#fallback")
    t.expect_silence()
    assert sorted(row["status"] for row in await _states(t)) == ["dead", "sent", "sent", "withheld"]
    email.failing.clear()
    await t.log("akira-001", "error", "25s")
    await t.tick("30s")
    t.expect("email", Reason.FIRST)
    (alert,) = await _platform(t)
    assert alert["status"] == "resolved"


async def test_without_a_fallback_another_channel_of_the_rule_is_used(t: Timeline) -> None:
    t.channels[ChannelKind.EMAIL].failing[OPS] = ChannelError("no such mailbox", permanent=True)
    await t.rule(FAILS, channels={"email": OPS, "slack": "#alerts"})
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    whys = [t.expect("slack", Reason.FIRST).message.why for _ in range(2)]
    assert sum("could not be delivered" in why for why in whys) == 1
    await t.log("akira-001", "success", "15s")
    await t.tick("20s")
    t.expect("slack", Reason.RESOLVED)
    t.expect_silence()


async def test_where_everything_fails_it_ends_and_never_uses_what_failed(t: Timeline) -> None:
    await t.request("PUT", "channels/fallback", {"slack": "#fallback"})
    for kind, target in ((ChannelKind.EMAIL, OPS), (ChannelKind.SLACK, "#fallback")):
        t.channels[kind].failing[target] = ChannelError("gone", permanent=True)
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    await t.ticks("20s", "1m")
    t.expect_silence()
    assert [(row["status"], row["target"]) for row in await _states(t)] == [("dead", OPS), ("dead", "#fallback")]
    assert len(await _platform(t)) == 2


async def test_after_its_last_attempt_a_notification_is_dead(t: Timeline) -> None:
    t.channels[ChannelKind.EMAIL].failing[OPS] = ChannelError("still down")
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    for minute in range(1, 300, 11):
        await t.deliver(f"{minute}m")
    (row,) = await _states(t)
    assert row["status"] == "dead"
    assert row["attempts"] > 10


async def test_a_resolve_waits_for_its_first_and_is_withheld_when_that_never_arrived(t: Timeline) -> None:
    email = t.channels[ChannelKind.EMAIL]
    email.failing[OPS] = ChannelError("busy", retry_after=60)
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    await t.log("akira-001", "success", "15s")
    await t.tick("20s")
    assert email.attempts == 1
    email.failing.clear()
    await t.tick("1m15s")
    t.expect("email", Reason.FIRST)
    t.expect("email", Reason.RESOLVED)


async def test_a_notification_of_a_suspended_tenant_waits(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.evaluate("10s")
    status = "UPDATE tenants SET status = :status WHERE id = :id"
    await t.all_rows(status, status="suspended", id=t.tenant.id)
    assert await t.deliver("20s") == 0
    await t.all_rows(status, status="active", id=t.tenant.id)
    await t.deliver("30s")
    t.expect("email", Reason.FIRST)
