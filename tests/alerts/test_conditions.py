"""Rules on what agents do and spend, as timelines: runs that take too long, loops, spending, burning, new errors."""

from typing import Any

from alerts.core.vocabulary import Reason
from monitor.runs import news
from tests.alerts.timeline import Timeline


async def task(t: Timeline, at: str, **values: Any) -> None:
    """Tell of a task."""
    t.at(at)
    await t.request("POST", "tasks", {"agent": "akira-001", "task_type": "review"} | values)


async def end(t: Timeline, name: str, at: str, **values: Any) -> None:
    """Tell how a task went on."""
    t.at(at)
    await t.request("PATCH", f"tasks/{name}", values)


async def calls(t: Timeline, at: str, *, tool: str, parameters: Any, times: int = 1) -> None:
    """Calls of a tool."""
    for _ in range(times):
        body = {"agent": "akira-001", "tool_name": tool, "status": "success", "parameters": parameters}
        await t.request("POST", "tool-executions", body | {"started_at": t.at(at).isoformat()})


def said(sent: Any) -> str:
    """What a message says of its first alert."""
    summary: str = sent.message.lines[0].summary
    return summary


async def test_a_task_that_takes_too_long_is_told_and_its_end_too(t: Timeline) -> None:
    await t.rule({"duration": "running", "longer_than": "10m"})
    await task(t, "0s", id="t1", status="running", started_at=t.start.isoformat())
    await t.tick("10s")
    await t.tick("10m")
    t.expect_silence()
    # Nothing is sent in between: the rule knows when it has to look.
    await t.tick("10m10s")
    assert "the longest run has been going on for 610s; a task of type review" in said(t.expect("email", Reason.FIRST))
    await end(t, "t1", "12m", status="completed")
    await t.tick("12m10s")
    t.expect("email", Reason.RESOLVED)
    t.expect_silence()


async def test_a_task_of_another_type_may_take_as_long_as_it_likes(t: Timeline) -> None:
    await t.rule({"duration": "running", "longer_than": "1m", "task_type": "chat"})
    await task(t, "0s", id="t1", status="running")
    await t.ticks("10s", "2m")
    t.expect_silence()
    await task(t, "2m", id="t2", task_type="chat", status="running")
    await t.ticks("2m10s", "3m20s")
    assert "a task of type chat" in said(t.expect("email", Reason.FIRST))


