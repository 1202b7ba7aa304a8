"""Counters of agents: equal to what their tasks come to, at any time, however many write and fold."""

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from monitor import partitions, upkeep
from monitor.agents.counters import NONE, Counters, fold, read_counters
from monitor.db import Database
from monitor.runs.model import RunStatus, Source, Task
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import make_agent, make_tenant
from tests.http.collector import make_deps
from tests.runs.makers import put, rows, task, total, trace

WRITERS = 16

# One statement, so one snapshot: what the counters say, and what the rows come to.
_BOTH = text("""
    SELECT coalesce(sum(tasks), 0), coalesce(sum(completed), 0), coalesce(sum(failed), 0), coalesce(sum(timed), 0),
           coalesce(sum(duration_ms), 0), coalesce(sum(tokens), 0), coalesce(sum(cost_usd), 0)
    FROM (SELECT tasks, completed, failed, timed, duration_ms, tokens, cost_usd FROM agent_totals
          WHERE agent_id = :agent
          UNION ALL
          SELECT tasks, completed, failed, timed, duration_ms, tokens, cost_usd FROM agent_counts
          WHERE agent_id = :agent) both_of_them
    UNION ALL
    SELECT count(*), count(*) FILTER (WHERE status = 'completed'), count(*) FILTER (WHERE status = 'failed'),
           count(duration_ms) FILTER (WHERE status = 'completed'),
           coalesce(sum(duration_ms) FILTER (WHERE status = 'completed'), 0),
           coalesce(sum(tokens_used), 0), coalesce(sum(cost_usd), 0)
    FROM tasks WHERE agent_id = :agent
""")


async def counted(db: Database, tenant_id: UUID, agent_id: UUID) -> Counters:
    async with db.tenant(tenant_id) as connection:
        return (await read_counters(connection, tenant_id, [agent_id])).get(agent_id, NONE)


async def said_and_so(db: Database, tenant_id: UUID, agent_id: UUID) -> tuple[Any, Any]:
    """What the counters say, and what is so."""
    async with db.tenant(tenant_id) as connection:
        said, so = (await connection.execute(_BOTH, {"agent": agent_id})).all()
    return tuple(said), tuple(so)


async def test_insert_update_and_delete_are_counted(db: Database) -> None:
    tenant = await make_tenant(db)
    agent_id, other_id = await make_agent(db, tenant.id, "a"), await make_agent(db, tenant.id, "b")
    assert await counted(db, tenant.id, agent_id) == NONE
    mine = trace()
    done = task(agent_id, took=2, trace_id=mine)
    running = task(agent_id, seconds=1, took=None, trace_id=mine)
    sums = {done.id: total(90, "0.25"), running.id: total(10, "0.5")}
    await put(db, tenant.id, tasks=[done, running], totals=sums, trace_ids=[mine])
    assert await counted(db, tenant.id, agent_id) == Counters(2, 1, 0, 100, Decimal("0.75"), 2000.0, 1.0)
    failed = replace(running, status=RunStatus.FAILED, completed_at=done.completed_at)
    await put(db, tenant.id, tasks=[done, failed], totals=sums, trace_ids=[mine])
    assert await counted(db, tenant.id, agent_id) == Counters(2, 1, 1, 100, Decimal("0.75"), 2000.0, 0.5)
    # It was another agent's after all.
    moved = replace(done, agent_id=other_id)
    await put(db, tenant.id, tasks=[moved, failed], totals=sums, trace_ids=[mine])
    assert await counted(db, tenant.id, agent_id) == Counters(1, 0, 1, 10, Decimal("0.5"), None, 0.0)
    assert await counted(db, tenant.id, other_id) == Counters(1, 1, 0, 90, Decimal("0.25"), 2000.0, 1.0)
    await put(db, tenant.id, trace_ids=[mine])
    assert await counted(db, tenant.id, agent_id) == NONE
    assert await counted(db, tenant.id, other_id) == NONE


async def test_a_statement_adds_one_row_an_agent_and_none_where_nothing_counts(db: Database) -> None:
    tenant = await make_tenant(db)
    agents = [await make_agent(db, tenant.id, name) for name in "ab"]
    tasks = [task(agents[n % 2], seconds=n) for n in range(50)]
    await put(db, tenant.id, tasks=tasks)
    assert [row["tasks"] for row in await rows(db, tenant.id, "agent_counts")] == [25, 25]
    await put(db, tenant.id, tasks=[replace(one, description="said later") for one in tasks])
    assert len(await rows(db, tenant.id, "agent_counts")) == 2
    # Read and counted in a folding: the same.
    before = await counted(db, tenant.id, agents[0])
    assert await fold(db) == 2
    assert await fold(db) == 0
    assert await rows(db, tenant.id, "agent_counts") == []
    assert await counted(db, tenant.id, agents[0]) == before != NONE


