"""History for a replay, read once for all agents: executions and lines here, the rest by files of their own."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import numpy as np
from sqlalchemy import text

from alerts.backtest import durations, errors, points, repeats, schedules, spending, versions
from alerts.backtest.base import History, LateRow, Wanted
from alerts.backtest.rows import BurnTrack, RowsTrack
from alerts.backtest.tracks import Int, StatusTrack, Track
from alerts.core.condition import (
    AnomalyLeaf,
    BudgetLeaf,
    BurnRateLeaf,
    CompareLeaf,
    DurationLeaf,
    ErrorGroupLeaf,
    HeartbeatLeaf,
    Leaf,
    LogLeaf,
    MetricLeaf,
    RateLeaf,
    RepeatCallLeaf,
    ScheduleLeaf,
    StateLeaf,
    StatusLeaf,
)
from alerts.core.describe import describe
from alerts.core.labels import Labels
from alerts.core.terms import ExecutionStatus, LogLevel
from monitor.db import Database
from monitor.ids import from_microseconds, microseconds, uuid7_floor, uuid7_time
from monitor.series.store import SeriesStore

_LEVELS = [str(level) for level in LogLevel]
_ROWS = text("""
    SELECT l.agent_id, l.id, l.kind, l.status, l.received_at,
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


_READERS: Final[Mapping[type[Leaf], Callable[[Wanted, Any], Awaitable[None]]]] = {
    MetricLeaf: points.read_metric,
    AnomalyLeaf: points.read_anomaly,
    ScheduleLeaf: schedules.read,
    DurationLeaf: durations.read,
    BudgetLeaf: spending.read,
    RepeatCallLeaf: repeats.read,
    ErrorGroupLeaf: errors.read,
    CompareLeaf: versions.read,
}
_NOT_KEPT: Final[Mapping[type[Leaf], str]] = {
    HeartbeatLeaf: "of heartbeats only the newest is kept",
    StateLeaf: "of an agent's signs of life only the newest are kept",
}


async def read_history(
    db: Database,
    series: SeriesStore,
    tenant_id: UUID,
    leaves: Sequence[Leaf],
    agents: Mapping[UUID, str],
    *,
    start: datetime,
    end: datetime,
    tick: timedelta,
    others: bool = False,
) -> History:
    """What these leaves read of these agents from `start` to `end`. Raises InvalidInput for too much, SeriesDown.

    `others`: also when points of other metrics came.
    """
    history = History({agent: {} for agent in agents})
    wanted = Wanted(db, series, tenant_id, agents, start, end, tick, history)
    for leaf in leaves:
        reader = _READERS.get(type(leaf))
        if reader is not None:
            await reader(wanted, leaf)
        elif isinstance(leaf, StatusLeaf | RateLeaf | LogLeaf | BurnRateLeaf):
            await _read_rows(wanted, leaf)
        else:
            for agent in agents:
                history.tracks[agent][leaf] = None
            history.differs.append(f"“{describe(leaf)}” is unknown here: {_NOT_KEPT[type(leaf)]}")
    read = [leaf for leaf in leaves if isinstance(leaf, MetricLeaf | AnomalyLeaf)]
    if others and read:
        history.others_us = await points.read_others(wanted, read)
    if history.late:
        history.differs.append(
            f"{len(history.late)} log rows came more than a tick after what they tell: the alerter saw each only"
            " when it came, here it counts when it happened"
        )
    return history


async def _read_rows(wanted: Wanted, leaf: StatusLeaf | RateLeaf | LogLeaf | BurnRateLeaf) -> None:
    """Executions, or lines, from a window before the start on."""
    floor = wanted.start if isinstance(leaf, StatusLeaf) else wanted.start - leaf.window
    found = await wanted.rows(_ROWS, _asked(wanted, leaf, floor))
    by_agent: dict[UUID, list[Any]] = defaultdict(list)
    for row in found:
        by_agent[row.agent_id].append(row)
    before = {}
    if isinstance(leaf, StatusLeaf):
        seed = {"floor": uuid7_floor(floor), "nothing": UUID(int=0)}
        before = {row.agent_id: row for row in await wanted.rows(_BEFORE, seed)}
    for agent in wanted.agents:
        rows = by_agent[agent]
        at = np.array([microseconds(uuid7_time(row.id)) for row in rows], np.int64)
        _note_late(wanted, agent, leaf, rows, at)
        wanted.put(agent, leaf, _track(leaf, at, rows, before.get(agent)))


def _asked(wanted: Wanted, leaf: StatusLeaf | RateLeaf | LogLeaf | BurnRateLeaf, floor: datetime) -> dict[str, Any]:
    is_log = isinstance(leaf, LogLeaf)
    return {
        "floor": uuid7_floor(floor),
        "ceiling": uuid7_floor(wanted.end),
        "contains": leaf.contains if isinstance(leaf, LogLeaf) else None,
        "rank": _LEVELS.index(leaf.level) + 1 if isinstance(leaf, LogLeaf) and leaf.level else 0,
        "levels": _LEVELS,
        "lines": is_log,
    }


def _track(leaf: StatusLeaf | RateLeaf | LogLeaf | BurnRateLeaf, at: Int, rows: Sequence[Any], before: Any) -> Track:
    match leaf:
        case StatusLeaf():
            return status_track(leaf, at, [row.status for row in rows], before)
        case LogLeaf():
            return RowsTrack(leaf, at, np.array([row.matching for row in rows], np.bool_))
        case RateLeaf(rate=counted):
            return RowsTrack(leaf, at, np.array([row.status == counted for row in rows], np.bool_))
        case BurnRateLeaf(burn_rate=counted):
            return BurnTrack(leaf, at, np.array([row.status == counted for row in rows], np.bool_))


def _note_late(wanted: Wanted, agent: UUID, leaf: Leaf, rows: Iterable[Any], at: Int) -> None:
    felt = getattr(leaf, "window", wanted.tick)
    for row, happened in zip(rows, at.tolist(), strict=True):
        if row.received_at - from_microseconds(happened) > wanted.tick:
            known = wanted.history.late.get(row.id)
            longest = felt if known is None else max(felt, known.felt)
            late = LateRow(wanted.agents[agent], from_microseconds(happened), row.received_at, longest)
            wanted.history.late[row.id] = late


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
