"""What withholds messages, and what is said when it ends: snoozes, silences, maintenance windows."""

from datetime import timedelta
from typing import Any

from alerts.core.vocabulary import Reason
from tests.alerts.timeline import Timeline, span

FAILS = {"status": "error"}
MINUTES = timedelta(minutes=2)


async def _silence(t: Timeline, start: str, end: str, *matchers: str, comment: str = "deploy") -> dict[str, Any]:
    starts_at, ends_at = t.start + span(start), t.start + span(end)
    body = {
        "matchers": list(matchers) or ['agent="akira-001"'],
        "starts_at": starts_at.isoformat(),
        "ends_at": ends_at.isoformat(),
        "comment": comment,
    }
    made: dict[str, Any] = await t.request("POST", "silences", body, expect=201)
    return made


async def _timeline(t: Timeline, *, status: str = "open") -> list[tuple[str, str | None]]:
    (alert,) = await t.alerts(status=status)
    entries = (await t.request("GET", f"alerts/{alert['id']}/timeline"))["items"]
    return [(entry["kind"], entry["details"].get("by")) for entry in entries]


async def _withheld(t: Timeline, alert_id: str) -> list[dict[str, Any]]:
    entries = (await t.request("GET", f"alerts/{alert_id}/timeline"))["items"]
    return [entry["details"] for entry in entries if entry["kind"] == "withheld"]


async def test_a_silence_withholds_and_says_so_and_when_it_ends_the_next_tick_tells_once(t: Timeline) -> None:
    await t.rule(FAILS)
    silence = await _silence(t, "0s", "10m")
    await t.log("akira-001", "error", "5s")
    assert (await t.tick("10s")).fired == 1
    await t.ticks("20s", "9m50s", MINUTES)
    t.expect_silence()
    (alert,) = await t.alerts(status="open")
    assert alert["details"]["muted"] == {
        "by": "silence", "source": silence["id"], "title": "deploy", "until": silence["ends_at"].replace("Z", "+00:00"),
    }  # fmt: skip
    (withheld,) = await _withheld(t, alert["id"])
    assert withheld == {
        **alert["details"]["muted"], "reason": "FIRST", "channel": "email", "target": "ops@example.com",
    }  # fmt: skip
    await t.tick("10m")
    assert "the silence (deploy) that withheld" in t.expect("email", Reason.FIRST).message.why
    assert "muted" not in (await t.alerts(status="open"))[0]["details"]
    await t.ticks("10m10s", "20m", MINUTES)
    t.expect_silence()


async def test_a_silence_that_ends_after_the_recovery_sends_nothing(t: Timeline) -> None:
    await t.rule(FAILS)
    await _silence(t, "0s", "10m")
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    await t.log("akira-001", "success", "5m")
    assert (await t.tick("5m10s")).resolved == 1
    await t.ticks("5m20s", "12m", MINUTES)
    t.expect_silence()


async def test_who_heard_before_the_silence_hears_once_more_after_it(t: Timeline) -> None:
    await t.rule(FAILS, repeat="10m")
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    await _silence(t, "1m", "1h")
    await t.ticks("1m", "59m50s", 3 * MINUTES)
    t.expect_silence()
    await t.tick("1h")
    assert "silence (deploy)" in t.expect("email", Reason.REPEAT).message.why
    await t.ticks("1h10s", "1h9m50s", MINUTES)
    t.expect_silence()
    await t.tick("1h10m")
    assert "every 10m" in t.expect("email", Reason.REPEAT).message.why


async def test_whoever_heard_firing_hears_the_resolve_through_a_silence_and_nobody_else(t: Timeline) -> None:
    await t.rule(FAILS, escalate=[{"after": "5m", "channels": {"slack": "#boss"}}])
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    await _silence(t, "1m", "1h")
    await t.ticks("1m", "6m", MINUTES / 2)
    await t.log("akira-001", "success", "6m5s")
    await t.tick("6m10s")
    t.expect("email", Reason.RESOLVED)
    t.expect_silence()
    assert ("withheld", "silence") in await _timeline(t, status="resolved")


