"""Groups, digests, budgets, settling: what is withheld is said to be, and is told in the end."""

from datetime import timedelta
from typing import Any

from fastapi import FastAPI
from sqlalchemy import text

from alerts import settings_routes
from alerts.core.vocabulary import ChannelKind, Reason
from alerts.settings_bodies import AlertSettings
from monitor.errors import ChannelError
from tests.alerts.timeline import Timeline

FAILS = {"status": "error"}
GROUP = {"by": ["rule"], "wait": "30s", "interval": "5m"}


async def _fails(t: Timeline, *agents: str, at: str) -> None:
    for agent in agents:
        await t.log(agent, "error", at)


async def _withheld(t: Timeline) -> list[tuple[str, str]]:
    rows = await t.rows("SELECT details FROM alert_events WHERE kind = 'withheld' ORDER BY id")
    return [(row["details"]["by"], row["details"].get("reason", "")) for row in rows]


async def test_a_group_waits_lists_its_alerts_and_tells_what_joins_after_its_interval(t: Timeline) -> None:
    await t.settings(group=GROUP)
    await t.rule(FAILS, agent=None, channels={"slack": "#alerts"})
    await _fails(t, "a-1", at="5s")
    await t.tick("10s")
    await _fails(t, "a-2", at="15s")
    await t.ticks("20s", "30s")
    t.expect_silence()
    # Whatever process it is by then, and however the last one ended.
    t.evaluator, t.deliverer = t.another_evaluator("alerter-1"), t.another_deliverer("alerter-1")
    await t.tick("40s")
    sent = t.expect("slack", Reason.FIRST)
    assert sorted(sent.agents) == ["a-1", "a-2"]
    assert "it waited 30s for others of its group" in sent.message.why
    await _fails(t, "a-3", at="45s")
    await t.ticks("50s", "1m10s")
    t.expect_silence()
    await t.tick("5m40s")
    sent = t.expect("slack", Reason.FIRST)
    assert (sorted(sent.agents), sent.previous is not None) == (["a-1", "a-2", "a-3"], True)
    assert await _withheld(t) == [("group", "FIRST")] * 3
    for agent in ("a-1", "a-2", "a-3"):
        await t.log(agent, "success", "6m")
    await t.tick("6m10s")
    sent = t.expect("slack", Reason.RESOLVED)
    assert (sent.message.firing, sent.message.resolved) == (0, 3)
    await t.ticks("6m20s", "7m")
    t.expect_silence()


async def test_what_ends_or_is_silenced_while_its_group_waits_is_heard_by_nobody(t: Timeline) -> None:
    await t.settings(group=GROUP)
    await t.rule(FAILS, agent=None)
    await _fails(t, "a-1", "a-2", at="5s")
    await t.tick("10s")
    await t.log("a-1", "success", "15s")
    until = {"starts_at": t.at("15s").isoformat(), "ends_at": t.at("10m").isoformat(), "comment": "known"}
    t.clock.time = t.start
    await t.request("POST", "silences", {"matchers": ['agent="a-2"'], **until}, expect=201)
    await t.ticks("20s", "1m")
    t.expect_silence()
    assert await t.rows("SELECT 1 FROM notifications") == []


async def test_a_digest_tells_what_came_and_went_and_a_critical_page_does_not_wait(t: Timeline) -> None:
    await t.settings(digest=[{"channels": {"email": "ops@example.com"}, "every": "1h"}])
    await t.rule(FAILS, agent=None)
    await t.rule({"status": "error", "consecutive_failures": 2}, agent=None, name="Worse", severity="critical")
    await _fails(t, "a-1", "a-2", at="5s")
    await t.tick("10s")
    await t.log("a-1", "success", "15s")
    await _fails(t, "a-2", at="15s")
    await t.tick("20s")
    assert t.expect("email", Reason.FIRST).message.lines[0].rule == "Worse"
    await t.tick("1h")
    t.expect_silence()
    await t.tick("1h10s")
    sent = t.expect("email", Reason.DIGEST)
    assert (sorted(sent.agents), sent.message.firing, sent.message.resolved) == (["a-1", "a-2"], 1, 1)
    assert "it stands for 1 message, about 2 alerts" in sent.message.why
    t.expect_silence()


