"""The contract of a history store: write points, read lines over time, reduce many agents at once for rules.

PostgreSQL's implementation is `postgres.py`; one test suite runs over every implementation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

import numpy as np
import numpy.typing as npt

from alerts.core.terms import Reducer as Reducer
from monitor.pipeline import Pipeline
from monitor.series.stored import Who
from monitor.series.summaries import Mask, Points

Tags = tuple[tuple[str, str], ...]
"""Tags of a series: pairs sorted by name, no empty values."""


class Kind(StrEnum):
    """What a series' values are. Fixed by its first point.

    gauge: a value at a time. counter: a running total that may restart at zero. delta: what was added since the last.
    """

    GAUGE = "gauge"
    COUNTER = "counter"
    DELTA = "delta"


class SeriesName(NamedTuple):
    """What a caller calls a series. `kind` and `unit` are None where the caller said nothing."""

    agent_id: UUID
    metric: str
    tags: Tags
    kind: Kind | None
    unit: str | None


class Columns(NamedTuple):
    """Points with their series known, in columns of one length. Times are microseconds since the epoch."""

    series_ids: npt.NDArray[np.int64]
    at_us: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Lines over time. `start` inclusive, `end` exclusive; `step` None: one value for the whole span.

    Steps begin at multiples of their length since 1970 (UTC); the first may be cut by `start`. `where`: tags that must
    be equal; besides tags, `agent` (external id) and `agent_type` are understood by `where` and `by`. `agent_ids`
    None: all agents. A line per distinct values of the tags in `by`; a tag that a series lacks is the empty string.
    """

    metric: str
    reduce: Reducer
    start: datetime
    end: datetime
    step: timedelta | None = None
    by: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    agent_ids: tuple[UUID, ...] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an answer: labels of `by`, and (time of the step's start, value) in order; empty steps are absent."""

    labels: Mapping[str, str]
    points: Sequence[tuple[datetime, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestQuery:
    """Which newest values are asked for: those from `since` on, of these agents (external ids) and metrics, or of all.
    `limit`: of how many series at most."""

    since: datetime
    agents: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    limit: int


class Latest(NamedTuple):
    """The newest value of a series. `agent` is the external id."""

    agent: str
    metric: str
    tags: Tags
    kind: Kind
    at: datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """One shape of reading for rules: the same metric, reducer, window, filter and labels for many agents."""

    metric: str
    reduce: Reducer
    window: timedelta
    by: tuple[str, ...] = ()
    where: Tags = ()


@dataclass(frozen=True, slots=True)
class Reduced:
    """One agent's answer for one label set: `labels` are the values of `by` in its order, `count` the points read."""

    tenant_id: UUID
    agent_id: UUID
    labels: tuple[str, ...]
    value: float
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """The series that a reduction takes, found once and read often. `lines`: the place in `labels` of each series.

    `labels`: tenant, agent and values of `by`, each set once. `counters`: which series are.
    """

    who: Who
    lines: npt.NDArray[np.int64]
    counters: Mask
    labels: Sequence[tuple[UUID, UUID, tuple[str, ...]]]

    def only(self, lines: Mask) -> "Selection":
        """The series of some lines, whose numbers stay."""
        if lines.all():
            return self
        rows = np.flatnonzero(lines[self.lines])
        who = Who([self.who.tenants[row] for row in rows.tolist()], self.who.ids[rows])
        return Selection(who, self.lines[rows], self.counters[rows], self.labels)


@dataclass(frozen=True, slots=True)
class Answer:
    """Values in order of line and step. `at` is where the step begins, `count` the points, `last_at` the newest."""

    line: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]
    last_at: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Past:
    """Single points of one shape of reading over a long span. `points.series` are rows of `lines` and `counters`.

    `lines`: the place in `labels` of each series; `labels`: agent and values of `by`. `counters`: which ones are.
    """

    points: Points
    lines: npt.NDArray[np.int64]
    counters: npt.NDArray[np.bool_]
    labels: Sequence[tuple[UUID, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Report:
    """What one pass of rolling up did. `postponed`: batches that another transaction held up. `busy`: another pass was
    at work. `chunks`: hours of series; `truncated`: emptied partitions."""

    batches: int = 0
    points: int = 0
    chunks: int = 0
    postponed: int = 0
    busy: bool = False
    truncated: tuple[str, ...] = ()


class SeriesStore(Protocol):
    """History. Every method raises SeriesDown when the store does not answer."""

    async def resolve(self, tenant_id: UUID, names: Sequence[SeriesName]) -> list[int | str]:
        """The id of each name's series, which is made where there is none, in short transactions of its own; or why
        the store will not take points of that name. An id holds for as long as its agent is there.
        """
        ...

    async def write(self, pipeline: Pipeline, tenant_id: UUID, points: Columns) -> None:
        """Write with the caller's transaction, whose tenant is set: what is to be kept is kept once it commits.

        Points come in any order. The same (series, time) overwrites; the last one wins. Rows go in key order, so that
        two collectors cannot deadlock. Raises SeriesRefused when the store will never take some of them.
        """
        ...

    async def query(self, tenant_id: UUID, query: Query) -> list[Line]:
        """Answer from the coarsest level that is right. Percentiles from histograms are within 1 %."""
        ...

    async def reduce(
        self, reduction: Reduction, targets: Mapping[UUID, Sequence[UUID]], *, now: datetime
    ) -> list[Reduced]:
        """Reduce [now - window, now) for agents by tenant (as the alerter), all of them at once. No points: no row.

        Rate and increase of a counter need two points; a gauge has neither and gives no row.
        """
        ...

    async def select(self, reduction: Reduction, targets: Mapping[UUID, Sequence[UUID]]) -> Selection:
        """The first half of `reduce`: the series that there are now."""
        ...

    async def read(self, wanted: Sequence[tuple[Reduction, Selection]], *, now: datetime) -> list[Answer]:
        """The second half of `reduce`, of several at once: an answer to each, by line; lines without points are
        absent."""
        ...

    async def past(
        self, tenant_id: UUID, reduction: Reduction, agents: Sequence[UUID], *, end: datetime, at_most: int
    ) -> Past | None:
        """The single points of [end - window, end) that a reduction is made of; None where there is no such series.

        Raises InvalidInput where there are more than `at_most`.
        """
        ...

    async def roll_up(self, now: datetime) -> Report:
        """Roll up the hours that are over. Safe beside writing and beside itself."""
        ...

    async def close(self) -> None:
        """Give back what the store alone uses."""
        ...

    async def last_values(self, tenant_id: UUID, agent_id: UUID) -> list[tuple[str, Tags, datetime, float, str | None]]:
        """Newest (metric, tags, time, value, unit) of every series of one agent, by metric."""
        ...

    async def latest(self, tenant_id: UUID, query: LatestQuery) -> list[Latest]:
        """The newest values of a tenant's series, by metric. Raises InvalidInput for more than the limit."""
        ...
