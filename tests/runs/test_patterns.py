"""The questions that people ask of runs: statistics of a day, recent tasks, an execution with its tasks."""

from decimal import Decimal
from typing import Any

import httpx
from sqlalchemy import event, text

from monitor.db import Database
from monitor.ids import uuid7_floor
from monitor.runs import reading
from monitor.runs.model import RunStatus
from monitor.runs.names import RunKind
from monitor.runs.reading import Bounds
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_agent
from tests.runs.makers import at, execution, put, task, total

DAY = 86_400


async def test_statistics_of_an_agent_over_24_hours(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade, clock: SettableClock
) -> None:
    """As the seeds ask: how many, how fast, tokens and cost of what is completed; and what failed beside it."""
    agent_id, other_id = await make_agent(db, tenant.id), await make_agent(db, tenant.id, "other")
    tasks = [
        task(agent_id, seconds=0, took=1),
        task(agent_id, seconds=60, took=3),
        task(agent_id, seconds=120, status=RunStatus.FAILED, took=9),
        task(agent_id, seconds=180, took=None),
        task(agent_id, seconds=-DAY, took=100),
        task(other_id, took=50),
    ]
    await put(db, tenant.id, tasks=tasks, totals={made.id: total(30, "0.1") for made in tasks})
    answer = await api.get("/api/v1/agents/akira-001/stats", params={"window": "24h"})
    assert answer.json()["tasks"] == {
        "tasks": 4, "completed": 2, "failed": 1, "calls": 4, "input_tokens": 80, "output_tokens": 40,
        "tokens_used": 120, "cost_usd": "0.4", "average_latency_ms": 2000.0, "success_rate": 2 / 3,
    }  # fmt: skip
    async with db.tenant(tenant.id) as connection:
        seeds = await connection.execute(
            text("""
                SELECT count(*), avg(duration_ms), sum(tokens_used), sum(cost_usd) FROM tasks
                WHERE agent_id = :agent AND status = 'completed' AND id > :since GROUP BY agent_id
            """),
            {"agent": agent_id, "since": uuid7_floor(at(-3600))},
        )
        assert tuple(seeds.one()) == (2, 2000, 60, Decimal("0.2"))
    # All that the agent ever did is on the agent itself.
    agent = (await api.get("/api/v1/agents/akira-001")).json()
    assert (agent["total_tasks"], agent["total_tasks_completed"], agent["total_tokens_used"]) == (5, 3, 150)
    assert (agent["average_latency_ms"], agent["success_rate"]) == (104_000 / 3, 0.75)
    nothing = (await api.get("/api/v1/agents/other/stats", params={"window": "1s"})).json()
    assert (nothing["tasks"]["tasks"], nothing["tasks"]["success_rate"], nothing["executions"]) == (0, None, 0)
    assert clock() > at(0)


async def test_counters_stand_beside_every_agent_of_a_list(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    busy = await make_agent(db, tenant.id, "busy")
    await make_agent(db, tenant.id, "idle")
    await put(db, tenant.id, tasks=[task(busy), task(busy, seconds=1, status=RunStatus.FAILED)])
    listed = {one["external_id"]: one for one in (await api.get("/api/v1/agents")).json()["items"]}
    assert (listed["busy"]["total_tasks_completed"], listed["busy"]["success_rate"]) == (1, 0.5)
    assert (listed["idle"]["total_tasks_completed"], listed["idle"]["success_rate"]) == (0, None)
    one = (await api.get("/api/v1/agents/busy")).json()
    # A list leaves out what is long: nothing else.
    assert one.keys() - listed["busy"].keys() == {"system_prompt", "backstory"}
    assert listed["busy"] == {name: one[name] for name in listed["busy"]}


async def test_recent_tasks_of_an_agent(db: Database, tenant: TenantMade) -> None:
    agent_id, other_id = await make_agent(db, tenant.id), await make_agent(db, tenant.id, "other")
    await put(db, tenant.id, tasks=[task(agent_id, seconds=n) for n in range(25)] + [task(other_id, seconds=99)])
    async with db.tenant(tenant.id) as connection:
        found = await reading.list_runs(connection, tenant.id, RunKind.TASK, Bounds(limit=20), {"agent_id": agent_id})
        assert [row["started_at"] for row in found] == [at(n) for n in range(24, 3, -1)]
        # By the index that is led by the agent: no sort, and no look at others' tasks.
        plan = await connection.execute(
            text("EXPLAIN SELECT * FROM tasks WHERE tenant_id = :t AND agent_id = :a ORDER BY id DESC LIMIT 20"),
            {"t": tenant.id, "a": agent_id},
        )
        said = "\n".join(plan.scalars())
    assert "_tenant_id_agent_id_id_idx" in said
    assert "Sort" not in said


async def test_an_execution_with_its_tasks_in_one_query(db: Database, tenant: TenantMade) -> None:
    agent_id = await make_agent(db, tenant.id)
    run, other = execution(), execution()
    tasks = [task(agent_id, seconds=n, execution_id=run.id) for n in range(5)]
    sums = {made.id: total(9, "0.0123456789") for made in tasks}
    await put(db, tenant.id, executions=[run, other], tasks=[*tasks, task(agent_id)], totals=sums)
    asked: list[str] = []
    async with db.tenant(tenant.id) as connection:
        sync = connection.sync_connection
        assert sync is not None

        def note(*given: Any) -> None:
            asked.append(given[2])

        event.listen(sync, "before_cursor_execute", note)
        found = await reading.get_execution(connection, tenant.id, str(run.id))
        alone = await reading.get_execution(connection, tenant.id, str(other.id))
        event.remove(sync, "before_cursor_execute", note)
    assert [one["id"] for one in found["tasks"]] == [str(made.id) for made in tasks]
    assert [one["agent"] for one in found["tasks"]] == ["akira-001"] * 5
    assert (found["id"], found["total_tasks"], alone["tasks"]) == (run.id, 5, [])
    assert len([one for one in asked if "FROM tasks t" in one]) == 2  # one for each of the two


async def test_money_is_exact_in_every_answer(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    agent_id = await make_agent(db, tenant.id)
    run = execution()
    made = task(agent_id, execution_id=run.id)
    sums = {made.id: total(9, "1234567.0123456789"), run.id: total(9, "1234567.0123456789")}
    await put(db, tenant.id, executions=[run], tasks=[made], totals=sums)
    page = (await api.get(f"/api/v1/workflow-executions/{run.id}")).json()
    one = (await api.get(f"/api/v1/tasks/{made.id}")).json()
    assert {page["total_cost_usd"], page["tasks"][0]["cost_usd"], one["cost_usd"]} == {"1234567.0123456789"}
    assert page["tasks"] == [one]