async def test_a_folding_that_is_cut_short_loses_nothing(db: Database) -> None:
    """In batches, and several at once."""
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id)
    for number in range(12):
        await put(db, tenant.id, tasks=[task(agent_id, seconds=number)])
    folded = await asyncio.gather(*(fold(db, at_most=2) for _ in range(3)))
    assert sum(folded) + await fold(db) == 12
    assert (await counted(db, tenant.id, agent_id)).total_tasks == 12


@pytest.mark.parametrize("seed", range(3))
async def test_sixteen_writers_and_a_folder_leave_nothing_wrong(db: Database, seed: int) -> None:
    """Rows of the same agents and the same execution, made, changed and taken away; right while it goes on."""
    tenant = await make_tenant(db)
    agents = [await make_agent(db, tenant.id, f"agent-{number}") for number in range(3)]
    writing = asyncio.Event()

    async def write(number: int) -> None:
        dice, name = random.Random(seed * 100 + number), trace()
        kept: list[Task] = []
        for step in range(5):
            kept = [_changed(one, dice, agents) for one in kept if dice.random() < 0.8]
            fresh = range(dice.randint(0, 4))
            kept += [task(dice.choice(agents), seconds=dice.random() * 1000, trace_id=name) for _ in fresh]
            sums = {one.id: total(dice.randint(0, 99), f"{dice.random():.10f}") for one in kept}
            source = Source.TRACE if step % 2 or number % 4 else Source.API
            await put(db, tenant.id, tasks=kept, totals=sums, trace_ids=[name], source=source)

    async def look() -> int:
        looks = 0
        while not writing.is_set():
            await fold(db, at_most=3)
            said, so = await said_and_so(db, tenant.id, agents[looks % 3])
            assert said == so
            looks += 1
        return looks

    looking = asyncio.create_task(look())
    await asyncio.gather(*(write(number) for number in range(WRITERS)))
    writing.set()
    assert await looking > 0
    for agent_id in agents:
        said, so = await said_and_so(db, tenant.id, agent_id)
        assert said == so


def _changed(one: Task, dice: random.Random, agents: list[UUID]) -> Task:
    status = dice.choice(list(RunStatus))
    ended = status in (RunStatus.COMPLETED, RunStatus.FAILED)
    completed: Any = one.started_at and one.started_at + timedelta(seconds=dice.random() * 9) if ended else None
    return replace(one, status=status, completed_at=completed, agent_id=dice.choice(agents))


async def test_counters_outlive_partitions_and_go_with_their_agent(db: Database) -> None:
    tenant = await make_tenant(db)
    agent_id, other_id = await make_agent(db, tenant.id, "a"), await make_agent(db, tenant.id, "b")
    await put(db, tenant.id, tasks=[task(agent_id), task(other_id)])
    now = datetime.now(UTC)
    await partitions.apply(db, now + timedelta(days=10), retention={"tasks": timedelta(days=5)})
    assert await rows(db, tenant.id, "tasks") == []
    assert (await counted(db, tenant.id, agent_id)).total_tasks == 1
    # Erased, with tasks that are still there: the cascade takes them, and what it counts leads nowhere.
    await partitions.apply(db, now, retention={})
    await put(db, tenant.id, tasks=[task(agent_id)])
    async with db.owner() as owner:
        await owner.execute(text("DELETE FROM agents WHERE id = :id"), {"id": agent_id})
    await fold(db)
    assert await rows(db, tenant.id, "tasks") == []
    assert await rows(db, tenant.id, "agent_counts") == []
    assert await counted(db, tenant.id, agent_id) == NONE
    assert (await counted(db, tenant.id, other_id)).total_tasks == 1


async def test_every_alerter_folds(db: Database, clock: SettableClock) -> None:
    deps = make_deps(db, clock, Settings())
    jobs = {job.name: job for job in upkeep.jobs_of(deps, AsyncExitStack())}
    tenant = await make_tenant(db)
    await put(db, tenant.id, tasks=[task(await make_agent(db, tenant.id))])
    await jobs["counters"].run(clock())
    assert await rows(db, tenant.id, "agent_counts") == []
    await deps.series.close()
