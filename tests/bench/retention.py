"""Ten million old logs of one tenant go, row by row, while others' in the same partitions stay and logs arrive.

It is watched for ten minutes at most: how many rows went in that time is a figure too.
"""

import asyncio
import sys
import time
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from monitor import clock as wall
from monitor.ids import uuid7
from tests.bench.client import Load, paced
from tests.bench.figure import Figure
from tests.bench.logs import CONNECTIONS, posts
from tests.factories import TenantMade, make_agent, make_tenant
from tests.stage import MAIN, ROOT, Program, Stage

ROWS, QUICK = 10_000_000, 200_000
PORTION = 500_000
KEEP = 7
"""Days that the tenant wants; the partitions stay for 30."""
OLD, SPREAD = timedelta(days=29), timedelta(days=20)
PACE = 500
STRETCH = 5.0
"""Seconds of load at a time."""
WATCHED = 600.0
"""Seconds."""

# The first 48 bits are milliseconds (RFC 9562); the rest need only be unique.
_FILL = text("""
    INSERT INTO agent_logs (tenant_id, agent_id, id, kind, status, message, details)
    SELECT :tenant, :agent, (lpad(to_hex(:first + n * :step_us / 1000), 12, '0') || '7' || substr(hash, 1, 3) || '8'
           || substr(hash, 4, 15))::uuid, 'execution', 'success', 'reviewed pull request ' || n,
           jsonb_build_object('files', n % 100, 'trace_id', hash)
    FROM generate_series(CAST(:since AS bigint), CAST(:until AS bigint)) n, md5(n::text) hash
""")
_POLICY = text("""
    INSERT INTO retention_policies (tenant_id, id, kind, keep_days, created_by)
    VALUES (:tenant, :id, 'logs', :days, 'bench')
""")
_LEFT = text("SELECT count(*) FROM agent_logs WHERE tenant_id = :tenant AND kind = 'execution'")


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Quiet, while rows go, and quiet again."""
    rows, now = QUICK if quick else ROWS, wall.now()
    tenant, other, busy = [await make_tenant(stage.db) for _ in range(3)]
    await _fill(stage, tenant.id, rows, now)
    await _fill(stage, other.id, rows // 10, now)
    async with stage.db.owner() as owner:
        await owner.execute(_POLICY, {"tenant": tenant.id, "id": uuid7(now), "days": KEEP})
    await stage.vacuum()
    collector = await stage.collector().start()
    await _load(collector, busy, 1)
    quiet = await _load(collector, busy, 2 if quick else 6)
    started = time.perf_counter()
    going = await _retention(stage)
    meanwhile = Load()
    while going.returncode is None and time.perf_counter() - started < WATCHED:
        _add(meanwhile, await _load(collector, busy, 1))
    if going.returncode is None:
        going.terminate()
        await going.wait()
    seconds = time.perf_counter() - started
    _add(quiet, await _load(collector, busy, 2 if quick else 6))
    left = await _left(stage, tenant.id)
    assert left == 0 or going.returncode != 0
    assert await _left(stage, other.id) == rows // 10
    calm, beside = (load.percentile(99) * 1000 for load in (quiet, meanwhile))
    return [
        Figure(f"of {rows:,} old rows were removed", rows - left, least=1),
        Figure("a second", (rows - left) / seconds),
        Figure(f"p99 of ingest at {PACE}/s, quiet", calm, "ms"),
        Figure("while they go", beside, "ms"),
        Figure("ratio", beside / calm, most=2),
    ]


async def _fill(stage: Stage, tenant_id: UUID, rows: int, now: datetime) -> None:
    """So many logs of one agent, evenly over the days that are past the policy and within everybody's."""
    agent = await make_agent(stage.db, tenant_id, "old-agent")
    given = {
        "tenant": tenant_id,
        "agent": agent,
        "first": int((now - OLD).timestamp() * 1000),
        "step_us": int(SPREAD.total_seconds() * 1e6 / rows),
    }
    for since in range(0, rows, PORTION):
        until = min(since + PORTION, rows) - 1
        async with stage.db.owner() as owner:
            await owner.execute(_FILL, given | {"since": since, "until": until})


async def _load(collector: Program, tenant: TenantMade, stretches: int) -> Load:
    load = await paced(
        collector.url, posts(collector, tenant), rate=PACE, seconds=STRETCH * stretches, connections=CONNECTIONS
    )
    load.expect(202)
    return load


def _add(load: Load, more: Load) -> None:
    load.latencies += more.latencies
    load.statuses += more.statuses
    load.seconds += more.seconds


async def _retention(stage: Stage) -> asyncio.subprocess.Process:
    """`agent-monitor retention`, as an operator would call it."""
    words = [sys.executable, "-c", MAIN, "retention"]
    return await asyncio.create_subprocess_exec(
        *words, env=stage.environment(), cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
    )


async def _left(stage: Stage, tenant_id: UUID) -> int:
    async with stage.db.tenant(tenant_id) as connection:
        return int((await connection.execute(_LEFT, {"tenant": tenant_id})).scalar_one())
