"""One transaction for many requests: what a job carries, and the order in which it is written.

Tenants in order of their ids; within a tenant: the agents' live rows are locked, logs with live state, heartbeats,
samples, news for the alerter, idempotency keys. Every collector keeps to this order, so none can deadlock another.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID

import numpy as np
import numpy.typing as npt

from monitor.agents import live
from monitor.agents.live import Beats, LogRow
from monitor.ingest import beats as heartbeats
from monitor.ingest import idempotency
from monitor.ingest.idempotency import Stamp
from monitor.pipeline import SET_TENANT, Pipeline
from monitor.series.store import Prepared, SeriesStore


@dataclass(frozen=True, slots=True)
class JobPoints:
    """Points and, for each, the index of its row in the request.

    `owners`: for points of logs that carry a caller's id, the id of each one's log: they are written only for the logs
    that turn out to be new.
    """

    points: Prepared
    rows: Sequence[int]
    owners: Sequence[UUID] | None = None

    def of(self, new: frozenset[UUID]) -> Prepared:
        """The points of these logs, or all where no log decides."""
        if self.owners is None:
            return self.points
        mask = np.fromiter((owner in new for owner in self.owners), dtype=bool, count=len(self.owners))
        return _picked(self.points, mask)

    def without(self, series: Collection[int]) -> tuple["JobPoints", list[tuple[int, int]]]:
        """What remains without the points of some series, and row and series of each that does not."""
        out = np.isin(self.points.series_ids, np.fromiter(series, np.int64, len(series)))
        gone = [(self.rows[place], int(self.points.series_ids[place])) for place in np.flatnonzero(out).tolist()]
        kept = np.flatnonzero(~out).tolist()
        owners = None if self.owners is None else [self.owners[place] for place in kept]
        return JobPoints(_picked(self.points, ~out), [self.rows[place] for place in kept], owners), gone


@dataclass(slots=True, eq=False)
class Job:
    """What one request wants to be written, and the future that is done when it is.

    `seen`: microseconds of receipt, for agents with neither logs nor heartbeats here. `touches`: news for the
    alerter, by agent, as bits of `Touch`: plain integers, since an IntFlag costs a microsecond each time. `refuse` is
    told of each point that the history store will not take: the index of its row, and why.
    """

    tenant_id: UUID
    logs: list[LogRow] = field(default_factory=list)
    beats: list[Beats] = field(default_factory=list)
    points: list[JobPoints] = field(default_factory=list)
    seen: dict[UUID, int] = field(default_factory=dict)
    touches: dict[UUID, int] = field(default_factory=dict)
    stamp: Stamp | None = None
    refuse: Callable[[int, str], None] = lambda _row, _error: None
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def weight(self) -> int:
        """Rows, with a log counted as ten points: about what they cost."""
        return 1 + 10 * (len(self.logs) + len(self.beats)) + sum(len(part.rows) for part in self.points)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it to write."""
        return not (self.logs or self.beats or any(part.rows for part in self.points))

    def touch(self, agent_id: UUID, news: int) -> None:
        """Add news of an agent."""
        self.touches[agent_id] = self.touches.get(agent_id, 0) | news

    def again(self, refused: Mapping[int, str]) -> bool:
        """Make it ready for another try without the points of some series; False where it has none of them."""
        gone: list[tuple[int, int]] = []
        for place, part in enumerate(self.points):
            self.points[place], some = part.without(refused)
            gone += some
        for row, series_id in gone:
            self.refuse(row, refused[series_id])
        self.done = asyncio.get_running_loop().create_future()
        return bool(gone)


def _picked(points: Prepared, mask: npt.NDArray[np.bool_]) -> Prepared:
    return Prepared(points.series_ids[mask], points.at_us[mask], points.values[mask])


async def commit(pipeline: Pipeline, series: SeriesStore, jobs: Iterable[Job]) -> None:
    """Write all of the jobs in one transaction, or none: then it raises what the driver raises, or Repeated."""
    ordered = sorted(jobs, key=lambda job: job.tenant_id.int)
    async with pipeline:
        for tenant_id, group in groupby(ordered, key=lambda job: job.tenant_id):
            await _write_tenant(pipeline, series, tenant_id, list(group))


async def _write_tenant(pipeline: Pipeline, series: SeriesStore, tenant_id: UUID, jobs: Sequence[Job]) -> None:
    pipeline.add(SET_TENANT, tenant=str(tenant_id))
    logs = [log for job in jobs for log in job.logs]
    beats = heartbeats.together(beat for job in jobs for beat in job.beats)
    seen: dict[UUID, int] = {}
    touches: dict[UUID, int] = {}
    for job in jobs:
        for agent_id, at_us in job.seen.items():
            seen[agent_id] = max(at_us, seen.get(agent_id, 0))
        for agent_id, news in job.touches.items():
            touches[agent_id] = touches.get(agent_id, 0) | news
    locked = {log.agent_id for log in logs} | {beat.agent_id for beat in beats} | seen.keys()
    if locked:
        live.lock(pipeline, list(locked))
    points = [part for job in jobs for part in job.points]
    new: frozenset[UUID] = frozenset()
    if logs:
        live.write_logs(pipeline, tenant_id, logs)
        if any(part.owners is not None for part in points):
            new = frozenset([UUID(bytes=made) for made in await pipeline.fetch() if made is not None])
    if beats:
        live.write_beats(pipeline, tenant_id, beats)
    if seen:
        live.write_seen(pipeline, tenant_id, seen)
    if points:
        await series.write(pipeline, tenant_id, [part.of(new) for part in points])
    if touches:
        live.touch(pipeline, tenant_id, touches)
    stamps = [job.stamp for job in jobs if job.stamp is not None]
    if stamps:
        await idempotency.store(pipeline, tenant_id, stamps)
