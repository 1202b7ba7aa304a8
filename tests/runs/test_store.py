"""Writing runs: a batch in a few statements, the same again, what is no longer so, sums of executions."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from monitor.db import Database
from monitor.runs.model import InteractionType, RunStatus, Source, ToolStatus
from tests.factories import make_agent, make_tenant
from tests.runs.makers import START, at, execution, interaction, one, put, rows, task, tool, total, trace


async def test_everything_of_a_task_is_stored(db: Database) -> None:
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id)
    run, parent = execution(), task(agent_id)
    given = task(
        agent_id, seconds=1.5, took=2.25, execution_id=run.id, parent_task_id=parent.id, conversation="c-1", user="ada",
        description="Reads a diff", priority="high", input={"n": [1, None]}, output="done", retry_count=2,
        model="claude-opus-4-1", agent_version="1.2", environment="prod", trace_id=trace(), span_id="00000000000000aa",
        metadata={"k": "v"},
    )  # fmt: skip
    await put(db, tenant.id, executions=[run], tasks=[given, parent], totals={given.id: total(90, "0.0123456789")})
    stored = {row["id"]: row for row in await rows(db, tenant.id, "tasks")}[given.id]
    assert stored.pop("created_at") <= stored.pop("updated_at")
    assert stored == {
        "tenant_id": tenant.id, "id": given.id, "agent_id": agent_id, "execution_id": run.id,
        "parent_task_id": parent.id, "conversation": "c-1", "user_ref": "ada", "task_type": "code_review",
        "description": "Reads a diff", "status": "completed", "priority": "high", "input": {"n": [1, None]},
        "output": "done", "error_type": None, "error_message": None, "traceback": None, "error_fingerprint": None,
        "retry_count": 2, "model": "claude-opus-4-1", "agent_version": "1.2", "environment": "prod", "calls": 1,
        "input_tokens": 60, "output_tokens": 30, "tokens_used": 90, "cost_usd": Decimal("0.0123456789"),
        "started_at": at(1.5), "completed_at": at(3.75), "duration_ms": 2250, "source": "trace",
        "trace_id": given.trace_id, "span_id": "00000000000000aa", "metadata": {"k": "v"},
    }  # fmt: skip


async def test_everything_of_executions_tools_and_interactions_is_stored(db: Database) -> None:
    tenant = await make_tenant(db)
    agent_id, other_id = await make_agent(db, tenant.id, "a"), await make_agent(db, tenant.id, "b")
    run = execution(
        status=RunStatus.FAILED, workflow_type="review", initiator="ci", conversation="c", current_step="merge",
        description="what it is about",
        steps_completed=2, steps_total=3, input={"a": 1}, output=[2], error_message="no", completed_at=at(4),
        user_id=tenant.user_id, span_id="s", metadata={"m": 1},
    )  # fmt: skip
    call = tool(
        agent_id, execution_id=run.id, tool_type="function", call_id="t1", mcp_server="files", mcp_instance="files-1",
        parameters={"path": "x"}, result={"ok": False}, status=ToolStatus.ERROR, error_message="gone",
        error_code="-32000", message_id="m",
    )  # fmt: skip
    handed = interaction(agent_id, other_id, execution_id=run.id, message="yours", payload={"why": "tests"})
    await put(db, tenant.id, executions=[run], tools=[call], interactions=[handed])
    (stored,) = await rows(db, tenant.id, "workflow_executions")
    assert stored == stored | _held(run, duration_ms=4000, source="trace", total_tasks=0, total_cost_usd=Decimal(0))
    (stored,) = await rows(db, tenant.id, "tool_executions")
    assert stored == stored | _held(call, duration_ms=500, source="trace")
    (stored,) = await rows(db, tenant.id, "agent_interactions")
    assert stored == stored | _held(handed, source="trace", interaction_type=InteractionType.HANDOFF)


def _held(given: Any, **more: Any) -> dict[str, Any]:
    return {name: getattr(given, name) for name in given.__slots__} | more


async def test_the_same_again_changes_nothing_and_what_differs_is_changed(db: Database) -> None:
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id)
    same, other = task(agent_id), task(agent_id, seconds=1, took=None)
    await put(db, tenant.id, tasks=[same, other], totals={})
    before = await rows(db, tenant.id, "tasks")
    ended = replace(other, status=RunStatus.COMPLETED, completed_at=at(3))
    # A row that comes twice in one batch counts once: the last one.
    await put(db, tenant.id, tasks=[same, other, ended], totals={})
    after = await rows(db, tenant.id, "tasks")
    assert after[0] == before[0]
    assert after[1]["updated_at"] > before[1]["updated_at"]
    assert (after[1]["status"], after[1]["duration_ms"]) == ("completed", 2000)
    # And it may be running after all: then it took no time yet.
    await put(db, tenant.id, tasks=[other], totals={})
    assert (await rows(db, tenant.id, "tasks"))[1]["duration_ms"] is None


async def test_what_a_trace_no_longer_comes_to_goes_away_and_nothing_else(db: Database) -> None:
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id)
    mine, others = trace(), trace()
    runs = [execution(trace_id=name) for name in (mine, others)]
    tasks = [task(agent_id, seconds=n, trace_id=mine, execution_id=runs[0].id) for n in range(3)]
    tools = [tool(agent_id, trace_id=mine), tool(agent_id, seconds=2, trace_id=mine)]
    handed = interaction(agent_id, agent_id, trace_id=mine, execution_id=runs[0].id)
    elsewhere = task(agent_id, trace_id=others)
    await put(
        db, tenant.id, executions=runs, tasks=[*tasks, elsewhere], tools=tools, interactions=[handed],
        trace_ids=[mine, others],
    )  # fmt: skip
    posted = task(agent_id, trace_id=mine)
    await put(db, tenant.id, tasks=[posted], source=Source.API)

    await put(db, tenant.id, executions=runs[:1], tasks=tasks[1:], tools=tools[:1], trace_ids=[mine])
    assert {row["id"] for row in await rows(db, tenant.id, "tasks")} == {
        tasks[1].id, tasks[2].id, elsewhere.id, posted.id
    }  # fmt: skip
    assert [row["id"] for row in await rows(db, tenant.id, "tool_executions")] == [tools[0].id]
    assert await rows(db, tenant.id, "agent_interactions") == []
    assert [row["total_tasks"] for row in await rows(db, tenant.id, "workflow_executions")] == [2, 0]

    # The execution itself: its tasks are told of without it.
    loose = [replace(one, execution_id=None) for one in tasks[1:]]
    await put(db, tenant.id, tasks=loose, trace_ids=[mine], within=(START, at(10)))
    assert [row["id"] for row in await rows(db, tenant.id, "workflow_executions")] == [runs[1].id]
    assert await rows(db, tenant.id, "tool_executions") == []
    # Outside of the time that is looked at nothing is looked for.
    await put(db, tenant.id, trace_ids=[mine], within=(at(-99), at(-50)))
    assert len(await rows(db, tenant.id, "tasks")) == 4


async def test_another_tenants_trace_of_the_same_id_stays(db: Database) -> None:
    """The alerter's role sees all tenants: every statement names the one."""
    one_tenant, two = await make_tenant(db), await make_tenant(db)
    shared, run = trace(), execution()
    for tenant in (one_tenant, two):
        agent_id = await make_agent(db, tenant.id)
        await put(
            db, tenant.id, executions=[replace(run, trace_id=shared)],
            tasks=[task(agent_id, trace_id=shared, execution_id=run.id)],
        )  # fmt: skip
    before = await rows(db, two.id, "tasks"), await rows(db, two.id, "workflow_executions")
    await put(db, one_tenant.id, trace_ids=[shared])
    assert await rows(db, one_tenant.id, "tasks") == []
    assert (await rows(db, two.id, "tasks"), await rows(db, two.id, "workflow_executions")) == before
    assert before[1][0]["total_tasks"] == 1


