"""What agents are doing right now, concluded as the API concludes it: from all evidence, and what they have in hand."""

from sqlalchemy import text

from alerts.core.condition import StateLeaf
from alerts.core.reading import Reading
from alerts.sources.base import Agent, Batch, Source
from monitor.agents.status import NOTHING, State, assess, holds
from monitor.agents.store import EVIDENCE, evidence_of
from monitor.agents.work import read_work

_OF_AGENT = ("ephemeral", "retired_at", "patience")
_LIVE = text(f"""
    SELECT l.tenant_id, l.agent_id,
           {", ".join(f"{'a' if column.name in _OF_AGENT else 'l'}.{column.name}" for column in EVIDENCE)}
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
    JOIN agent_live l ON l.tenant_id = d.tenant_id AND l.agent_id = d.agent_id
    JOIN agents a ON a.tenant_id = d.tenant_id AND a.id = d.agent_id
""")


async def _read(batch: Batch[StateLeaf]) -> None:
    async with batch.db.alerter() as connection:
        work = await read_work(connection, list(batch.by_agent), batch.now)
        rows = (await connection.execute(_LIVE, batch.agents)).mappings().all()
    for row in rows:
        agent: Agent = (row["tenant_id"], row["agent_id"])
        evidence = evidence_of(dict(row), work.get(agent, NOTHING))
        found = assess(evidence, batch.now)
        for leaf in batch.by_agent[agent]:
            reading = Reading(
                value=float(holds(evidence, State(leaf.state), batch.now)),
                count=int(found.state is not State.UNKNOWN),
                last_at=evidence.last_seen_at,
                changes_at=found.changes_at,
                note=found.why,
            )
            batch.facts.sets[leaf, agent][()] = reading


SOURCE = Source(lambda _: (StateLeaf,), _read)
