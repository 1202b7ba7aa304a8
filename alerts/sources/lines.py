"""Log rows whose message contains a text, counted over windows."""

from uuid import UUID

from sqlalchemy import text

from alerts.core.condition import LogLeaf
from alerts.core.reading import Reading
from alerts.core.terms import LogLevel
from alerts.sources.base import Batch, Shape, Source
from monitor.ids import uuid7_floor, uuid7_time

_LEVELS = [str(level) for level in LogLevel]
_LINES = text("""
    SELECT d.no, f.*
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:tenants AS uuid[]), CAST(:agents AS uuid[]),
                CAST(:texts AS text[]), CAST(:ranks AS bigint[])) AS d (no, tenant_id, agent_id, contains, rank)
    CROSS JOIN LATERAL (
        SELECT count(*) AS rows, max(l.id::text) AS newest,
               count(*) FILTER (
                   WHERE strpos(l.message, d.contains) > 0
                     AND (d.rank = 0 OR (l.kind = 'line'
                          AND array_position(CAST(:levels AS text[]), lower(l.level)) >= d.rank))) AS matching
        FROM agent_logs l
        WHERE l.tenant_id = d.tenant_id AND l.agent_id = d.agent_id AND l.id >= :floor
    ) AS f
""")


async def _read(batch: Batch[LogLeaf]) -> None:
    asked = [(leaf, agent) for agent, each in batch.by_agent.items() for leaf in each]
    given = {
        "numbers": list(range(len(asked))),
        "tenants": [agent[0] for _, agent in asked],
        "agents": [agent[1] for _, agent in asked],
        "texts": [leaf.contains for leaf, _ in asked],
        "ranks": [0 if leaf.level is None else _LEVELS.index(leaf.level) + 1 for leaf, _ in asked],
        "levels": _LEVELS,
        "floor": uuid7_floor(batch.now - batch.leaf.window),
    }
    for row in await batch.rows(_LINES, given):
        if row.rows:
            reading = Reading(float(row.matching), row.rows, uuid7_time(UUID(row.newest)))
            batch.facts.sets[asked[row.no]][()] = reading


def _shape(leaf: LogLeaf) -> Shape:
    return (LogLeaf, leaf.window)


SOURCE = Source(_shape, _read)
