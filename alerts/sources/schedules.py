"""Scheduled runs as rules read them: which one counts, whether it came in time, when that can change."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from alerts.core.condition import ScheduleLeaf
from alerts.core.reading import Reading
from alerts.sources.base import Batch, Shape, Source

EARLY = timedelta(minutes=1)
"""How much earlier than its run an execution may begin by the agent's own clock."""

_TICK = timedelta(microseconds=1)

IN_TIME = """
    -- The smallest id of that millisecond: what ended earlier is none of this run.
    l.id >= CAST(lpad(to_hex(CAST(extract(epoch FROM r.due_at) * 1000 AS bigint)), 12, '0') || '70008000000000000000'
                 AS uuid)
    AND coalesce(l.started_at, l.completed_at, l.received_at)
        BETWEEN r.due_at - CAST(:early AS interval) AND r.due_at + CAST(:grace AS interval)
"""
"""Whether an execution `l` is the run `r` that was expected."""

# A run is decided when it came in time, or its grace is over; the newest decided one counts. One that was called came
# when the webhook answered 2xx, one that was expected with an execution of the agent that began in time.
_READ = text(f"""
    SELECT d.tenant_id, d.agent_id, decided.due_at, decided.came, coalesce(waiting.due_at, s.next_run_at) AS next_at
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[])) AS d (tenant_id, agent_id)
    JOIN agent_schedules s ON s.tenant_id = d.tenant_id AND s.agent_id = d.agent_id
    LEFT JOIN LATERAL (
        SELECT r.due_at, c.came
        FROM scheduled_runs r
        CROSS JOIN LATERAL (
            SELECT CASE WHEN r.status = 'expected' THEN EXISTS (
                SELECT FROM agent_logs l
                WHERE l.tenant_id = r.tenant_id AND l.agent_id = r.agent_id AND l.kind = 'execution'
                  AND {IN_TIME})
            ELSE r.status = 'succeeded' AND r.finished_at <= r.due_at + CAST(:grace AS interval) END AS came) AS c
        WHERE r.tenant_id = s.tenant_id AND r.agent_id = s.agent_id AND r.due_at >= s.since AND r.status <> 'skipped'
          AND (r.due_at < :floor OR c.came)
        ORDER BY r.due_at DESC LIMIT 1) AS decided ON true
    LEFT JOIN LATERAL (
        SELECT min(r.due_at) AS due_at FROM scheduled_runs r
        WHERE r.tenant_id = s.tenant_id AND r.agent_id = s.agent_id AND r.due_at >= s.since AND r.status <> 'skipped'
          AND r.due_at >= :floor AND r.due_at > coalesce(decided.due_at, '-infinity')) AS waiting ON true
""")


def _reading(row: Any, *, now: datetime, grace: timedelta) -> Reading:
    """What a row of _READ says at `now`."""
    # Missed is *more* than the grace, so its end itself would be a tick too early.
    changes_at = None if row.next_at is None else row.next_at + grace + _TICK
    if row.due_at is None:
        return Reading(changes_at=changes_at)
    late = 0.0 if row.came else (now - row.due_at).total_seconds()
    return Reading(late, 1, row.due_at, changes_at=changes_at)


async def _read(batch: Batch[ScheduleLeaf]) -> None:
    grace = batch.leaf.grace
    given = batch.agents | {"grace": grace, "floor": batch.now - grace, "early": EARLY}
    for row in await batch.rows(_READ, given):
        batch.put((row.tenant_id, row.agent_id), _reading(row, now=batch.now, grace=grace))


def _shape(leaf: ScheduleLeaf) -> Shape:
    return (ScheduleLeaf, leaf.grace)


SOURCE = Source(_shape, _read)
