"""Alerts that end because their rule or agent changed: closed with that reason, never "recovered"."""

from typing import Any

import pytest

from alerts.core.message import title
from alerts.core.vocabulary import Reason
from tests.alerts.timeline import Timeline

FAILS = {"status": "error"}


async def _firing(t: Timeline, **more: Any) -> dict[str, Any]:
    rule = await t.rule(FAILS, **more)
    await t.log("akira-001", "error", "5s")
    await t.tick("10s")
    t.expect("email", Reason.FIRST)
    t.at("15s")
    return rule


async def _expect_closed(t: Timeline, reason: str) -> None:
    await t.tick("20s")
    message = t.expect("email", Reason.RESOLVED).message
    assert "recovered" not in (message.why + title(message)).lower()
    assert not message.lines[0].recovered
    t.expect_silence()
    (alert,) = await t.alerts()
    assert (alert["status"], alert["reason"]) == ("resolved", reason)


async def test_a_changed_condition_closes_the_alert_and_starts_anew(t: Timeline) -> None:
    rule = await _firing(t)
    condition = {"status": "error", "consecutive_failures": 2}
    await t.request("PATCH", f"alert-configs/{rule['id']}", {"conditions": condition})
    await _expect_closed(t, "rule changed")
    await t.log("akira-001", "error", "25s")
    await t.tick("30s")
    t.expect("email", Reason.FIRST)


@pytest.mark.parametrize("body", [{"enabled": False}, {"enabled": False, "conditions": {"status": "warning"}}])
async def test_disabling_a_rule_closes_its_alerts(t: Timeline, body: dict[str, Any]) -> None:
    rule = await _firing(t)
    await t.request("PATCH", f"alert-configs/{rule['id']}", body)
    await _expect_closed(t, "rule disabled")
    await t.log("akira-001", "error", "25s")
    assert (await t.tick("30s")).evaluated == 0
    assert await t.rows("SELECT 1 FROM alert_targets") == []


async def test_deleting_a_rule_closes_its_alerts_and_keeps_its_versions(t: Timeline) -> None:
    rule = await _firing(t)
    await t.request("DELETE", f"alert-configs/{rule['id']}", expect=204)
    await _expect_closed(t, "rule deleted")
    await t.request("GET", f"alert-configs/{rule['id']}", expect=404)
    versions = (await t.request("GET", f"alert-configs/{rule['id']}/versions"))["items"]
    assert [(entry["version"], entry["rule"]["deleted"]) for entry in versions] == [(2, True), (1, False)]


async def test_retiring_an_agent_closes_its_alerts(t: Timeline) -> None:
    await _firing(t)
    await t.request("POST", "agents/akira-001/retire")
    await _expect_closed(t, "agent retired")


async def test_deleting_an_agent_closes_its_alerts(t: Timeline) -> None:
    await _firing(t)
    await t.request("DELETE", "agents/akira-001")
    await _expect_closed(t, "agent retired")


async def test_an_agent_that_is_no_longer_selected_is_let_go(t: Timeline) -> None:
    await t.request("POST", "agents", {"external_id": "akira-001", "tags": {"env": "prod"}})
    await _firing(t, agent=None, selector={"tags": {"env": "prod"}})
    await t.request("PATCH", "agents/akira-001", {"tags": {"env": "test"}})
    await _expect_closed(t, "agent no longer selected")


async def test_a_rule_that_names_another_agent_closes_what_it_had(t: Timeline) -> None:
    rule = await _firing(t)
    await t.request("PATCH", f"alert-configs/{rule['id']}", {"agent": "kaneda-001"})
    await _expect_closed(t, "rule changed")


async def test_new_agents_and_new_tags_come_under_selectors(t: Timeline) -> None:
    await t.rule(FAILS, agent=None, selector={"tags": {"env": "prod"}}, name="Prod")
    await t.rule(FAILS, agent=None, name="All", channels={"slack": "#all"})
    await t.tick("1s")
    await t.log("tetsuo-001", "error", "5s")
    await t.tick("10s")
    t.expect("slack", Reason.FIRST, agents=["tetsuo-001"])
    t.expect_silence()
    await t.request("PATCH", "agents/tetsuo-001", {"tags": {"env": "prod", "team": "a"}})
    await t.tick("20s")
    t.expect("email", Reason.FIRST, agents=["tetsuo-001"])


async def test_nobody_who_did_not_hear_it_fire_hears_that_it_was_closed(t: Timeline) -> None:
    rule = await t.rule(FAILS, channels=None)
    await t.log("akira-001", "error", "5s")
    assert (await t.tick("10s")).fired == 1
    await t.request("PUT", "channels/fallback", {"email": "late@example.com"})
    await t.request("DELETE", f"alert-configs/{rule['id']}", expect=204)
    await t.tick("20s")
    t.expect_silence()
