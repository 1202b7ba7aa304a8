"""How long what is running has been going on: tasks that were told as running, and runs that a ping started."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from alerts.core.condition import DurationLeaf
from alerts.core.reading import Reading
from alerts.sources.base import Batch, Shape, Source
from monitor.ids import uuid7_floor

LOST = timedelta(days=1)
"""A task of a trace that has been running for so much longer than it may is one whose end was lost on the way."""

PINGS = 100
"""Newest logs of an agent among which its last ping is looked for."""

_TICK = timedelta(microseconds=1)

# The tasks that run are few, and an index holds all that did not end well: they are read once for all agents.
_RUNNING = text("""
    WITH d AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
    ), running AS MATERIALIZED (
        SELECT t.tenant_id, t.agent_id, count(*) AS tasks, min(coalesce(t.started_at, t.created_at)) AS since,
               (array_agg(t.task_type ORDER BY coalesce(t.started_at, t.created_at)))[1] AS task_type
        FROM tasks t
        WHERE t.tenant_id = ANY (CAST(:tenants AS uuid[])) AND t.agent_id = ANY (CAST(:agents AS uuid[]))
          AND t.status = 'running' AND (CAST(:task_type AS text) IS NULL OR t.task_type = :task_type)
          AND (t.source = 'api' OR t.id >= :lost)
        GROUP BY t.tenant_id, t.agent_id
    )
    SELECT d.tenant_id, d.agent_id, r.tasks, r.since, r.task_type, p.since AS ping_since
    FROM d
    LEFT JOIN running r ON r.tenant_id = d.tenant_id AND r.agent_id = d.agent_id
    LEFT JOIN LATERAL (
        SELECT l.received_at AS since, l.mark
        FROM (
            SELECT l.id, l.received_at, l.details ->> 'ping' AS mark
            FROM agent_logs l
            WHERE l.tenant_id = d.tenant_id AND l.agent_id = d.agent_id AND CAST(:task_type AS text) IS NULL
            ORDER BY l.id DESC LIMIT :pings) AS l
        WHERE l.mark IS NOT NULL ORDER BY l.id DESC LIMIT 1) AS p ON p.mark = 'start'
""")


async def _read(batch: Batch[DurationLeaf]) -> None:
    leaf = batch.leaf
    given = batch.agents | {
        "task_type": leaf.task_type,
        "lost": uuid7_floor(batch.now - leaf.longer_than - LOST),
        "pings": PINGS,
    }
    for row in await batch.rows(_RUNNING, given):
        batch.put((row.tenant_id, row.agent_id), _reading(leaf, row, batch.now))


def _reading(leaf: DurationLeaf, row: Any, now: datetime) -> Reading:
    starts = [at for at in (row.since, row.ping_since) if at is not None]
    if not starts:
        # That nothing runs is known, too.
        return Reading(0.0, 1)
    since = min(starts)
    what = f"a task of type {row.task_type}" if since == row.since else "a run that a ping started"
    return Reading(
        value=max(0.0, (now - since).total_seconds()),
        count=(row.tasks or 0) + (row.ping_since is not None),
        last_at=since,
        changes_at=since + leaf.longer_than + _TICK,
        note=what,
    )


def _shape(leaf: DurationLeaf) -> Shape:
    return (DurationLeaf, leaf.longer_than, leaf.task_type)


SOURCE = Source(_shape, _read)
