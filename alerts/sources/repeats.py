"""Calls of tools that are made again and again: with the same arguments, counted over windows."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from sqlalchemy import text

from alerts.core.condition import RepeatCallLeaf
from alerts.core.reading import Reading
from alerts.sources.base import Agent, Batch, Shape, Source
from monitor.ids import uuid7_floor, uuid7_time

# Arguments that nobody told are unlike any other: a call's id stands for them.
_CALLS = text("""
    SELECT d.tenant_id, d.agent_id, f.*
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
    CROSS JOIN LATERAL (
        SELECT tool_name AS tool, max(times) AS times, sum(times) AS calls, max(newest) AS newest
        FROM (
            SELECT t.tool_name, count(*) AS times, max(t.id::text) AS newest
            FROM tool_executions t
            WHERE t.tenant_id = d.tenant_id AND t.agent_id = d.agent_id AND t.id >= :floor
            GROUP BY t.tool_name, coalesce(md5(t.parameters::text), t.id::text)) AS same
        GROUP BY tool_name) AS f
""")


async def _read(batch: Batch[RepeatCallLeaf]) -> None:
    tools: dict[Agent, list[Any]] = defaultdict(list)
    for row in await batch.rows(_CALLS, batch.agents | {"floor": uuid7_floor(batch.now - batch.leaf.window)}):
        tools[row.tenant_id, row.agent_id].append(row)
    for agent, rows in tools.items():
        if batch.leaf.by:
            for row in rows:
                batch.put(agent, _reading([row]), (("tool", row.tool),))
        else:
            batch.put(agent, _reading(rows))


def _reading(rows: list[Any]) -> Reading:
    worst = max(rows, key=lambda row: (row.times, row.tool))
    newest = max(row.newest for row in rows)
    return Reading(
        value=float(worst.times),
        count=int(sum(row.calls for row in rows)),
        last_at=uuid7_time(UUID(newest)),
        note=f"the tool is {worst.tool}",
    )


def _shape(leaf: RepeatCallLeaf) -> Shape:
    return (RepeatCallLeaf, leaf.window, leaf.by)


SOURCE = Source(_shape, _read)