async def test_a_digest_goes_out_when_nothing_is_left_to_judge(t: Timeline) -> None:
    await t.settings(digest=[{"channels": {"email": "ops@example.com"}, "every": "1h"}])
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    await t.log("akira-001", "success", "15s")
    await t.tick("20s")
    await t.tick("1h10s")
    assert t.expect("email", Reason.DIGEST).message.resolved == 1
    await t.tick("3h")
    t.expect_silence()


async def test_beyond_its_budget_a_channel_gets_one_digest_that_loses_nothing(t: Timeline) -> None:
    await t.settings(budget=2)
    await t.rule(FAILS, agent=None)
    for number in range(5):
        await _fails(t, f"a-{number}", at=f"{number + 1}m")
        await t.tick(f"{number + 1}m10s")
    assert [t.expect("email", Reason.FIRST).agents for _ in range(2)] == [["a-0"], ["a-1"]]
    t.expect_silence()
    assert await _withheld(t) == [("budget", "FIRST")] * 3
    await t.tick("1h1m10s")
    sent = t.expect("email", Reason.DIGEST)
    assert sorted(sent.agents) == ["a-2", "a-3", "a-4"]
    assert "it stands for 3 messages that were withheld, about 3 alerts" in sent.message.why
    await t.log("a-2", "success", "3h")
    await t.tick("3h10s")
    assert t.expect("email", Reason.RESOLVED).message.resolved == 1


async def test_a_group_repeats_as_one_message(t: Timeline) -> None:
    await t.settings(group={"by": ["rule"], "interval": "5m"})
    await t.rule(FAILS, agent=None, repeat="1h")
    await _fails(t, "a-1", at="5s")
    await t.tick("10s")
    await _fails(t, "a-2", at="30m")
    await t.tick("30m10s")
    assert [len(t.expect("email", Reason.FIRST).agents) for _ in range(2)] == [1, 2]
    await t.ticks("1h", "1h30m", step=timedelta(minutes=10))
    t.expect_silence()
    await t.tick("1h30m10s")
    assert sorted(t.expect("email", Reason.REPEAT).agents) == ["a-1", "a-2"]
    await t.tick("1h30m20s")
    t.expect_silence()


async def test_what_nobody_tried_to_send_is_taken_back_with_its_resolve(t: Timeline) -> None:
    await t.rule(FAILS, agent=None)
    await _fails(t, "a-1", "a-2", at="5s")
    await t.evaluate("10s")
    await t.log("a-1", "success", "15s")
    await t.evaluate("20s")
    await t.deliver("20s")
    assert t.expect("email", Reason.FIRST).agents == ["a-2"]
    t.expect_silence()
    await t.log("a-2", "success", "25s")
    await t.tick("30s")
    assert t.expect("email", Reason.RESOLVED).agents == ["a-2"]
    assert await _withheld(t) == [("over before it was sent", "RESOLVED")]


