"""History for a replay, read once for all agents: executions and lines of PostgreSQL, points of the history store."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.backtest.tracks import RowsTrack, StatusTrack, Track
from alerts.backtest.windows import MetricTrack
from alerts.core.condition import (
    Leaf,
    LogLeaf,
    MetricLeaf,
    RateLeaf,
    StatusLeaf,
)
from alerts.core.describe import describe
from alerts.core.labels import Labels, make_labels
from alerts.core.terms import ExecutionStatus, LogLevel
from monitor.db import Database
from monitor.errors import InvalidInput
from monitor.ids import microseconds, uuid7_floor, uuid7_time
from monitor.series.store import Past, Reducer, Reduction, SeriesStore

POINTS_AT_MOST = 10_000_000
ROWS_AT_MOST = 1_000_000

_LEVELS = [str(level) for level in LogLevel]
_ROWS = text("""
    SELECT l.agent_id, l.id, l.kind, l.status, extract(epoch FROM l.received_at)::float8 AS received,
           CAST(:contains AS text) IS NOT NULL AND strpos(l.message, CAST(:contains AS text)) > 0
               AND (CAST(:rank AS bigint) = 0 OR (l.kind = 'line'
                    AND array_position(CAST(:levels AS text[]), lower(l.level)) >= :rank)) AS matching
    FROM agent_logs l
    WHERE l.tenant_id = :tenant_id AND l.agent_id = ANY (:agents) AND l.id >= :floor AND l.id < :ceiling
      AND (:lines OR l.kind = 'execution')
    ORDER BY l.agent_id, l.id LIMIT :at_most
""")
# As of the first moment: the newest execution before it and how many errors in a row it ended.
_BEFORE = text("""
    SELECT d.agent_id, newest.id, newest.status, (
        SELECT count(*) FROM agent_logs e
        WHERE e.tenant_id = :tenant_id AND e.agent_id = d.agent_id AND e.kind = 'execution' AND e.id <= newest.id
          AND e.id > coalesce((
              SELECT g.id FROM agent_logs g
              WHERE g.tenant_id = :tenant_id AND g.agent_id = d.agent_id AND g.kind = 'execution' AND g.id <= newest.id
                AND g.status <> 'error' ORDER BY g.id DESC LIMIT 1), CAST(:nothing AS uuid))) AS streak
    FROM unnest(CAST(:agents AS uuid[])) AS d (agent_id)
    CROSS JOIN LATERAL (
        SELECT l.id, l.status FROM agent_logs l
        WHERE l.tenant_id = :tenant_id AND l.agent_id = d.agent_id AND l.kind = 'execution' AND l.id < :floor
        ORDER BY l.id DESC LIMIT 1) AS newest
