"""The corpus, shuffled, split, duplicated, half told and delayed: one and the same result in every table."""

import random
from collections.abc import Iterator

import pytest

from monitor.runs.steps import Step
from tests.assembly import corpus
from tests.assembly.chain import RUNS, Chain
from tests.factories import make_tenant

PARTS = 4
# Left out: `rank` and who waits; a way may end with a step told twice.
TABLES = (*RUNS, "agent_logs", "agents", "agent_log_ids", "spans")


def parts(steps: list[Step], rng: random.Random) -> Iterator[list[Step]]:
    """Every step at least once in one of the parts, some of them twice, some half told before or after."""
    rows = [[] for _ in range(PARTS)]  # type: list[list[Step]]
    for step in steps:
        rows[rng.randrange(PARTS)].append(step)
        if rng.random() < 0.2:
            rows[rng.randrange(PARTS)].append(step)
        if rng.random() < 0.2 and step.ended_us is not None:
            rows[rng.randrange(PARTS)].append(corpus.partial(step))
    for row in rows:
        rng.shuffle(row)
        yield row


async def result(chain: Chain, tenant_id: object) -> dict[str, list[str]]:
    found = await chain.stored(TABLES, tenant=tenant_id)  # type: ignore[arg-type]
    # Agents have ids, keys and times of their own; what counts is which there are.
    agents = await chain.rows("SELECT external_id FROM agents ORDER BY 1", tenant=tenant_id)  # type: ignore[arg-type]
    return found | {"agents": [row["external_id"] for row in agents]}


async def run(chain: Chain, ways: int, *, seed: int) -> list[int]:
    """The ways that come to another result than all steps in order at one time."""
    steps = corpus.corpus(chain.now_us)
    expected_tenant = await make_tenant(chain.db)
    await chain.keep(steps, principal=expected_tenant.principal)
    await chain.assemble()
    tenants = [await make_tenant(chain.db) for _ in range(ways)]
    told = [list(parts(steps, random.Random(f"{seed}/{number}"))) for number in range(ways)]
    for part in range(PARTS):
        for tenant, way in zip(tenants, told, strict=True):
            await chain.keep(way[part], principal=tenant.principal)
        await chain.assemble()
        # All in all less than a step waits for its parent.
        chain.clock.advance(12)
    chain.clock.advance(120)
    await chain.assemble()
    expected = await result(chain, expected_tenant.id)
    assert {table: len(rows) for table, rows in expected.items()} == {
        "workflow_executions": 8, "tasks": 56, "tool_executions": 28, "agent_interactions": 8, "model_calls": 64,
        "agent_logs": 40, "agents": 16, "agent_log_ids": 40, "spans": 172,
    }  # fmt: skip
    async with chain.db.owner() as owner:
        assert (await owner.exec_driver_sql("SELECT count(*) FROM touched_traces")).scalar() == 0
    return [number for number, tenant in enumerate(tenants) if await result(chain, tenant.id) != expected]


async def test_ten_ways_come_to_one_result(chain: Chain) -> None:
    assert await run(chain, 10, seed=1) == []


@pytest.mark.accept
async def test_two_hundred_ways_come_to_one_result(chain: Chain) -> None:
    assert await run(chain, 200, seed=2) == []
