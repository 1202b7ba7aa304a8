"""Shares of executions, counted over windows."""

from uuid import UUID

from sqlalchemy import text

from alerts.core.condition import RateLeaf
from alerts.core.reading import Reading
from alerts.sources.base import Batch, Shape, Source
from monitor.ids import uuid7_floor, uuid7_time

# No upper bound: an agent whose clock is ahead of ours by less than ingest allows is heard all the same.
_RATES = text("""
    SELECT d.tenant_id, d.agent_id, f.*
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS rows, count(*) FILTER (WHERE l.status = 'error') AS error,
               count(*) FILTER (WHERE l.status = 'warning') AS warning,
               count(*) FILTER (WHERE l.status = 'success') AS success, max(l.id::text) AS newest
        FROM agent_logs l
        WHERE l.tenant_id = d.tenant_id AND l.agent_id = d.agent_id AND l.id >= :floor AND l.kind = 'execution'
    ) AS f
""")


async def _read(batch: Batch[RateLeaf]) -> None:
    given = batch.agents | {"floor": uuid7_floor(batch.now - batch.leaf.window)}
    for row in await batch.rows(_RATES, given):
        agent = (row.tenant_id, row.agent_id)
        for leaf in batch.by_agent[agent]:
            if row.rows:
                share = getattr(row, leaf.rate.value) / row.rows
                batch.facts.sets[leaf, agent][()] = Reading(share, row.rows, uuid7_time(UUID(row.newest)))


def _shape(leaf: RateLeaf) -> Shape:
    return (RateLeaf, leaf.window)


SOURCE = Source(_shape, _read)
