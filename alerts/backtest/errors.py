"""Groups of errors of the past: what was new, or had come again, in windows that move along."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text

from alerts.backtest.base import Wanted
from alerts.backtest.tracks import EventTrack, times
from alerts.core.condition import ErrorGroupLeaf
from alerts.core.reading import Reading
from alerts.core.terms import ErrorNews
from alerts.sources.errors import LONGEST_TASK
from monitor.ids import microseconds, uuid7_floor

# When it came again: the first time after people had said that it is resolved.
_OCCURRENCES = text("""
    SELECT o.agent_id, o.fingerprint, o.at, o.agent_version, g.first_version, g.first_seen_at, g.status, g.status_at,
           (SELECT min(x.at) FROM error_occurrences x
            WHERE g.status = 'regressed' AND x.tenant_id = g.tenant_id AND x.fingerprint = g.fingerprint
              AND x.at > g.status_at) AS again_at
    FROM error_occurrences o
    JOIN error_groups g ON g.tenant_id = o.tenant_id AND g.fingerprint = o.fingerprint
    WHERE o.tenant_id = :tenant_id AND o.agent_id = ANY (:agents) AND o.id >= :floor AND o.at >= :start AND o.at < :end
    ORDER BY o.agent_id, o.at LIMIT :at_most
""")


@dataclass(frozen=True, slots=True)
class Seen:
    """One occurrence. It counts up to `until`; `new`: it is what the rule asks for, otherwise nobody can say."""

    fingerprint: str
    at: datetime
    until: datetime
    new: bool


_Found = tuple[int, int, int]
"""How many groups are new, of how many occurrences, and how many occurrences there are of whatever kind."""


async def read(wanted: Wanted, leaf: ErrorGroupLeaf) -> None:
    """Occurrences, with what people say of their groups now."""
    start = wanted.start - leaf.window
    given = {"floor": uuid7_floor(start - LONGEST_TASK), "start": start, "end": wanted.end}
    seen: dict[UUID, list[Seen]] = defaultdict(list)
    for row in await wanted.rows(_OCCURRENCES, given):
        seen[row.agent_id] += _seen(leaf, row)
    wanted.differs("of what people said of an error only the last is known: before that it counts as open here")
    for agent in wanted.agents:
        wanted.put(agent, leaf, errors_track(seen[agent]))


def errors_track(seen: Sequence[Seen]) -> EventTrack[_Found]:
    """An agent that did not fail has no new error: that is known."""
    moments = [(microseconds(one.at), 1, one) for one in seen] + [(microseconds(one.until), -1, one) for one in seen]
    new: Counter[str] = Counter()
    at, facts, moved, found = [0], [(0, 0, 0)], [0], 0
    for moment, change, one in sorted(moments, key=lambda each: (each[0], -each[1])):
        found += change
        if one.new:
            new[one.fingerprint] += change
            if not new[one.fingerprint]:
                del new[one.fingerprint]
        at.append(moment)
        facts.append((len(new), new.total(), found))
        if (facts[-1][0] > 0, facts[-1][2] > 0) != (facts[-2][0] > 0, facts[-2][2] > 0):
            moved.append(moment)
    return EventTrack(
        np.array(at, np.int64),
        facts,
        _reading,
        told_us=times(microseconds(one.at) for one in seen),
        turns_us=times(microseconds(one.until) for one in seen),
        moved_us=times(moved),
    )


def _reading(found: _Found, now: datetime) -> Reading:
    groups, times_new, there = found
    if not there:
        return Reading(0.0, 1)
    return Reading(float(groups), times_new) if groups else Reading(None, there, note="its errors name no version")


def _seen(leaf: ErrorGroupLeaf, row: Any) -> list[Seen]:
    """Where and as long as it counts."""
    begins, until = row.at, row.at + leaf.window
    new = True
    if leaf.error is ErrorNews.REGRESSED:
        if row.again_at is None:
            return []
        begins = max(begins, row.again_at)
    else:
        until = min(until, _said(row))
        if leaf.since is not None:
            until = min(until, row.first_seen_at + leaf.since)
        elif row.agent_version == row.first_version:
            new = row.first_version is not None
        else:
            return []
    return [Seen(row.fingerprint, begins, until, new)] if begins < until else []


def _said(row: Any) -> datetime:
    """Until when people had not said that a group is of no interest; what came again after that is."""
    said: datetime | None = row.status_at
    over = said is not None and (row.status in ("resolved", "ignored") or (row.status == "regressed" and row.at < said))
    return said if over and said is not None else row.at + timedelta(days=3650)