async def test_an_execution_counts_its_tasks_and_takes_its_totals(db: Database) -> None:
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id)
    run = execution()
    tasks = [
        task(agent_id, execution_id=run.id),
        task(agent_id, execution_id=run.id, status=RunStatus.FAILED),
        task(agent_id, execution_id=run.id, took=None),
        task(agent_id),
    ]
    sums = {one.id: total(100, "0.0000000001") for one in tasks} | {run.id: total(300, "0.0000000003")}
    await put(db, tenant.id, executions=[run], tasks=tasks, totals=sums)

    async def summed() -> tuple[Any, ...]:
        (row,) = await rows(db, tenant.id, "workflow_executions")
        names = ("total_tasks", "completed_tasks", "failed_tasks", "total_tokens", "total_cost_usd")
        return tuple(row[name] for name in names)

    assert await summed() == (3, 1, 1, 300, Decimal("0.0000000003"))
    # Without totals, tokens and cost stay.
    await put(db, tenant.id, tasks=[replace(tasks[2], status=RunStatus.FAILED)])
    assert await summed() == (3, 1, 2, 300, Decimal("0.0000000003"))
    await put(db, tenant.id, executions=[run])
    assert await summed() == (3, 1, 2, 300, Decimal("0.0000000003"))
    # With totals, whoever is not named has none.
    await put(db, tenant.id, executions=[run], totals={})
    assert await summed() == (3, 1, 2, 0, Decimal(0))


