"""On late history a backtest of a stored rule names the messages that the alerter told otherwise."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from alerts.backtest.read import read_history
from alerts.backtest.report import Report, report_text
from alerts.core.condition import leaves
from alerts.core.parse import parse_condition
from tests.alerts.timeline import INTERVAL, Timeline
from tests.backtest.both import ask, heard, told


def _different(t: Timeline, found: Report) -> list[tuple[str, float | None, float | None]]:
    """Reason, when the alerter told it, when the backtest does."""
    assert found.different is not None
    seconds = [
        [None if at is None else (at - t.start).total_seconds() for at in (one.alerter, one.replay)]
        for one in found.different
    ]
    return [(one.told.reason, alerter, ours) for one, (alerter, ours) in zip(found.different, seconds, strict=True)]


async def _late(t: Timeline, status: str, happened: int, received: str) -> None:
    """An execution that is told long after it has ended."""
    t.at(received)
    at = t.start + timedelta(seconds=happened)
    body = {"agent": "akira-001", "status": status, "completed_at": at.isoformat()}
    await t.request("POST", "logs", body, expect=202)


async def test_nothing_differs_on_a_punctual_history(t: Timeline) -> None:
    made = await t.rule({"status": "error"}, repeat="30s")
    await t.log("akira-001", "error", "5s")
    await t.ticks("10s", "1m40s")
    await t.log("akira-001", "success", "1m45s")
    await t.ticks("1m50s", "2m")
    found = await ask(t, made["id"], ticks=12)
    assert (found.different, told(t, found)) == ([], heard(t))
    assert len(found.messages) == 5
    assert report_text(found)[-1] == "no messages other than the alerter told"


async def test_a_failure_that_was_told_after_the_next_success_is_in_the_backtest_alone(t: Timeline) -> None:
    made = await t.rule({"status": "error"})
    await t.tick("10s")
    await t.log("akira-001", "success", "1m35s")
    await t.ticks("1m40s", "3m20s")
    await _late(t, "error", 15, "3m25s")
    await t.ticks("3m30s", "4m")
    assert heard(t) == []
    found = await ask(t, made["id"], ticks=24)
    assert _different(t, found) == [("FIRST", None, 20.0), ("RESOLVED", None, 100.0)]
    assert found.different is not None
    assert all(one.because.endswith("was told 3m late") for one in found.different)
    assert any(said.startswith("1 log rows came more than a tick after") for said in found.differs)
    assert "the alerter did not tell it; what happened at" in report_text(found)[-1]


async def test_what_was_told_late_is_told_by_both_at_different_times(t: Timeline) -> None:
    made = await t.rule({"rate": "error", "window": "5m", "threshold": 0.5})
    await t.log("akira-001", "success", "5s")
    await t.tick("10s")
    for happened in (20, 30, 40):
        await _late(t, "error", happened, "2m5s")
    await t.ticks("2m10s", "2m30s")
    assert [(one[0], one[3]) for one in heard(t)] == [(130.0, "FIRST")]
    found = await ask(t, made["id"], ticks=15)
    assert _different(t, found) == [("FIRST", 130.0, 40.0)]
    line = report_text(found)[-1]
    assert f"the alerter told it at {(t.start + timedelta(seconds=130)):%Y-%m-%dT%H:%M:%SZ}; what happened at" in line


@pytest.mark.parametrize("order", [1, -1])
async def test_a_row_that_several_leaves_read_is_felt_for_as_long_as_the_longest_window(
    t: Timeline, order: int
) -> None:
    await _late(t, "error", 5, "2m5s")
    async with t.db.tenant(t.tenant.id) as connection:
        agent = (await connection.execute(text("SELECT id FROM agents"))).scalar_one()
    condition = [{"rate": "error", "window": "5m", "threshold": 0.5}, {"status": "warning"}][::order]
    history = await read_history(
        t.db,
        t.deps.series,
        t.tenant.id,
        leaves(parse_condition({"any": condition})),
        {agent: "akira-001"},
        start=t.start,
        end=t.start + timedelta(minutes=3),
        tick=INTERVAL,
    )
    assert [one.felt for one in history.late.values()] == [timedelta(minutes=5)]


async def test_a_repeat_of_another_rule_or_agent_is_no_difference(t: Timeline) -> None:
    await t.rule({"status": "error"}, name="another", repeat="20s")
    made = await t.rule({"status": "error"}, name="this", channels={"slack": "#this"})
    await t.log("akira-001", "error", "5s")
    await t.ticks("10s", "1m40s")
    found = await ask(t, made["id"], ticks=10)
    assert _different(t, found) == []


async def test_what_only_the_alerter_told_is_named_without_a_reason_that_nobody_knows(t: Timeline) -> None:
    made = await t.rule({"status": "error"})
    await t.log("akira-001", "error", "5s")
    await t.ticks("10s", "20s")
    await t.all_rows("DELETE FROM agent_logs")
    found = await ask(t, made["id"], ticks=3)
    assert _different(t, found) == [("FIRST", 10.0, None)]
    assert found.different is not None
    assert [one.because for one in found.different] == [""]


async def test_the_api_answers_what_differs(t: Timeline) -> None:
    made = await t.rule({"status": "error"})
    await t.tick("10s")
    await t.log("akira-001", "success", "1m35s")
    await t.ticks("1m40s", "3m20s")
    await _late(t, "error", 15, "3m25s")
    await t.tick("3m30s")
    answer: dict[str, Any] = await t.request("GET", f"alert-configs/{made['id']}/backtest?since=-10m", expect=200)
    assert (answer["rule"], answer["different_in_all"], answer["pages"]) == ("Akira fails", 2, 1)
    first = answer["different"][0]
    assert (first["reason"], first["agent"], first["alerter"]) == ("FIRST", "akira-001", None)
    assert first["because"].endswith("was told 3m late")
    await t.request("GET", f"alert-configs/{made['id']}/backtest?since=-90d", expect=422)
    preview = await t.request("POST", "alert-configs/preview", {"conditions": {"status": "error"}}, expect=200)
    assert preview["backtest"]["different"] is None


async def test_what_makes_a_backtest_differ_is_said_whatever_agents_sent(t: Timeline) -> None:
    made = await t.rule({"status": "error"})
    await t.log("akira-001", "error", "5s")
    await t.ticks("10s", "20s")
    t.at("25s")
    await t.request("PATCH", f"alert-configs/{made['id']}", {"repeat": "1h"})
    await t.settings(budget=5)
    await t.request("PATCH", "agents/akira-001", {"status": "maintenance"})
    # Nobody is at work for a while.
    await t.ticks("5m", "5m20s")
    found = await ask(t, made["id"], ticks=33, since=timedelta(seconds=20))
    said = "\n".join(found.differs)
    assert f"the rule was last changed at {(t.start + timedelta(seconds=25)):%Y-%m-%dT%H:%M:%SZ}" in said
    assert "alerts that were open at the start: 1" in said
    assert f"no alerter was at work for a time up to {(t.start + timedelta(minutes=5)):%Y-%m-%dT%H:%M:%SZ}" in said
    assert "set to maintenance now, and so all along here: akira-001" in said
    assert "share groups, digests and budgets" in said
