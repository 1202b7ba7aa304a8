"""Scheduled runs of the past: when each was decided, and whether it had come in time."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text

from alerts.backtest.base import Wanted
from alerts.backtest.tracks import EventTrack, times
from alerts.core.condition import ScheduleLeaf
from alerts.core.reading import Reading
from alerts.sources.schedules import EARLY, IN_TIME
from monitor.ids import from_microseconds, microseconds, uuid7_floor, uuid7_time

_BEFORE = timedelta(days=62)
"""How long before the start the run may have been due that counts then: schedules of a month have one."""

_RUNS = text(f"""
    SELECT r.agent_id, r.due_at, s.since, came.id AS log_id,
           CASE WHEN r.status = 'succeeded' AND r.finished_at <= r.due_at + CAST(:grace AS interval)
                THEN r.finished_at END AS finished_at
    FROM agent_schedules s
    JOIN scheduled_runs r ON r.tenant_id = s.tenant_id AND r.agent_id = s.agent_id
    LEFT JOIN LATERAL (
        SELECT l.id FROM agent_logs l
        WHERE r.status = 'expected' AND l.tenant_id = r.tenant_id AND l.agent_id = r.agent_id
          AND l.kind = 'execution' AND l.id < :ceiling AND {IN_TIME}
        ORDER BY l.id LIMIT 1) AS came ON true
    WHERE s.tenant_id = :tenant_id AND s.agent_id = ANY (:agents) AND r.due_at >= s.since AND r.status <> 'skipped'
      AND r.due_at >= :floor AND r.due_at < :end
    ORDER BY r.agent_id, r.due_at LIMIT :at_most
""")

_Decided = tuple[int, bool]
"""When the newest decided run was due, in microseconds, and whether it came."""


async def read(wanted: Wanted, leaf: ScheduleLeaf) -> None:
    """Runs by the schedule as it is set now."""
    wanted.nothing(leaf)
    given = {
        "grace": leaf.grace,
        "early": EARLY,
        "floor": wanted.start - _BEFORE,
        "end": wanted.end,
        "ceiling": uuid7_floor(wanted.end),
    }
    by_agent: dict[UUID, list[Any]] = defaultdict(list)
    for row in await wanted.rows(_RUNS, given):
        by_agent[row.agent_id].append(row)
        if row.since > wanted.start:
            wanted.differs("of a schedule that was changed only runs of the newest one are judged here")
    for agent, rows in by_agent.items():
        wanted.put(agent, leaf, runs_track(leaf, [(row.due_at, _came(row)) for row in rows]))


def runs_track(leaf: ScheduleLeaf, runs: Sequence[tuple[datetime, datetime | None]]) -> EventTrack[_Decided]:
    """Of runs as (when it was due, when it had come; None: never)."""
    came_us, over_us, decided = [], [], []
    for due_at, came_at in runs:
        due, over = microseconds(due_at), microseconds(due_at + leaf.grace)
        if came_at is not None:
            came_us.append(microseconds(came_at))
            decided.append((microseconds(came_at), due, True))
        if came_at is None or came_at > due_at + leaf.grace:
            over_us.append(over)
            decided.append((over, due, False))
    at, facts, newest = [], list[_Decided](), (-1, False)
    for moment, due, came in sorted(decided):
        newest = max(newest, (due, came))
        at.append(moment)
        facts.append(newest)
    return EventTrack(np.array(at, np.int64), facts, _reading, told_us=times(came_us), turns_us=times(over_us))


def _reading(decided: _Decided, now: datetime) -> Reading:
    due_at, came = from_microseconds(decided[0]), decided[1]
    return Reading(0.0 if came else (now - due_at).total_seconds(), 1, due_at)


def _came(row: Any) -> datetime | None:
    if row.log_id is not None:
        return uuid7_time(row.log_id)
    came: datetime | None = row.finished_at
    return came