async def test_a_silence_that_begins_and_ends_between_two_ticks_changes_nothing(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    await _silence(t, "11s", "19s")
    await t.ticks("20s", "1m")
    t.expect_silence()


async def test_a_silence_ended_by_hand_tells_at_the_next_tick_and_one_made_longer_goes_on(t: Timeline) -> None:
    await t.rule(FAILS)
    first = await _silence(t, "0s", "10m")
    later = (t.start + span("20m")).isoformat()
    await t.request("PATCH", f"silences/{first['id']}", {"ends_at": later})
    await t.log("akira-001", "error", "5s")
    await t.ticks("10s", "12m", MINUTES)
    t.expect_silence()
    answer = await t.request("POST", f"silences/{first['id']}/expire")
    assert (answer["state"], answer["expired_by"]) == ("expired", answer["created_by"])
    await t.tick("12m10s")
    t.expect("email", Reason.FIRST)
    await t.request("POST", f"silences/{first['id']}/expire", expect=409)
    await t.request("PATCH", f"silences/{first['id']}", {"comment": "again"}, expect=409)
    audited = (await t.request("GET", "silences?state=expired"))["items"]
    assert [one["id"] for one in audited] == [first["id"]]


async def test_one_silence_after_another_is_told_once_after_both(t: Timeline) -> None:
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    await _silence(t, "1m", "5m", comment="deploy")
    await _silence(t, "4m", "8m", comment="clean up")
    await t.ticks("1m", "7m50s", MINUTES)
    t.expect_silence()
    await t.ticks("8m", "9m", MINUTES / 2)
    assert "silence (clean up)" in t.expect("email", Reason.REPEAT).message.why
    t.expect_silence()


async def test_all_kinds_of_alerts_have_the_labels_that_matchers_ask_for(t: Timeline) -> None:
    ttft = {"metric": "ttft_ms", "op": ">", "threshold": 5, "by": ["model"], "window": "1m"}
    missing = {"metric": "cpu", "op": ">", "threshold": 1, "window": "1m", "no_data": "alert"}
    await t.heartbeat("akira-001", "1s")
    await t.rule(FAILS, name="Fails", labels={"team": "core"}, severity="critical", channels={"slack": "#fails"})
    await t.rule(ttft, name="Slow", channels={"slack": "#slow"})
    await t.rule(missing, name="Empty", channels={"slack": "#empty"})
    await t.rule({"heartbeat": "missed", "after": "30s"}, name="Gone", severity="info", channels={"slack": "#gone"})
    await _silence(t, "0s", "1h", 'team="core"', "severity=~crit.*")
    await _silence(t, "0s", "1h", "model=opus", "rule=Slow")
    await _silence(t, "0s", "1h", "rule=Empty", "agent_type=custom")
    await _silence(t, "0s", "1h", "rule=Gone", "agent=~akira-.*", "team!=core", "model=")
    await t.metric("akira-001", "ttft_ms", 9, "2s", tags={"model": "opus"})
    await t.metric("akira-001", "ttft_ms", 9, "2s", tags={"model": "haiku"})
    await t.log("akira-001", "error", "2s")
    await t.ticks("10s", "2m")
    open_alerts = await t.alerts(status="open")
    assert sorted(alert["rule"] for alert in open_alerts) == ["Empty", "Fails", "Gone", "Slow", "Slow"]
    muted = [alert["rule"] for alert in open_alerts if "muted" in alert["details"]]
    assert sorted(muted) == ["Empty", "Fails", "Gone", "Slow"]
    assert t.expect("slack", Reason.FIRST, target="#slow").message.lines[0].labels == {"model": "haiku"}
    t.expect_silence()


async def test_silences_do_not_reach_other_tenants_agents_or_later_times(t: Timeline) -> None:
    await t.rule(FAILS)
    await _silence(t, "0s", "1h", "agent=akira-002")
    await _silence(t, "1h", "2h", "agent=akira-001")
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)


async def test_a_snooze_mutes_until_its_time_and_then_tells_if_it_still_fires(t: Timeline) -> None:
    await t.rule(FAILS, repeat="10m")
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    (alert,) = await t.alerts(status="open")

    async def snooze(until: str) -> None:
        await t.request("POST", f"alerts/{alert['id']}/snooze", {"until": (t.start + span(until)).isoformat()})

    await snooze("30m")
    await t.ticks("20s", "29m50s", 2 * MINUTES)
    t.expect_silence()
    assert ("withheld", "snooze") in await _timeline(t)
    await t.tick("30m")
    assert "the snooze that withheld" in t.expect("email", Reason.REPEAT).message.why
    await snooze("1h")
    await t.tick("30m10s")
    await t.log("akira-001", "success", "31m")
    await t.tick("31m10s")
    t.expect("email", Reason.RESOLVED)
    await t.ticks("59m", "1h1m", MINUTES)
    t.expect_silence()
