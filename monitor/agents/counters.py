"""Counters of agents, over all tasks that they ever had: right at any time, without a row that writers wait for.

Each statement that changes tasks adds what it changed to `agent_counts`, by a trigger; a job folds these into one row
an agent. Whoever reads sums both, in one statement, which sees a folding whole or not at all. Tasks that retention
takes away stay counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database

FOLDED_AT_ONCE = 20_000
_SUMS = ", ".join(
    f"sum({name}) AS {name}" for name in ("tasks", "completed", "failed", "timed", "duration_ms", "tokens", "cost_usd")
)
_READ = text(f"""
    SELECT agent_id, {_SUMS} FROM (
        SELECT agent_id, tasks, completed, failed, timed, duration_ms, tokens, cost_usd FROM agent_totals
        WHERE tenant_id = :tenant AND agent_id = ANY (:agents)
        UNION ALL
        SELECT agent_id, tasks, completed, failed, timed, duration_ms, tokens, cost_usd FROM agent_counts
        WHERE tenant_id = :tenant AND agent_id = ANY (:agents)
    ) both_of_them GROUP BY agent_id
""")
# Two may fold at once: each takes rows that the other does not hold, and adds in order of the agents. What an agent
# that was erased has left goes away.
_FOLD = text(f"""
    WITH taken AS (
        DELETE FROM agent_counts WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM agent_counts ORDER BY id LIMIT :at_most FOR UPDATE SKIP LOCKED)
        RETURNING *
    ), folded AS (
        INSERT INTO agent_totals AS t
            (tenant_id, agent_id, tasks, completed, failed, timed, duration_ms, tokens, cost_usd)
        SELECT taken.tenant_id, taken.agent_id, {_SUMS}
        FROM taken JOIN agents a ON a.tenant_id = taken.tenant_id AND a.id = taken.agent_id
        GROUP BY taken.tenant_id, taken.agent_id ORDER BY taken.tenant_id, taken.agent_id
        ON CONFLICT (tenant_id, agent_id) DO UPDATE SET
            tasks = t.tasks + excluded.tasks, completed = t.completed + excluded.completed,
            failed = t.failed + excluded.failed, timed = t.timed + excluded.timed,
            duration_ms = t.duration_ms + excluded.duration_ms, tokens = t.tokens + excluded.tokens,
            cost_usd = t.cost_usd + excluded.cost_usd
    )
    SELECT count(*) FROM taken
""")


@dataclass(frozen=True, slots=True)
class Counters:
    """An agent's tasks so far. The average is of completed ones; the rate is a share of one, of those that ended."""

    total_tasks: int = 0
    total_tasks_completed: int = 0
    total_tasks_failed: int = 0
    total_tokens_used: int = 0
    total_cost_usd: Decimal = Decimal(0)
    average_latency_ms: float | None = None
    success_rate: float | None = None


NONE = Counters()


async def read_counters(
    connection: AsyncConnection, tenant_id: UUID, agent_ids: Sequence[UUID]
) -> Mapping[UUID, Counters]:
    """By agent; who never had a task is not among them."""
    found = await connection.execute(_READ, {"tenant": tenant_id, "agents": list(agent_ids)})
    return {
        row.agent_id: Counters(
            total_tasks=int(row.tasks),
            total_tasks_completed=int(row.completed),
            total_tasks_failed=int(row.failed),
            total_tokens_used=int(row.tokens),
            total_cost_usd=row.cost_usd,
            average_latency_ms=float(row.duration_ms / row.timed) if row.timed else None,
            success_rate=float(row.completed / (row.completed + row.failed)) if row.completed + row.failed else None,
        )
        for row in found
    }


async def fold(db: Database, *, at_most: int = FOLDED_AT_ONCE) -> int:
    """Fold what is there, so that reading stays short; returns how many rows were taken."""
    total = 0
    while True:
        async with db.alerter() as connection:
            taken: int = (await connection.execute(_FOLD, {"at_most": at_most})).scalar_one()
        total += taken
        if taken < at_most:
            return total