async def test_a_run_that_a_ping_started_counts_until_the_ping_that_ends_it(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    await t.rule({"duration": "running", "longer_than": "2m"})
    token = (await t.rows("SELECT ping_token FROM agents"))[0]["ping_token"]
    t.at("10s")
    assert (await t.client.get(f"/ping/{token}/start")).status_code == 200
    await t.ticks("20s", "2m10s")
    t.expect_silence()
    await t.tick("2m20s")
    assert "a run that a ping started" in said(t.expect("email", Reason.FIRST))
    t.at("3m")
    assert (await t.client.get(f"/ping/{token}")).status_code == 200
    await t.tick("3m10s")
    t.expect("email", Reason.RESOLVED)


async def test_the_same_call_again_and_again_is_told_with_the_tool(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    await t.rule({"repeat_call": 5, "window": "10m"})
    for page in range(6):
        await calls(t, "10s", tool="fetch", parameters={"page": page})
    # Nobody knows their arguments: they are not the same.
    await calls(t, "10s", tool="shell", parameters=None, times=6)
    await calls(t, "10s", tool="search", parameters={"q": "x", "n": 1}, times=4)
    await t.tick("20s")
    t.expect_silence()
    await calls(t, "30s", tool="search", parameters={"n": 1, "q": "x"})
    await t.tick("40s")
    assert "5 equal calls of a tool over 10m; the tool is search" in said(t.expect("email", Reason.FIRST))
    await t.tick("10m20s")
    t.expect("email", Reason.RESOLVED)


async def test_a_loop_is_over_when_the_agent_falls_idle_unless_its_rule_says_otherwise(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    await t.rule({"repeat_call": 5, "window": "10m"})
    await t.rule({"repeat_call": 5, "window": "10m", "no_data": "keep"}, name="Keeps", channels={"slack": "#keeps"})
    await calls(t, "10s", tool="search", parameters={"q": "x"}, times=5)
    await t.tick("20s")
    t.expect("email", Reason.FIRST)
    t.expect("slack", Reason.FIRST)
    await t.tick("10m")
    t.expect_silence()
    await t.tick("10m20s")
    assert t.expect("email", Reason.RESOLVED).message.why == "the condition no longer holds"
    await t.tick("11m")
    t.expect_silence()
    assert [alert["rule"] for alert in await t.alerts(status="open")] == ["Keeps"]


async def test_one_alert_a_tool_where_that_is_asked_for(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    await t.rule({"repeat_call": 2, "by": ["tool"]})
    await calls(t, "10s", tool="fetch", parameters={}, times=2)
    await calls(t, "10s", tool="search", parameters={}, times=3)
    await calls(t, "10s", tool="shell", parameters={})
    await t.tick("20s")
    assert sorted(one["labels"]["tool"] for one in await t.alerts()) == ["fetch", "search"]


async def test_spending_is_told_with_its_limit_and_what_it_comes_to_until_the_next_period(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    await t.rule({"budget": "cost_usd", "period": "hour", "limit": 50, "warn_at": 0.8})
    await task(t, "10s", status="completed", model="m-1", input_tokens=1, cost_usd=39.5)
    await t.tick("20s")
    t.expect_silence()
    await task(t, "30s", status="completed", model="m-1", input_tokens=1, cost_usd=1)
    await t.tick("40s")
    message = said(t.expect("email", Reason.FIRST))
    assert "40.5 USD of 50 USD spent this hour (81 %)" in message
    assert "at this rate" in message
    assert "threshold >= 40 USD" in message
    await t.tick("1h")
    t.expect("email", Reason.RESOLVED)


async def test_a_budget_of_each_model_and_calls_whose_price_nobody_knows(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    await t.rule({"budget": "cost_usd", "limit": 10, "by": ["model"]}, name="by model")
    await t.rule({"budget": "tokens", "limit": 100, "where": {"model": "m-2"}}, name="tokens of m-2")
    await task(t, "10s", status="completed", model="m-1", input_tokens=500, cost_usd=11)
    await task(t, "10s", status="completed", model="m-2", input_tokens=50)
    await t.tick("20s")
    assert [(one["rule"], one["labels"]) for one in await t.alerts()] == [("by model", {"model": "m-1"})]
    unknown = await t.rows("SELECT detail, verdict FROM alert_states WHERE labels ->> 'model' = 'm-2'")
    assert [row["verdict"] for row in unknown] == ["UNKNOWN"]
    assert "the price of 1 of 1 calls is not known" in unknown[0]["detail"]
    await task(t, "30s", status="completed", model="m-2", output_tokens=50)
    await t.tick("40s")
    assert {one["rule"] for one in await t.alerts()} == {"by model", "tokens of m-2"}


async def test_an_objective_burns_when_both_windows_do(t: Timeline) -> None:
    await t.rule({"burn_rate": "error", "objective": 0.9, "long": "1h", "short": "5m", "factor": 3})
    for minute in range(20):
        await t.log("akira-001", "success", f"{minute}m")
    for second in range(3):
        await t.log("akira-001", "error", f"20m{second}s")
    await t.tick("20m10s")
    # 3 of 7 in the short window are more than four times what may fail; 3 of 23 in the long one are not.
    t.expect_silence()
    for second in range(10, 20):
        await t.log("akira-001", "error", f"20m{second}s")
    await t.tick("20m30s")
    assert "3.94 times over 1h, 7.65 times over 5m" in said(t.expect("email", Reason.FIRST))
    # The short window is empty: nobody knows whether it goes on, and what fires goes on firing.
    await t.tick("30m")
    assert (await t.rows("SELECT verdict FROM alert_states"))[0]["verdict"] == "UNKNOWN"
    t.expect_silence()
    await t.log("akira-001", "success", "31m")
    await t.tick("31m10s")
    t.expect("email", Reason.RESOLVED)


async def fail(t: Timeline, at: str, version: str | None, message: str, kind: str = "ValueError") -> None:
    """A task of a version that fails, and the job that puts it into its group."""
    error = {"error_type": kind, "error_message": message}
    await task(t, at, status="failed", **error, **({} if version is None else {"agent_version": version}))
    await news.run_once(t.db, t.clock.time)


async def test_an_error_that_no_earlier_version_had_is_told_and_ends_when_people_say_so(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    await fail(t, "0s", "1.0", "no such column")
    await t.rule({"error": "new", "since": "version", "window": "1h"})
    await t.tick("10s")
    # The first version that is known has it: new to that one.
    t.expect("email", Reason.FIRST)
    group = (await t.rows("SELECT fingerprint FROM error_groups"))[0]["fingerprint"]
    await t.all_rows("UPDATE error_groups SET status = 'ignored', status_at = now()")
    await t.tick("20s")
    t.expect("email", Reason.RESOLVED)
    await t.all_rows("UPDATE error_groups SET status = 'open' WHERE fingerprint = :group", group=group)
    # An old error in a new version is none of its news.
    await fail(t, "2h", "2.0", "no such column")
    await t.tick("2h10s")
    t.expect_silence()
    await fail(t, "2h20s", "2.0", "connection refused", "OSError")
    await t.tick("2h30s")
    assert "1 new error; OSError: connection refused (1 time, first seen in version 2.0)" in said(
        t.expect("email", Reason.FIRST)
    )


async def test_errors_without_a_version_are_neither_new_nor_old_but_may_be_young(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    await t.rule({"error": "new"}, name="since version")
    await t.rule({"error": "new", "since": "1d"}, name="since a day")
    await fail(t, "10s", None, "no such column")
    await t.tick("20s")
    assert [one["rule"] for one in await t.alerts()] == ["since a day"]
    states = await t.rows("SELECT verdict, detail FROM alert_states WHERE verdict = 'UNKNOWN'")
    assert ["its errors name no version" in row["detail"] for row in states] == [True]


async def test_a_resolved_error_that_comes_again_is_told(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    await t.rule({"error": "regressed"})
    await fail(t, "10s", "1.0", "no such column")
    await t.tick("20s")
    t.expect_silence()
    at = t.at("30s")
    await t.all_rows("UPDATE error_groups SET status = 'resolved', status_at = :at", at=at)
    await fail(t, "1m", "1.0", "no such column")
    await t.tick("1m10s")
    assert "1 regressed error; ValueError: no such column" in said(t.expect("email", Reason.FIRST))


async def test_a_version_that_fails_more_often_than_the_one_before_is_told(t: Timeline) -> None:
    await t.heartbeat("akira-001", "0s")
    await t.rule({"compare": "version", "rate": "error", "threshold": 0.1, "min_count": 10, "window": "1d"})
    for number in range(12):
        await task(t, f"{number + 1}s", status="completed", agent_version="1.0")
    for number in range(9):
        await task(t, f"{number + 20}s", status="failed", error_message="x", agent_version="2.0")
    await t.tick("40s")
    # Nine are too few to say anything.
    state = (await t.rows("SELECT verdict, detail FROM alert_states"))[0]
    assert state["verdict"] == "UNKNOWN"
    assert "2.0 has 9 finished tasks, 1.0 12; 10 each are needed" in state["detail"]
    await task(t, "50s", status="completed", agent_version="2.0")
    await t.tick("1m")
    t.expect_silence()
    # It looks again by the clock.
    await t.tick("5m50s")
    assert "version 2.0: 90 % failed of 10 tasks, version 1.0: 0 % failed of 12 tasks" in said(
        t.expect("email", Reason.FIRST)
    )


async def test_a_warning_is_a_status_of_its_own(t: Timeline) -> None:
    await t.rule({"status": "warning"})
    await t.log("akira-001", "error", "0s")
    await t.tick("10s")
    t.expect_silence()
    await t.log("akira-001", "warning", "20s")
    await t.tick("30s")
    assert "1 consecutive execution with status warning" in said(t.expect("email", Reason.FIRST))
    await t.log("akira-001", "success", "40s")
    await t.tick("50s")
    t.expect("email", Reason.RESOLVED)
