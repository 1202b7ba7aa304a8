"""How agents stand right now: the newest executions and heartbeats, as ingest keeps them."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from alerts.core.condition import HeartbeatLeaf, StatusLeaf
from alerts.core.reading import Reading
from alerts.core.terms import ExecutionStatus
from alerts.sources.base import Batch, Source
from monitor.ids import uuid7_time
from monitor.signals import FAREWELLS

_HEARTBEATS_THAT_TEACH = 3

_LIVE = text("""
    SELECT l.tenant_id, l.agent_id, l.last_execution_id, l.last_status, l.consecutive_failures, l.last_heartbeat_at,
           l.heartbeat_count, l.heartbeat_status, l.heartbeat_interval, l.expected, a.ephemeral
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
    JOIN agent_live l ON l.tenant_id = d.tenant_id AND l.agent_id = d.agent_id
    JOIN agents a ON a.tenant_id = d.tenant_id AND a.id = d.agent_id
""")


async def _read(batch: Batch[StatusLeaf | HeartbeatLeaf]) -> None:
    for row in await batch.rows(_LIVE, batch.agents):
        agent = (row.tenant_id, row.agent_id)
        for leaf in batch.by_agent[agent]:
            reading = _status(leaf, row) if isinstance(leaf, StatusLeaf) else _heartbeat(row)
            batch.facts.sets[leaf, agent][()] = reading


def _status(leaf: StatusLeaf, row: Any) -> Reading:
    if row.last_execution_id is None:
        return Reading()
    newest = 1 if row.last_status == leaf.status else 0
    streak = row.consecutive_failures if leaf.status is ExecutionStatus.ERROR else newest
    return Reading(float(streak), 1, uuid7_time(row.last_execution_id))


def _heartbeat(row: Any) -> Reading:
    interval = row.heartbeat_interval
    # `expected` is false before the third heartbeat too: there it has not begun, rather than ended.
    farewell = (row.heartbeat_status or "").lower() in FAREWELLS
    ended = not row.expected and (farewell or row.heartbeat_count >= _HEARTBEATS_THAT_TEACH)
    return Reading(
        count=row.heartbeat_count,
        last_at=row.last_heartbeat_at,
        interval=None if interval is None else timedelta(seconds=interval),
        expected=not (ended or row.ephemeral),
    )


SOURCE = Source(lambda _: ("live",), _read)
