"""What the tables themselves see to: checks, durations, `updated_at`, keys; and that old rows go."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.errors import Conflict, InvalidInput
from monitor.ids import uuid7
from monitor.retention import sweep
from monitor.retention.kinds import defaults
from monitor.retention.limits import Limits
from monitor.settings import Settings
from tests.factories import TenantMade, make_agent
from tests.runs.makers import START, at, execution, interaction, one, put, rows, task, tool

EXECUTION = "INSERT INTO workflow_executions (tenant_id, id, name{}) VALUES (:tenant, :id, 'n'{})"
TASK = "INSERT INTO tasks (tenant_id, id, agent_id, task_type{}) VALUES (:tenant, :id, :agent, 't'{})"
TOOL = (
    "INSERT INTO tool_executions (tenant_id, id, agent_id, tool_name, started_at, status{}) "
    "VALUES (:tenant, :id, :agent, 't', :start{})"
)
INTERACTION = (
    "INSERT INTO agent_interactions (tenant_id, id, from_agent_id, to_agent_id, at, interaction_type{}) "
    "VALUES (:tenant, :id, :agent, :agent, :start{})"
)
WORKFLOW = "INSERT INTO workflows (tenant_id, id, slug, name{}) VALUES (:tenant, :id, 's', 'n'{})"
NAME = "INSERT INTO run_names (tenant_id, external_id, id, kind{}) VALUES (:tenant, 'x', :id{})"


async def insert(db: Database, tenant: TenantMade, statement: str, **more: Any) -> None:
    """One row with these values besides those that it needs."""
    given = {
        "tenant": tenant.id,
        "id": uuid7(START),
        "agent": await make_agent(db, tenant.id, "its-own"),
        "start": START,
    }
    columns = "".join(f", {name}" for name in more if name)
    values = "".join(f", :{name or 'last'}" for name in more)
    filled = statement.format(columns, values)
    async with db.tenant(tenant.id) as connection:
        await connection.execute(text(filled), given | {name or "last": value for name, value in more.items()})


@pytest.mark.parametrize(
    ("statement", "values", "check"),
    [
        (EXECUTION, {"status": "done"}, "workflow_executions_status_check"),
        (EXECUTION, {"source": "rumour"}, "workflow_executions_source_check"),
        (EXECUTION, {"started_at": at(2), "completed_at": at(1)}, "workflow_executions_order_check"),
        (EXECUTION, {"steps_completed": 3, "steps_total": 2}, "workflow_executions_steps_check"),
        (EXECUTION, {"steps_completed": -1}, "workflow_executions_steps_check"),
        (EXECUTION, {"steps_total": -1}, "workflow_executions_steps_check"),
        (TASK, {"status": "done"}, "tasks_status_check"),
        (TASK, {"priority": "urgent"}, "tasks_priority_check"),
        (TASK, {"source": "rumour"}, "tasks_source_check"),
        (TASK, {"started_at": at(2), "completed_at": at(1)}, "tasks_order_check"),
        (TASK, {"retry_count": -1}, "tasks_sums_check"),
        (TASK, {"calls": -1}, "tasks_sums_check"),
        (TASK, {"input_tokens": -1}, "tasks_sums_check"),
        (TASK, {"output_tokens": -1}, "tasks_sums_check"),
        (TASK, {"tokens_used": -1}, "tasks_sums_check"),
        (TASK, {"cost_usd": -1}, "tasks_sums_check"),
        (TOOL, {"": "completed"}, "tool_executions_status_check"),
        (TOOL, {"": "success", "completed_at": at(-1)}, "tool_executions_order_check"),
        (TOOL, {"": "success", "source": "rumour"}, "tool_executions_source_check"),
        (INTERACTION, {"": "quarrel"}, "agent_interactions_interaction_type_check"),
        (INTERACTION, {"": "review", "source": "rumour"}, "agent_interactions_source_check"),
        (WORKFLOW, {"status": "running"}, "workflows_status_check"),
        (WORKFLOW, {"timeout_seconds": 0}, "workflows_timeout_seconds_check"),
        (WORKFLOW, {"version": 0}, "workflows_version_check"),
        (NAME, {"": "dream"}, "run_names_kind_check"),
    ],
)
async def test_what_cannot_be_is_not_stored(
    db: Database, tenant: TenantMade, statement: str, values: dict[str, Any], check: str
) -> None:
    with pytest.raises(InvalidInput, match=check):
        await insert(db, tenant, statement, **values)


async def test_the_least_that_is_needed_is_stored(db: Database, tenant: TenantMade) -> None:
    """So that what the checks refuse is refused for their reason."""
    agent_id = await make_agent(db, tenant.id, "other")
    for statement in (EXECUTION, TASK, WORKFLOW):
        given = {"tenant": tenant.id, "id": uuid7(START), "agent": agent_id}
        async with db.tenant(tenant.id) as connection:
            await connection.execute(text(statement.format("", "")), given)
    await insert(db, tenant, TOOL, **{"": "running"})
    stored = [*await rows(db, tenant.id, "tasks"), *await rows(db, tenant.id, "workflow_executions")]
    assert [row["status"] for row in stored] == ["pending", "pending"]
    (kept,) = await rows(db, tenant.id, "tool_executions")
    assert (kept["duration_ms"], kept["source"]) == (None, "api")


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_durations_follow_the_times(db: Database, tenant: TenantMade, status: str) -> None:
    """However it ends, and whatever is said: null while one of the two is."""
    agent_id = await make_agent(db, tenant.id)
    run, made, call = execution(), task(agent_id, took=None), tool(agent_id, completed_at=None)
    await put(db, tenant.id, executions=[run], tasks=[made], tools=[call])
    ended = "UPDATE {} SET status = :status, completed_at = :at, duration_ms = 5"
    for table in ("workflow_executions", "tasks", "tool_executions"):
        assert [row["duration_ms"] for row in await rows(db, tenant.id, table)] == [None]
        how = status if table != "tool_executions" else "error"
        async with db.tenant(tenant.id) as connection:
            await connection.execute(text(ended.format(table)), {"status": how, "at": at(1.2345)})
        # To the nearest millisecond.
        assert [row["duration_ms"] for row in await rows(db, tenant.id, table)] == [1235]
        async with db.tenant(tenant.id) as connection:
            await connection.execute(text(f"UPDATE {table} SET completed_at = NULL"))
        assert [row["duration_ms"] for row in await rows(db, tenant.id, table)] == [None]


async def test_updated_at_tells_of_the_last_change_and_of_nothing_else(db: Database, tenant: TenantMade) -> None:
    agent_id = await make_agent(db, tenant.id)
    await put(db, tenant.id, executions=[execution()], tasks=[task(agent_id)])
    await insert(db, tenant, WORKFLOW)
    for table in ("workflow_executions", "tasks", "workflows"):
        (before,) = await rows(db, tenant.id, table)
        async with db.tenant(tenant.id) as connection:
            await connection.execute(text(f"UPDATE {table} SET metadata = metadata"))
        assert await rows(db, tenant.id, table) == [before]
        async with db.tenant(tenant.id) as connection:
            await connection.execute(text(f"""UPDATE {table} SET metadata = '{{"a": 1}}'"""))
        (after,) = await rows(db, tenant.id, table)
        assert after["updated_at"] > before["updated_at"]
        assert after["created_at"] == before["created_at"]


async def test_runs_belong_to_agents_that_are_there(db: Database, tenant: TenantMade) -> None:
    nobody = uuid7(START)
    for wrong in (
        {"tasks": [task(nobody)]},
        {"tools": [tool(nobody)]},
        {"interactions": [interaction(nobody, nobody)]},
    ):
        with pytest.raises(Conflict, match="does not exist"):
            await put(db, tenant.id, **wrong)


async def test_what_an_agent_did_goes_when_it_is_erased(db: Database, tenant: TenantMade) -> None:
    """The executions that it took part in, and what others did, stay."""
    gone, kept = await make_agent(db, tenant.id, "gone"), await make_agent(db, tenant.id, "kept")
    run = execution()
    await put(
        db, tenant.id, executions=[run], tasks=[task(one_id, execution_id=run.id) for one_id in (gone, kept)],
        tools=[tool(gone), tool(kept)], interactions=[interaction(gone, kept), interaction(kept, kept)],
    )  # fmt: skip
    async with db.owner() as owner:
        await owner.execute(text("DELETE FROM agents WHERE id = :id"), {"id": gone})
    for table in ("tasks", "tool_executions"):
        assert [row["agent_id"] for row in await rows(db, tenant.id, table)] == [kept]
    assert [row["from_agent_id"] for row in await rows(db, tenant.id, "agent_interactions")] == [kept]
    # And a workflow's execution when its tenant goes, with everything else of it.
    async with db.owner() as owner:
        await owner.execute(text("DELETE FROM tenants WHERE id = :id"), {"id": tenant.id})
        for table in ("tasks", "tool_executions", "agent_interactions", "workflow_executions", "agent_totals"):
            assert (await one(owner, f"SELECT count(*) AS n FROM {table}"))["n"] == 0


async def test_an_execution_that_goes_leaves_its_interactions(db: Database, tenant: TenantMade) -> None:
    agent_id = await make_agent(db, tenant.id)
    run = execution()
    await put(db, tenant.id, executions=[run], interactions=[interaction(agent_id, agent_id, execution_id=run.id)])
    async with db.tenant(tenant.id) as connection:
        await connection.execute(text("DELETE FROM workflow_executions"))
    assert [row["execution_id"] for row in await rows(db, tenant.id, "agent_interactions")] == [None]


async def test_what_has_had_its_time_is_swept(db: Database, tenant: TenantMade) -> None:
    agent_id = await make_agent(db, tenant.id)
    run = execution()
    await put(db, tenant.id, executions=[run], interactions=[interaction(agent_id, agent_id)])
    await insert(db, tenant, NAME, **{"": "task"})
    tables = ("workflow_executions", "agent_interactions", "run_names")
    kept = await sweep.run_once(db, START + timedelta(days=29), Limits(defaults(Settings()), ()))
    assert [kept[table] for table in tables] == [0, 0, 0]
    done = await sweep.run_once(db, START + timedelta(days=31), Limits(defaults(Settings()), ()))
    assert [done[table] for table in tables] == [1, 1, 1]