""")


@dataclass(slots=True)
class History:
    """Tracks by agent and leaf, and in sentences what they cannot tell."""

    tracks: dict[UUID, dict[Leaf, dict[Labels, Track] | None]] = field(default_factory=dict)
    differs: list[str] = field(default_factory=list)
    late: list[tuple[UUID, datetime]] = field(default_factory=list)
    """Executions and lines that came later than a tick after they happened: the agent, and when each came."""


async def read_history(
    db: Database,
    series: SeriesStore,
    tenant_id: UUID,
    leaves: Sequence[Leaf],
    agents: Sequence[UUID],
    *,
    start: datetime,
    end: datetime,
    tick: timedelta,
) -> History:
    """What these leaves read of these agents from `start` to `end`. Raises InvalidInput for too much, SeriesDown."""
    history = History({agent: {} for agent in agents})
    reader = _Reader(history, tenant_id, agents, start, end, tick)
    for leaf in leaves:
        match leaf:
            case MetricLeaf():
                reduction = Reduction(
                    metric=leaf.metric,
                    reduce=Reducer(leaf.reduce),
                    window=end - start + leaf.window,
                    by=leaf.by,
                    where=leaf.where,
                )
                past = await series.past(tenant_id, reduction, agents, end=end, at_most=POINTS_AT_MOST)
                reader.points(leaf, past)
            case StatusLeaf() | RateLeaf() | LogLeaf():
                async with db.tenant(tenant_id) as connection:
                    await reader.rows(connection, leaf)
            case _:
                for agent in agents:
                    history.tracks[agent][leaf] = None
                history.differs.append(f"the past of “{describe(leaf)}” is not kept: here it is unknown")
    if history.late:
        history.differs.append(
            f"{len(history.late)} log rows came more than a tick after what they tell: the alerter saw each only"
            " when it came, here it counts when it happened"
        )
    return history


@dataclass(slots=True)
class _Reader:
    history: History
    tenant_id: UUID
    agents: Sequence[UUID]
    start: datetime
    end: datetime
    tick: timedelta

    async def rows(self, connection: AsyncConnection, leaf: StatusLeaf | RateLeaf | LogLeaf) -> None:
        """Executions, or lines, from a window before the start on."""
        floor = self.start if isinstance(leaf, StatusLeaf) else self.start - leaf.window
        is_log = isinstance(leaf, LogLeaf)
        given = {
            "tenant_id": self.tenant_id,
            "agents": list(self.agents),
            "floor": uuid7_floor(floor),
            "ceiling": uuid7_floor(self.end),
            "contains": leaf.contains if isinstance(leaf, LogLeaf) else None,
            "rank": _LEVELS.index(leaf.level) + 1 if isinstance(leaf, LogLeaf) and leaf.level else 0,
            "levels": _LEVELS,
            "lines": is_log,
            "at_most": ROWS_AT_MOST + 1,
        }
        found = (await connection.execute(_ROWS, given)).all()
        if len(found) > ROWS_AT_MOST:
            raise InvalidInput(f"there are more than {ROWS_AT_MOST:,} log rows: take a shorter time", path="since")
        by_agent: dict[UUID, list[Any]] = defaultdict(list)
        for row in found:
            by_agent[row.agent_id].append(row)
        before = {}
        if isinstance(leaf, StatusLeaf):
            seed = {name: given[name] for name in ("tenant_id", "agents", "floor")} | {"nothing": UUID(int=0)}
            before = {row.agent_id: row for row in await connection.execute(_BEFORE, seed)}
        for agent in self.agents:
            rows = by_agent[agent]
            at = np.array([microseconds(uuid7_time(row.id)) for row in rows], np.int64)
            self._note_late(agent, rows, at)
            track: Track
            if isinstance(leaf, StatusLeaf):
                track = status_track(leaf, at, [row.status for row in rows], before.get(agent))
            else:
                chosen = [row.matching if is_log else row.status == getattr(leaf, "rate", "") for row in rows]
                track = RowsTrack(leaf, at, np.array(chosen, np.bool_))
            self.history.tracks[agent][leaf] = {(): track}

    def points(self, leaf: MetricLeaf, past: Past | None) -> None:
        """A track for each line of the points."""
        for agent in self.agents:
            self.history.tracks[agent][leaf] = {}
        if past is None:
            return
        line = past.lines[past.points.series]
        order = np.lexsort((past.points.series, past.points.at, line))
        edges = np.searchsorted(line[order], np.arange(len(past.labels) + 1))
        for number, (agent, values) in enumerate(past.labels):
            mine = order[edges[number] : edges[number + 1]]
            track = MetricTrack(
                leaf, past.points.at[mine], past.points.value[mine], past.points.series[mine], past.counters
            )
            sets = self.history.tracks[agent][leaf]
            if len(mine) and sets is not None:
                sets[make_labels(zip(leaf.by, values, strict=True))] = track

    def _note_late(self, agent: UUID, rows: Iterable[Any], at: Any) -> None:
        limit = self.tick.total_seconds()
        known = set(self.history.late)
        for row, happened in zip(rows, at.tolist(), strict=True):
            if row.received - happened / 1e6 > limit:
                entry = (agent, uuid7_time(row.id))
                if entry not in known:
                    self.history.late.append(entry)


def status_track(leaf: StatusLeaf, at: Any, statuses: Sequence[str], before: Any = None) -> StatusTrack:
    """Streaks as ingest counts them; `before`: the newest execution before the first and its errors in a row."""
    failures, streaks, times = 0, [], list(at)
    if before is not None:
        failures = before.streak
        statuses, times = [before.status, *statuses], [microseconds(uuid7_time(before.id)), *times]
    for number, status in enumerate(statuses):
        if before is None or number > 0:
            failures = failures + 1 if status == ExecutionStatus.ERROR else 0
        streaks.append(failures if leaf.status is ExecutionStatus.ERROR else int(status == leaf.status))
    times_us = np.array(times, np.int64)
    return StatusTrack(leaf, times_us, times_us, np.array(streaks, np.int64))


def tracks_of(history: History, agent: UUID) -> Mapping[Leaf, Mapping[Labels, Track] | None]:
    """The tracks of one agent; none where it has no history."""
    return history.tracks.get(agent, {})
