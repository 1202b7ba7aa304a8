"""What agents have in hand: calls of tools and tasks that were told as running and not as ended, by time of receipt.

Also the patience with tools, a small table a tenant: for one tool by its name, for all others by `*`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.status import LONGEST_PATIENCE, TOOL_PATIENCE, OpenCall, Work
from monitor.agents.tables import ToolPatience
from monitor.errors import NotFound
from monitor.ids import uuid7_floor
from monitor.signals import Touch

EVERY_TOOL = "*"
_DAY = timedelta(days=1)
"""A task that was begun longer ago was lost, and how much an agent's clock may be behind."""

# Few calls are open at any time, and an index holds these alone: read first, they are all that is looked at. The
# floors are by the id, which carries the start by the agent's clock, and spare a look into every partition.
# Tasks only where somebody said so: a trace whose end was lost says for ever that it is running.
_OPEN = text("""
    WITH calls AS MATERIALIZED (
        SELECT t.tenant_id, t.agent_id, t.tool_name, t.created_at AS since,
               t.created_at + coalesce(own.seconds, other.seconds, :usual) * interval '1 second' AS until
        FROM tool_executions t
        LEFT JOIN tool_patience own ON own.tenant_id = t.tenant_id AND own.tool = t.tool_name
        LEFT JOIN tool_patience other ON other.tenant_id = t.tenant_id AND other.tool = '*'
        WHERE t.tenant_id = ANY (CAST(:tenants AS uuid[])) AND t.agent_id = ANY (CAST(:agents AS uuid[]))
          AND t.status = 'running' AND t.id >= :calls_floor
    ), longest AS (
        SELECT DISTINCT ON (tenant_id, agent_id) * FROM calls ORDER BY tenant_id, agent_id, until DESC, since DESC
    ), begun AS MATERIALIZED (
        SELECT t.tenant_id, t.agent_id, max(t.created_at) AS since
        FROM tasks t
        WHERE t.tenant_id = ANY (CAST(:tenants AS uuid[])) AND t.agent_id = ANY (CAST(:agents AS uuid[]))
          AND t.status = 'running' AND t.source = 'api' AND t.id >= :tasks_floor
        GROUP BY t.tenant_id, t.agent_id
    )
    SELECT tenant_id, agent_id, l.tool_name, l.since, l.until, b.since AS task_since
    FROM longest l FULL JOIN begun b USING (tenant_id, agent_id)
""")
_SEEN = text("""
    UPDATE agent_live SET
        last_seen_at = greatest(last_seen_at, :at), last_active_at = greatest(last_active_at, :at), active_by = 'run'
    WHERE tenant_id = :tenant AND agent_id IN (
        SELECT agent_id FROM agent_live WHERE tenant_id = :tenant AND agent_id = ANY (CAST(:agents AS uuid[]))
        ORDER BY agent_id FOR NO KEY UPDATE)
""")
_TELL = text("INSERT INTO touched (tenant_id, agent_ids, kinds) VALUES (:tenant, :agents, :kinds)")
_IN_A_CALL = text("""
    SELECT DISTINCT agent_id FROM tool_executions
    WHERE tenant_id = :tenant AND status = 'running' AND id >= :floor AND (tool_name = :tool OR :tool = '*')
""")


async def read_work(
    connection: AsyncConnection, agents: Sequence[tuple[UUID, UUID]], now: datetime
) -> Mapping[tuple[UUID, UUID], Work]:
    """By (tenant, agent); who has nothing in hand is not among them. The connection's role decides whose is seen."""
    if not agents:
        return {}
    found = await connection.execute(
        _OPEN,
        {
            "tenants": sorted({tenant for tenant, _ in agents}),
            "agents": sorted({agent for _, agent in agents}),
            "usual": TOOL_PATIENCE.total_seconds(),
            "calls_floor": uuid7_floor(now - LONGEST_PATIENCE - _DAY),
            "tasks_floor": uuid7_floor(now - _DAY),
        },
    )
    return {
        (row.tenant_id, row.agent_id): Work(
            None if row.since is None else OpenCall(row.tool_name, row.since, row.until), row.task_since
        )
        for row in found
    }


async def mark_active(
    connection: AsyncConnection, tenant_id: UUID, agent_ids: Sequence[UUID], *, now: datetime
) -> None:
    """Note that these agents told of runs, and tell the alerter. Their rows are held from here on."""
    if agent_ids:
        await connection.execute(_SEEN, {"tenant": tenant_id, "agents": sorted(agent_ids), "at": now})
        await _tell(connection, tenant_id, agent_ids)


async def list_patience(connection: AsyncConnection, tenant_id: UUID) -> list[Mapping[str, Any]]:
    """The tenant's tools by name, each with its patience in seconds."""
    query = select(ToolPatience.tool, ToolPatience.seconds).where(ToolPatience.tenant_id == tenant_id)
    return [dict(row) for row in (await connection.execute(query.order_by(ToolPatience.tool))).mappings()]


async def find_patience(connection: AsyncConnection, tenant_id: UUID, tool: str) -> float | None:
    """Seconds, or None where the tenant said nothing of this tool."""
    query = select(ToolPatience.seconds).where(ToolPatience.tenant_id == tenant_id, ToolPatience.tool == tool)
    return (await connection.execute(query)).scalar()


async def put_patience(connection: AsyncConnection, tenant_id: UUID, tool: str, seconds: float, now: datetime) -> None:
    """Set it, and have those judged anew who are in this tool."""
    made = upsert(ToolPatience).values(tenant_id=tenant_id, tool=tool, seconds=seconds)
    await connection.execute(
        made.on_conflict_do_update(index_elements=["tenant_id", "tool"], set_={"seconds": seconds})
    )
    await _judge_anew(connection, tenant_id, tool, now)


async def delete_patience(connection: AsyncConnection, tenant_id: UUID, tool: str, now: datetime) -> None:
    """Back to the usual. Raises NotFound."""
    where = ToolPatience.tenant_id == tenant_id, ToolPatience.tool == tool
    if not (await connection.execute(delete(ToolPatience).where(*where))).rowcount:
        raise NotFound("nothing was said of this tool's patience")
    await _judge_anew(connection, tenant_id, tool, now)


async def _judge_anew(connection: AsyncConnection, tenant_id: UUID, tool: str, now: datetime) -> None:
    given = {"tenant": tenant_id, "tool": tool, "floor": uuid7_floor(now - LONGEST_PATIENCE - _DAY)}
    await _tell(connection, tenant_id, list((await connection.execute(_IN_A_CALL, given)).scalars()))


async def _tell(connection: AsyncConnection, tenant_id: UUID, agent_ids: Sequence[UUID]) -> None:
    if agent_ids:
        kinds = [int(Touch.RUN)] * len(agent_ids)
        await connection.execute(_TELL, {"tenant": tenant_id, "agents": list(agent_ids), "kinds": kinds})
