"""One transaction for many requests: what a job carries, and the order in which it is written.

Tenants in order of their ids; within a tenant: the agents' live rows are locked, logs with live state, heartbeats,
samples, spans, news for the alerter, idempotency keys. Every collector keeps to this order, so none deadlocks another.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from uuid import UUID

import numpy as np

from monitor.agents import live
from monitor.agents.live import Beats, LogRow
from monitor.ingest import beats as heartbeats
from monitor.ingest import idempotency
from monitor.ingest.idempotency import Stamp
from monitor.ingest.points import PointDraft
from monitor.pipeline import SET_TENANT, Pipeline
from monitor.runs.spans import SpanRow, write_spans
from monitor.runs.unmapped import NameRow, write_unmapped
from monitor.series.store import Columns, SeriesStore


@dataclass(slots=True)
class JobPoints:
    """Points in columns and, for each, the index of its row in the request.

    `owners`: for points of logs that carry a caller's id, the log's id by the place of the point: they are written
    only for the logs that turn out to be new.
    """

    series_ids: list[int] = field(default_factory=list)
    at_us: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    owners: dict[int, UUID] = field(default_factory=dict)

    def add(self, series_id: int, at_us: int, value: float, *, row: int, owner: UUID | None) -> None:
        """Add one."""
        if owner is not None:
            self.owners[len(self.rows)] = owner
        self.series_ids.append(series_id)
        self.at_us.append(at_us)
        self.values.append(value)
        self.rows.append(row)

    def extend(self, drafts: Sequence[PointDraft]) -> None:
        """Add points whose series are known to their shapes."""
        if drafts:
            rows, shapes, at_us, values = zip(*drafts, strict=True)
            self.series_ids += [shape.series_id for shape in shapes]
            self.at_us += at_us
            self.values += values
            self.rows += rows

    def at(self, places: Sequence[int]) -> "JobPoints":
        """Those at some places, in order."""
        return JobPoints(
            [self.series_ids[place] for place in places],
            [self.at_us[place] for place in places],
            [self.values[place] for place in places],
            [self.rows[place] for place in places],
            {new: self.owners[old] for new, old in enumerate(places) if old in self.owners},
        )

    def of(self, new: frozenset[UUID]) -> "JobPoints":
        """Those of these logs, and all that no log decides about."""
        if not self.owners:
            return self
        old = {place for place, owner in self.owners.items() if owner not in new}
        return self.at([place for place in range(len(self.rows)) if place not in old])


@dataclass(slots=True, eq=False)
class Job:
    """What one request wants to be written; `done` is made when it is submitted, and done when it is committed.

    `seen`: microseconds of receipt, and of what, for agents with neither logs nor heartbeats here. `touches`: news for
    the alerter, by agent, as bits of `Touch`: plain integers, since an IntFlag costs a microsecond each time. `refuse`
    is told of each point that the history store will not take: the index of its row, and why.
    """

    tenant_id: UUID
    logs: list[LogRow] = field(default_factory=list)
    beats: list[Beats] = field(default_factory=list)
    spans: list[SpanRow] = field(default_factory=list)
    unmapped: list[NameRow] = field(default_factory=list)
    points: JobPoints = field(default_factory=JobPoints)
    seen: dict[UUID, tuple[int, str]] = field(default_factory=dict)
    touches: dict[UUID, int] = field(default_factory=dict)
    stamp: Stamp | None = None
    refuse: Callable[[int, str], None] = lambda _row, _error: None
    done: asyncio.Future[None] = field(init=False)

    @property
    def weight(self) -> int:
        """Rows, with a log or a span counted as ten points: about what they cost."""
        return 1 + 10 * (len(self.logs) + len(self.beats) + len(self.spans)) + len(self.points.rows)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it to write."""
        return not (self.logs or self.beats or self.spans or self.points.rows)

    def touch(self, agent_id: UUID, news: int) -> None:
        """Add news of an agent."""
        self.touches[agent_id] = self.touches.get(agent_id, 0) | news

    def again(self, refused: Mapping[int, str]) -> bool:
        """Make it ready for another try without the points of some series; False where it has none of them."""
        kept: list[int] = []
        gone: list[int] = []
        for place, series_id in enumerate(self.points.series_ids):
            (gone if series_id in refused else kept).append(place)
        for place in gone:
            self.refuse(self.points.rows[place], refused[self.points.series_ids[place]])
        self.points = self.points.at(kept)
        return bool(gone)


def _columns(parts: Sequence[JobPoints]) -> Columns:
    count = sum(len(part.rows) for part in parts)
    return Columns(
        np.fromiter(chain.from_iterable(part.series_ids for part in parts), np.int64, count),
        np.fromiter(chain.from_iterable(part.at_us for part in parts), np.int64, count),
        np.fromiter(chain.from_iterable(part.values for part in parts), np.float64, count),
    )


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
    seen: dict[UUID, tuple[int, str]] = {}
    touches: dict[UUID, int] = {}
    for job in jobs:
        for agent_id, one in job.seen.items():
            seen[agent_id] = max(one, seen.get(agent_id, one))
        for agent_id, news in job.touches.items():
            touches[agent_id] = touches.get(agent_id, 0) | news
    locked = {log.agent_id for log in logs} | {beat.agent_id for beat in beats} | seen.keys()
    if locked:
        live.lock(pipeline, list(locked))
    points = [job.points for job in jobs if job.points.rows]
    new: frozenset[UUID] = frozenset()
    if logs:
        live.write_logs(pipeline, tenant_id, logs)
        if any(part.owners for part in points):
            new = frozenset([UUID(bytes=made) for made in await pipeline.fetch() if made is not None])
    if beats:
        live.write_beats(pipeline, tenant_id, beats)
    if seen:
        live.write_seen(pipeline, tenant_id, seen)
    if points:
        await series.write(pipeline, tenant_id, _columns([part.of(new) for part in points]))
    spans = [span for job in jobs for span in job.spans]
    if spans:
        write_spans(pipeline, tenant_id, spans)
    unmapped = [name for job in jobs for name in job.unmapped]
    if unmapped:
        write_unmapped(pipeline, tenant_id, unmapped)
    if touches:
        live.touch(pipeline, tenant_id, touches)
    stamps = [job.stamp for job in jobs if job.stamp is not None]
    if stamps:
        await idempotency.store(pipeline, tenant_id, stamps)
