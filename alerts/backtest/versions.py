"""Finished tasks of the past, by version or model: which two were the newest at a time, and how they compare."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text

from alerts.backtest.base import Wanted
from alerts.backtest.tracks import NEVER, Float, Grid, Int, Mask, ticks_after
from alerts.core.condition import CompareLeaf
from alerts.core.reading import Reading
from alerts.sources.versions import NEWEST, reading
from monitor.ids import from_microseconds, microseconds, uuid7_floor, uuid7_time
from monitor.runs.compare import Metric
from monitor.runs.sides import Side

_US = timedelta(microseconds=1)

_TASKS = """
    SELECT t.agent_id, t.id, {column} AS key, t.status = 'completed' AS well, coalesce(t.completed_at, t.updated_at) AS
           seen, t.duration_ms::float8 AS duration, t.tokens_used::float8 AS tokens, t.cost_usd::float8 AS cost
    FROM tasks t
    WHERE t.tenant_id = :tenant_id AND t.agent_id = ANY (:agents) AND t.id >= :floor AND t.id < :ceiling
      AND {column} IS NOT NULL AND t.status IN ('completed', 'failed')
      AND (CAST(:environment AS text) IS NULL OR t.environment = :environment)
    ORDER BY t.agent_id, t.id LIMIT :at_most
"""
_COLUMNS = {"version": "t.agent_version", "model": "t.model"}


async def read(wanted: Wanted, leaf: CompareLeaf) -> None:
    """Tasks from a window before the start on."""
    given = {
        "floor": uuid7_floor(wanted.start - leaf.window),
        "ceiling": uuid7_floor(wanted.end),
        "environment": leaf.environment,
    }
    by_agent: dict[UUID, list[Any]] = defaultdict(list)
    for row in await wanted.rows(text(_TASKS.format(column=_COLUMNS[leaf.compare.value])), given):
        by_agent[row.agent_id].append(row)
    for agent in wanted.agents:
        wanted.put(agent, leaf, sides_track(leaf, by_agent[agent]))
    wanted.differs("versions are compared every 5m, and nobody knows when the alerter began to count: 5m more or less")


@dataclass(frozen=True, slots=True)
class SidesTrack:
    """Tasks in order of their beginning; `key` is the place of each one's version in `names`."""

    leaf: CompareLeaf
    at_us: Int
    seen_us: Int
    key: Int
    well: Mask
    values: dict[Metric, Float]
    names: Sequence[str]

    def reading(self, now: datetime) -> Reading:
        """What the two newest sides come to."""
        low = int(np.searchsorted(self.at_us, microseconds(now - self.leaf.window), side="left"))
        there = low + np.flatnonzero(self.seen_us[low:] < microseconds(now))
        keys, first = np.unique(self.key[there], return_index=True)
        newest = keys[np.argsort(-first)][:2]
        return reading(self.leaf, [self._side(int(key), there[self.key[there] == key]) for key in newest.tolist()])

    def looks(self, grid: Grid) -> Int:
        """After every end of a task, and when one leaves the window."""
        return ticks_after(grid, np.concatenate([self.seen_us, self.at_us + self.leaf.window // _US]))

    def news(self, grid: Grid) -> Int:
        """Looked at by the clock alone."""
        return NEVER

    def turns(self, grid: Grid) -> Int:
        """Looked at by the clock alone."""
        return NEVER

    def _side(self, key: int, tasks: Int) -> Side:
        newest = tasks[-NEWEST:][::-1]
        values = {metric: of[newest] for metric, of in self.values.items()}
        values[Metric.DURATION] = values[Metric.DURATION][self.well[newest]]
        return Side(
            key=self.names[key],
            tasks=len(tasks),
            succeeded=int(self.well[tasks].sum()),
            first_seen_at=from_microseconds(int(self.at_us[tasks[0]])),
            last_seen_at=from_microseconds(int(self.at_us[tasks[-1]])),
            values={metric: of[~np.isnan(of)].tolist() for metric, of in values.items()},
        )


def sides_track(leaf: CompareLeaf, rows: Sequence[Any]) -> SidesTrack:
    """Of rows in order of their ids."""
    names = sorted({row.key for row in rows})
    places = {name: number for number, name in enumerate(names)}

    def floats(name: str) -> Float:
        given = (getattr(row, name) for row in rows)
        return np.array([np.nan if value is None else value for value in given], np.float64)

    return SidesTrack(
        leaf,
        np.array([microseconds(uuid7_time(row.id)) for row in rows], np.int64),
        np.array([microseconds(row.seen) for row in rows], np.int64),
        np.array([places[row.key] for row in rows], np.int64),
        np.array([row.well for row in rows], np.bool_),
        {Metric.DURATION: floats("duration"), Metric.TOKENS: floats("tokens"), Metric.COST: floats("cost")},
        names,
    )