async def test_who_joined_a_group_by_a_message_that_died_is_not_heard_of_as_resolved(t: Timeline) -> None:
    await t.settings(group={"by": ["rule"], "interval": "0s"})
    email = t.channels[ChannelKind.EMAIL]
    await t.rule(FAILS, agent=None)
    await _fails(t, "a-1", at="5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    email.failing["ops@example.com"] = ChannelError("no", permanent=True)
    await _fails(t, "a-2", at="15s")
    await t.tick("20s")
    email.failing.clear()
    await t.log("a-2", "success", "25s")
    await t.tick("30s")
    t.expect_silence()
    await t.log("a-1", "success", "35s")
    await t.tick("40s")
    assert "a-1" in t.expect("email", Reason.RESOLVED).agents


async def test_after_an_outage_of_the_alerter_first_messages_settle(t: Timeline) -> None:
    await t.settings(settle="20s")
    await t.rule({"heartbeat": "missed", "after": "90s"}, agent=None)
    for agent in ("a-1", "a-2"):
        await t.heartbeat(agent, "5s")
    await t.tick("10s")
    # Nobody judges for ten minutes, and nothing could be received either.
    await t.tick("10m")
    t.expect_silence()
    assert len(await t.alerts(status="open")) == 2
    await t.heartbeat("a-1", "10m5s")
    await t.tick("10m10s")
    t.expect_silence()
    await t.tick("10m20s")
    assert t.expect("email", Reason.FIRST).agents == ["a-2"]
    t.expect_silence()
    assert set(await _withheld(t)) == {("settling", "FIRST")}
    # In a process that starts anew a minute later without an outage nothing settles.
    t.evaluator = t.another_evaluator("alerter-1")
    await t.ticks("10m30s", "11m50s")
    t.expect("email", Reason.FIRST, agents=["a-1"])


async def test_what_fired_before_the_outage_does_not_settle_and_is_not_told_again(t: Timeline) -> None:
    await t.settings(settle="20s")
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    t.evaluator, t.deliverer = t.another_evaluator("alerter-2"), t.another_deliverer("alerter-2")
    await t.ticks("10m", "11m")
    t.expect_silence()
    await t.log("akira-001", "success", "11m5s")
    await t.tick("11m10s")
    t.expect("email", Reason.RESOLVED)


async def test_settings_are_checked_and_told_with_their_defaults(t: Timeline) -> None:
    faults: dict[str, Any] = {
        "group": {"by": ["rule"], "wait": "soon"},
        "digest": [{"channels": {"email": "nobody"}, "every": "1h"}],
        "budget": 0,
        "unknown": 1,
    }
    for name, fault in faults.items():
        await t.request("PUT", "alert-settings", {name: fault}, expect=422)
    await t.request("PUT", "alert-settings", {"group": {"by": ["team"]}})
    said = await t.request("GET", "alert-settings")
    assert said["group"] == {"by": ["team"], "wait": "0s", "interval": "5m", "except_critical": False}
    assert (said["digest"], said["budget"], said["settle"]) == ([], None, None)


async def test_settings_are_described_and_what_is_shown_of_them_may_be_sent_back(t: Timeline) -> None:
    app = FastAPI()
    app.include_router(settings_routes.router)
    put = app.openapi()["paths"]["/api/v1/alert-settings"]["put"]
    reference = put["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    described = app.openapi()["components"]["schemas"][reference.rpartition("/")[2]]
    assert set(described["properties"]) == set(AlertSettings.model_fields)
    hook = "https://hooks.slack.com/services/T0/B0/s3cret"
    routes = [{"matchers": ["severity=critical"], "channels": {"slack": hook}}]
    digest = [{"channels": {"slack": hook}, "every": "1h"}]
    shown = await t.request("PUT", "alert-settings", {"routes": routes, "digest": digest})
    assert "s3cret" not in str(shown)
    assert await t.request("PUT", "alert-settings", shown | {"budget": 5}) == shown | {"budget": 5}
    (stored,) = await t.rows("SELECT settings FROM alert_settings")
    assert [stored["settings"][name][0]["channels"] for name in ("routes", "digest")] == [{"slack": hook}] * 2
    digest[0]["channels"] = {"slack": shown["routes"][0]["channels"]["slack"].replace("#", "#0")[:-1]}
    refused = await t.request("PUT", "alert-settings", {"digest": digest}, expect=422)
    assert "digest.channels.slack: is only what is shown" in refused["detail"]
    digest[0]["channels"] = {"channel": "nobody"}
    await t.request("PUT", "alert-settings", {"digest": digest}, expect=422)


async def test_settings_that_cannot_be_read_hold_nothing_back(t: Timeline) -> None:
    async with t.db.owner() as connection:
        await connection.execute(text("""UPDATE alert_settings SET settings = '{"group": 7}'"""))
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