async def test_tasks_of_one_execution_written_at_once_are_all_counted(db: Database) -> None:
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id)
    run = execution()
    await put(db, tenant.id, executions=[run])

    async def write(number: int) -> None:
        made = task(agent_id, seconds=number, execution_id=run.id)
        await put(db, tenant.id, tasks=[made], source=Source.API)

    await asyncio.gather(*(write(number) for number in range(16)))
    (row,) = await rows(db, tenant.id, "workflow_executions")
    assert (row["total_tasks"], row["completed_tasks"]) == (16, 16)


@pytest.mark.parametrize("source", Source)
async def test_texts_that_postgresql_cannot_hold_are_mended(db: Database, source: Source) -> None:
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id)
    given = task(
        agent_id, description="a\0b", input={"x\0": ["y\0", {"z": r"kept \u0000"}]}, metadata={"n": "\0"}
    )  # fmt: skip
    await put(db, tenant.id, tasks=[given], source=source)
    (row,) = await rows(db, tenant.id, "tasks")
    assert row["description"] == "a\ufffdb"
    assert row["input"] == {"x\ufffd": ["y\ufffd", {"z": r"kept \u0000"}]}
    assert row["metadata"] == {"n": "\ufffd"}
    assert row["source"] == source


async def test_nothing_ends_before_it_began(db: Database) -> None:
    """A clock that was set back: the whole batch must not fail for it."""
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id)
    await put(db, tenant.id, tasks=[task(agent_id, took=-5)], tools=[tool(agent_id, completed_at=at(-1))])
    assert [row["duration_ms"] for row in await rows(db, tenant.id, "tasks")] == [0]
    assert [row["duration_ms"] for row in await rows(db, tenant.id, "tool_executions")] == [0]


async def test_errors_get_their_fingerprint(db: Database) -> None:
    """The same fault has the same one; what did not fail has none."""
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id)
    failed: dict[str, Any] = {"status": RunStatus.FAILED, "error_type": "KeyError"}
    await put(
        db, tenant.id,
        tasks=[
            task(agent_id, seconds=0, error_message="no order 17", **failed),
            task(agent_id, seconds=1, error_message="no order 18", **failed),
            task(agent_id, seconds=2, error_message="the disk is full", **failed),
            task(agent_id, seconds=3, status=RunStatus.FAILED),
            task(agent_id, seconds=4, error_message="was tried again"),
        ],
    )  # fmt: skip
    first, same, other, silent, well = [row["error_fingerprint"] for row in await rows(db, tenant.id, "tasks")]
    assert first is not None
    assert first == same != other
    assert (silent, well) == (None, None)


async def test_nothing_is_nothing(db: Database) -> None:
    tenant = await make_tenant(db)
    await put(db, tenant.id)
    async with db.owner() as owner:
        assert (await one(owner, "SELECT count(*) AS n FROM tasks"))["n"] == 0
