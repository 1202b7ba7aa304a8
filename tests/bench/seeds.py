"""The queries of `sql/queries.md` on many tenants' tasks and messages: how long they take, and what row-level security
adds."""

import asyncio
import os
import random
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import clock as wall
from monitor import partitions
from monitor.db import Role
from monitor.ids import uuid7_floor
from tests.bench.figure import Figure
from tests.seeds.queries import QUERIES, bound
from tests.stage import Stage

TASKS = int(os.environ.get("AGENT_MONITOR_BENCH_TASKS", "10_000_000"))
MESSAGES = int(os.environ.get("AGENT_MONITOR_BENCH_MESSAGES", "5_000_000"))
TENANTS = int(os.environ.get("AGENT_MONITOR_BENCH_TENANTS", "1_000"))
QUICK = 100
"""By how much a quick run has less."""
AGENTS = 10
EXECUTIONS = 100
CONVERSATIONS = 50
DAYS = 30
AT_ONCE = 200_000
LARGE = 10_000
"""Rows from which a sequential scan of a table is one too many."""

_TENANTS = """
    INSERT INTO tenants (id, slug, name) SELECT gen_random_uuid(), 'bench-' || n, 'Bench ' || n
    FROM generate_series(0, :tenants - 1) AS n
"""
_AGENTS = """
    INSERT INTO agents (tenant_id, id, external_id, name, ping_token)
    SELECT t.id, gen_random_uuid(), 'agent-' || n, 'Agent ' || n, md5(t.id::text || n)
    FROM tenants t, generate_series(0, :agents - 1) AS n WHERE t.slug LIKE 'bench-%'
"""
_EXECUTIONS = """
    WITH made AS (
        INSERT INTO workflow_executions (tenant_id, id, name, status)
        SELECT t.id, gen_random_uuid(), 'run ' || n, 'running'
        FROM tenants t, generate_series(0, :executions - 1) AS n WHERE t.slug LIKE 'bench-%' RETURNING *
    )
    INSERT INTO run_names (tenant_id, kind, external_id, id)
    SELECT tenant_id, 'execution', replace(name, ' ', '-'), id FROM made
"""
_CONVERSATIONS = """
    INSERT INTO conversations (tenant_id, id, external_id)
    SELECT t.id, gen_random_uuid(), 'talk-' || n
    FROM tenants t, generate_series(0, :conversations - 1) AS n WHERE t.slug LIKE 'bench-%'
"""
_UUID7 = """
    (lpad(to_hex(floor(extract(epoch FROM n.at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n.i::text), 1, 3)
     || '8' || substr(md5('t' || n.i), 1, 15))::uuid
"""
# A UUIDv7 of the start; every hundredth task failed.
_TASKS = f"""
    INSERT INTO tasks (tenant_id, id, agent_id, execution_id, task_type, status, started_at, completed_at)
    SELECT a.tenant_id, {_UUID7}, a.id, e.id, 'review', CASE WHEN n.i % 100 = 0 THEN 'failed' ELSE 'completed' END,
           n.at, n.at + interval '1 second'
    FROM (
        SELECT i, CAST(:day AS timestamptz) + interval '1 day' * random() AS at,
               (random() * (CAST(:tenants AS bigint) * :agents - 1))::int AS agent,
               (random() * (:executions - 1))::int AS run
        FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS i
    ) AS n
    JOIN bench_agents a ON a.n = n.agent
    JOIN bench_executions e ON e.tenant_id = a.tenant_id AND e.n = n.run
"""
# Their numbers follow each other from batch to batch; those of a conversation have no gaps.
_MESSAGES = f"""
    INSERT INTO messages (tenant_id, id, conversation_id, sequence_number, role, content, agent_id)
    SELECT c.tenant_id, {_UUID7}, c.id, n.i / (CAST(:tenants AS bigint) * :conversations) + 1,
           CASE WHEN n.i % 2 = 0 THEN 'user' ELSE 'assistant' END, repeat('What is said. ', 20),
           CASE WHEN n.i % 2 = 1 THEN a.id END
    FROM (
        SELECT i, CAST(:day AS timestamptz) + interval '1 day' * random() AS at
        FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS i
    ) AS n
    JOIN bench_conversations c ON c.n = n.i % (CAST(:tenants AS bigint) * :conversations)
    JOIN bench_agents a ON a.tenant_id = c.tenant_id AND a.n % :agents = n.i / 7 % :agents
"""
_AS_TENANT = text("SELECT set_config('app.current_tenant_id', :id, true)")
_NUMBERED = (
    "CREATE TABLE bench_agents AS SELECT tenant_id, id, row_number() OVER (ORDER BY tenant_id, id) - 1 AS n "
    "FROM agents WHERE external_id LIKE 'agent-%'",
    "CREATE UNIQUE INDEX ON bench_agents (n)",
    "CREATE INDEX ON bench_agents (tenant_id)",
    "CREATE TABLE bench_conversations AS SELECT tenant_id, id, row_number() OVER (ORDER BY tenant_id, id) - 1 AS n "
    "FROM conversations WHERE external_id LIKE 'talk-%'",
    "CREATE UNIQUE INDEX ON bench_conversations (n)",
    "CREATE TABLE bench_executions AS SELECT tenant_id, id, "
    "row_number() OVER (PARTITION BY tenant_id ORDER BY id) - 1 AS n FROM workflow_executions WHERE name LIKE 'run %'",
    "CREATE UNIQUE INDEX ON bench_executions (tenant_id, n)",
    "ANALYZE bench_agents, bench_executions, bench_conversations",
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is."""

    tasks: int
    messages: int
    tenants: int


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Fill the tables, then ask as a tenant and as somebody whom no policy holds back."""
    share = QUICK if quick else 1
    sizes = Sizes(TASKS // share, MESSAGES // share, max(10, TENANTS // share))
    now = wall.now()
    await fill(stage, sizes, now)
    async with stage.db.owner() as owner:
        tenants = list((await owner.execute(text("SELECT id FROM tenants WHERE slug LIKE 'bench-%'"))).scalars())
        await owner.execute(text("ANALYZE"))
    figures = [Figure("tasks", sizes.tasks), Figure("messages", sizes.messages), Figure("tenants", sizes.tenants)]
    for name in [name for name, query in QUERIES.items() if ":tenant" in query]:
        figures += await _measured(stage, name, tenants, now, times=40 if quick else 400)
    return figures


async def fill(stage: Stage, sizes: Sizes, now: datetime) -> None:
    """Tenants, agents, executions, conversations; tasks and messages evenly over the days before `now`."""
    given = {
        "tenants": sizes.tenants, "agents": AGENTS, "executions": EXECUTIONS, "conversations": CONVERSATIONS,
    }  # fmt: skip
    async with stage.db.owner() as owner:
        for statement in (_TENANTS, _AGENTS, _EXECUTIONS, _CONVERSATIONS, *_NUMBERED):
            await owner.execute(text(statement), bound(statement, given))
    await asyncio.gather(
        _fill(stage, "tasks", _TASKS, given, sizes.tasks, now),
        _fill(stage, "messages", _MESSAGES, given, sizes.messages, now),
    )


async def _fill(stage: Stage, table: str, statement: str, given: dict[str, int], rows: int, now: datetime) -> None:
    """A day after the other, the oldest first, in batches."""
    first = 0
    for number in range(DAYS):
        day = (now - timedelta(days=DAYS - number)).replace(hour=0, minute=0, second=0, microsecond=0)
        await partitions.cover(stage.db, [table], day)
        end = rows * (number + 1) // DAYS
        while first < end:
            last = min(first + AT_ONCE, end) - 1
            values = bound(statement, given | {"day": day, "first": first, "last": last})
            async with stage.db.owner() as owner:
                await owner.execute(text(statement), values)
            first = last + 1


async def _measured(stage: Stage, name: str, tenants: list[UUID], now: datetime, *, times: int) -> list[Figure]:
    """Of one query: its slow side, what row-level security adds, and sequential scans of large tables."""
    dice, query = random.Random(7), QUERIES[name]
    scans = 0
    taken: dict[Role, list[float]] = {Role.APP: [], Role.OWNER: []}
    for place in range(times):
        tenant = dice.choice(tenants)
        values = {
            "tenant": tenant, "agent": f"agent-{dice.randrange(AGENTS)}",
            "execution": f"run-{dice.randrange(EXECUTIONS)}", "conversation": f"talk-{dice.randrange(CONVERSATIONS)}",
            "since": uuid7_floor(now - timedelta(days=2)), "start": now, "end": now + timedelta(hours=1),
        }  # fmt: skip
        given = bound(query, values)
        if place == 0:
            async with stage.db.tenant(tenant) as app:
                scans = await _scans(app, query, given)
        # Who comes second finds in the processor's caches what the first one read: each is it every other time.
        for role in (Role.APP, Role.OWNER) if place % 2 else (Role.OWNER, Role.APP):
            async with stage.db.role(role) as connection:
                await connection.execute(_AS_TENANT, {"id": str(tenant)})
                taken[role].append(await _once(connection, query, given))
    with_rls, without = taken[Role.APP], taken[Role.OWNER]
    cost = float(np.median(with_rls) / np.median(without))
    return [
        Figure(f"{name}, p95", float(np.percentile(with_rls, 95)) * 1000, "ms", most=50.0),
        Figure("with row-level security against without", cost, "x", most=1.15),
        Figure("sequential scans of large tables", scans, most=0),
    ]


async def _once(connection: AsyncConnection, query: str, given: dict[str, Any]) -> float:
    """Seconds, the second time that it is asked."""
    (await connection.execute(text(query), given)).all()
    before = time.perf_counter()
    (await connection.execute(text(query), given)).all()
    return time.perf_counter() - before


async def _scans(connection: AsyncConnection, query: str, given: dict[str, Any]) -> int:
    """How many tables of many rows the plan reads from end to end."""
    plan = "\n".join((await connection.execute(text(f"EXPLAIN {query}"), given)).scalars())
    tables = re.findall(r"Seq Scan on (\w+)", plan)
    counted = text("SELECT count(*) FROM pg_class WHERE relname = ANY (:names) AND reltuples > :large")
    found: int = (await connection.execute(counted, {"names": tables, "large": LARGE})).scalar_one()
    return found
