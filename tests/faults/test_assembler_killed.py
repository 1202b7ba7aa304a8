"""Alerters killed while spans pour in: afterwards every run is there once, with right sums."""

import asyncio
from random import Random

import httpx
import pytest
from sqlalchemy import text

from monitor.usage.prices import load_shipped
from tests.bench.spans import CALLS, SPANS, TRACE, bodies, is_done
from tests.factories import TenantMade
from tests.stage import Program, Stage, until

KILLS = 10
REQUESTS = 60

_TOUCHED = text("SELECT count(*) FROM touched_traces")
_LOGS = text("""
    SELECT count(*) AS logs, count(DISTINCT l.external_id) AS ids,
           count(*) FILTER (WHERE EXISTS (SELECT FROM tasks t WHERE t.id::text = l.external_id)) AS tasks
    FROM agent_logs l WHERE kind = 'execution'
""")
_TOTALS = text("""
    SELECT (SELECT count(*) FROM model_calls) AS calls,
           (SELECT sum(tasks) FROM agent_counts) AS new, (SELECT coalesce(sum(tasks), 0) FROM agent_totals) AS folded
""")


@pytest.mark.accept
async def test_nothing_is_lost_and_nothing_twice_when_alerters_are_killed(stage: Stage, tenant: TenantMade) -> None:
    rng = Random(5)
    await load_shipped(stage.db)
    collector = await stage.collector().start()
    alerters: list[Program] = [await stage.alerter().start() for _ in range(2)]
    headers = {**tenant.headers, "Content-Type": "application/x-protobuf"}

    async def pour() -> None:
        async with httpx.AsyncClient(base_url=collector.url, timeout=60) as client:
            for body in bodies(REQUESTS):
                answer = await client.post("/v1/traces", content=body, headers=headers)
                assert answer.status_code == 200, answer.text
                await asyncio.sleep(0.2)

    pouring = asyncio.create_task(pour())
    for kill in range(KILLS):
        await asyncio.sleep(0.5 + rng.random() * 1.5)
        victim = alerters[kill % 2]
        victim.kill()
        await victim.start()
    await pouring

    async def done() -> bool:
        return await is_done(stage, tenant.id, REQUESTS * SPANS)

    await until(done, seconds=300, every=0.5)

    async def idle() -> bool:
        async with stage.db.alerter() as connection:
            return (await connection.execute(_TOUCHED)).scalar() == 0

    await until(idle, seconds=90, every=0.5)
    traces = REQUESTS * SPANS // TRACE
    async with stage.db.tenant(tenant.id) as connection:
        logs = (await connection.execute(_LOGS)).one()
        totals = (await connection.execute(_TOTALS)).one()
    assert tuple(logs) == (traces, traces, traces)
    assert (totals.calls, (totals.new or 0) + totals.folded) == (traces * CALLS, traces)
