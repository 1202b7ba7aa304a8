"""Calls of tools in the past, counted in windows that move along: how often the most frequent one was made."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text

from alerts.backtest.base import Wanted
from alerts.backtest.tracks import EventTrack, times
from alerts.core.condition import RepeatCallLeaf
from alerts.core.labels import Labels
from alerts.core.reading import Reading
from monitor.ids import from_microseconds, microseconds, uuid7_floor, uuid7_time

_CALLS = text("""
    SELECT t.agent_id, t.id, t.tool_name AS tool, coalesce(md5(t.parameters::text), t.id::text) AS same,
           least(t.created_at, t.completed_at) AS seen
    FROM tool_executions t
    WHERE t.tenant_id = :tenant_id AND t.agent_id = ANY (:agents) AND t.id >= :floor AND t.id < :ceiling
    ORDER BY t.agent_id, t.id LIMIT :at_most
""")

Call = tuple[datetime, datetime, Hashable]
"""When it began, when it was told of, and what equal calls have in common."""

_Counted = tuple[int, int, int]
"""How often the most frequent call was made, how many calls there are, and when the newest began, in microseconds."""


async def read(wanted: Wanted, leaf: RepeatCallLeaf) -> None:
    """Calls from a window before the start on."""
    wanted.nothing(leaf)
    given = {"floor": uuid7_floor(wanted.start - leaf.window), "ceiling": uuid7_floor(wanted.end)}
    by_set: dict[tuple[UUID, Labels], list[Call]] = defaultdict(list)
    for row in await wanted.rows(_CALLS, given):
        labels: Labels = (("tool", row.tool),) if leaf.by else ()
        by_set[row.agent_id, labels].append(_call(row))
    for (agent, labels), calls in by_set.items():
        wanted.put(agent, leaf, calls_track(leaf, calls), labels)


def calls_track(leaf: RepeatCallLeaf, calls: Sequence[Call]) -> EventTrack[_Counted]:
    """The window moved along the calls, which come in and leave."""
    moments = []
    for began, seen, same in calls:
        if seen <= began + leaf.window:
            moments.append((microseconds(seen), 1, microseconds(began), same))
            moments.append((microseconds(began + leaf.window), -1, microseconds(began), same))
    made: Counter[Hashable] = Counter()
    often: Counter[int] = Counter()
    most, count, newest = 0, 0, 0
    at, facts, moved, empty = [], list[_Counted](), [], []
    for moment, change, began_us, same in sorted(moments, key=lambda one: (one[0], -one[1])):
        often[made[same]] -= 1
        made[same] += change
        often[made[same]] += 1
        count += change
        newest = max(newest, began_us)
        before, most = most, max(most, made[same])
        while most and not often[most]:
            most -= 1
        at.append(moment)
        facts.append((most, count, newest))
        if (before >= leaf.times) != (most >= leaf.times) or count == 0 or (count == 1 and change > 0):
            moved.append(moment)
        if count == 0:
            empty.append(moment)
    return EventTrack(
        np.array(at, np.int64),
        facts,
        _reading,
        told_us=times(microseconds(seen) for _, seen, _ in calls),
        turns_us=times(empty),
        moved_us=times(moved),
    )


def _reading(counted: _Counted, now: datetime) -> Reading | None:
    most, count, newest = counted
    return Reading(float(most), count, from_microseconds(newest)) if count else None


def _call(row: Any) -> Call:
    began = uuid7_time(row.id)
    return began, max(began, row.seen), (row.tool, row.same)
