"""What was running in the past, and since when: tasks that were told as running, and runs that pings started."""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text

from alerts.backtest.base import Wanted
from alerts.backtest.tracks import EventTrack, times
from alerts.core.condition import DurationLeaf
from alerts.core.reading import Reading
from alerts.sources.durations import LOST, PINGS
from monitor.ids import from_microseconds, microseconds, uuid7_floor

_BEFORE = timedelta(days=31)
"""How long before the start a task may have begun that still runs then."""

_TASKS = text("""
    SELECT t.agent_id, coalesce(t.started_at, t.created_at) AS since, greatest(t.started_at, t.created_at) AS seen,
           least(CASE WHEN t.status = 'running' THEN NULL ELSE t.completed_at END,
                 CASE WHEN t.source = 'api' THEN NULL
                      ELSE coalesce(t.started_at, t.created_at) + CAST(:lost AS interval) END) AS ended
    FROM tasks t
    WHERE t.tenant_id = :tenant_id AND t.agent_id = ANY (:agents) AND t.id >= :floor AND t.id < :ceiling
      AND (CAST(:task_type AS text) IS NULL OR t.task_type = :task_type)
      AND (t.status = 'running' OR t.completed_at > greatest(t.started_at, t.created_at, :start))
    ORDER BY t.agent_id, t.id LIMIT :at_most
""")
# A ping is not found any more when so many logs are newer.
_PINGS = text("""
    SELECT l.agent_id, l.received_at, l.mark, l.lost_at
    FROM (
        SELECT agent_id, id, received_at, details ->> 'ping' AS mark,
               lead(received_at, :pings) OVER (PARTITION BY agent_id ORDER BY id) AS lost_at
        FROM agent_logs
        WHERE tenant_id = :tenant_id AND agent_id = ANY (:agents) AND id >= :floor AND id < :ceiling) AS l
    WHERE l.mark IS NOT NULL ORDER BY l.agent_id, l.id LIMIT :at_most
""")


@dataclass(frozen=True, slots=True)
class Ran:
    """Something that ran, from `since` on; it was known to from `seen` to `ended`, None: it runs still."""

    since: datetime
    seen: datetime
    ended: datetime | None
    what: str = "a task"


_Running = tuple[int, int]
"""How many run, and since when the longest one does, in microseconds."""


async def read(wanted: Wanted, leaf: DurationLeaf) -> None:
    """Tasks from when they were told on, to when they ended."""
    given = {
        "start": wanted.start,
        "floor": uuid7_floor(wanted.start - _BEFORE - leaf.longer_than),
        "ceiling": uuid7_floor(wanted.end),
        "task_type": leaf.task_type,
        "lost": leaf.longer_than + LOST,
        "pings": PINGS,
    }
    ran: dict[UUID, list[Ran]] = defaultdict(list)
    for row in await wanted.rows(_TASKS, given):
        ran[row.agent_id].append(Ran(row.since, row.seen, row.ended))
    if leaf.task_type is None:
        for agent, one in _pinged(await wanted.rows(_PINGS, given)):
            ran[agent].append(one)
    for agent in wanted.agents:
        wanted.put(agent, leaf, running_track(leaf, ran[agent]))


def running_track(leaf: DurationLeaf, ran: Sequence[Ran]) -> EventTrack[_Running]:
    """That nothing runs is known, too."""
    moments = []
    turns, longest = [], leaf.longer_than
    for one in ran:
        if one.ended is not None and one.ended <= one.seen:
            continue
        moments.append((microseconds(one.seen), 1, microseconds(one.since)))
        turn = one.since + longest
        if one.ended is not None:
            moments.append((microseconds(one.ended), -1, microseconds(one.since)))
        if one.ended is None or turn < one.ended:
            turns.append(microseconds(turn))
    running: list[int] = []
    at, facts = [0], [(0, 0)]
    for moment, change, since in sorted(moments):
        if change > 0:
            bisect.insort(running, since)
        else:
            running.pop(bisect.bisect_left(running, since))
        at.append(moment)
        facts.append((len(running), running[0] if running else 0))
    at_us = np.array(at, np.int64)
    return EventTrack(at_us, facts, _reading, told_us=at_us[1:], turns_us=times(turns))


def _reading(running: _Running, now: datetime) -> Reading:
    count, since_us = running
    if not count:
        return Reading(0.0, 1)
    since = from_microseconds(since_us)
    return Reading(max(0.0, (now - since).total_seconds()), count, since)


def _pinged(rows: Sequence[Any]) -> Iterable[tuple[UUID, Ran]]:
    """A run that a ping started goes on up to the next ping, whatever that says."""
    for number, row in enumerate(rows):
        if row.mark == "start":
            following = [one.received_at for one in rows[number + 1 : number + 2] if one.agent_id == row.agent_id]
            ended = min((end for end in (row.lost_at, *following) if end is not None), default=None)
            yield row.agent_id, Ran(row.received_at, row.received_at, ended, "a run that a ping started")
