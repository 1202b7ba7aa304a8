"""From checked rows to a job: agents found, series found, every row that is not kept named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from monitor.agents.registry import AgentRef, Registry
from monitor.ids import microseconds
from monitor.ingest.beats import BeatDraft
from monitor.ingest.commit import Job, JobPoints
from monitor.ingest.logs import LogDraft, LogKind
from monitor.ingest.payloads import Outcome
from monitor.ingest.points import PointDraft
from monitor.principal import Principal
from monitor.series.store import Point, SeriesName, SeriesStore
from monitor.signals import Touch

# A metric brings `last_seen_at` up to date when it is older than this: not for every batch.
SEEN_US = 1_000_000
_RUN, _LINE, _METRIC = int(Touch.EXECUTION | Touch.METRIC), int(Touch.LINE), int(Touch.METRIC)
_BEAT = int(Touch.HEARTBEAT)


@dataclass(slots=True)
class Intake:
    """Makes the jobs of one process' requests."""

    registry: Registry
    series: SeriesStore

    async def logs(self, principal: Principal, drafts: Sequence[LogDraft], outcome: Outcome, *, now: datetime) -> Job:
        """A job of logs and of the points that executions make."""
        refs = await self._agents(principal, {draft.agent for draft in drafts}, now)
        job = Job(principal.tenant_id, refuse=outcome.lose)
        now_us = microseconds(now)
        plain, named = _Made(), _Made()
        for draft in drafts:
            ref = refs[draft.agent]
            if isinstance(ref, str):
                outcome.reject(draft.row_index, ref)
                continue
            log = draft.row(ref.id, now_us)
            job.logs.append(log)
            job.touch(ref.id, _RUN if draft.kind == LogKind.EXECUTION else _LINE)
            (plain if draft.external_id is None else named).add(draft.points(ref.id), draft.row_index, log.id)
        outcome.accepted = len(job.logs)
        if plain.points:
            job.points.append(await self._prepared(job, plain.points, plain.rows))
        if named.points:
            job.points.append(await self._prepared(job, named.points, named.rows, named.owners))
        return job

    async def _prepared(
        self, job: Job, points: Sequence[Point], rows: Sequence[int], owners: Sequence[UUID] | None = None
    ) -> JobPoints:
        """Points with their series known; those that no series takes are named."""
        prepared, refused = await self.series.prepare(job.tenant_id, points)
        if refused:
            out = {item.index for item in refused}
            for item in refused:
                job.refuse(rows[item.index], item.error)
            kept = [index for index in range(len(points)) if index not in out]
            rows = [rows[index] for index in kept]
            owners = None if owners is None else [owners[index] for index in kept]
        return JobPoints(prepared, rows, owners)

    async def metrics(
        self, principal: Principal, drafts: Sequence[PointDraft], outcome: Outcome, *, now: datetime
    ) -> Job:
        """A job of points."""
        refs = await self._agents(principal, {draft.shape.agent for draft in drafts}, now)
        job = Job(principal.tenant_id, refuse=outcome.withdraw)
        points, rows = _points(drafts, refs, outcome)
        outcome.accepted = len(points)
        await self._add(job, points, rows)
        now_us = microseconds(now)
        for ref in refs.values():
            if isinstance(ref, AgentRef) and ref.id in job.touches and now_us - ref.seen_us > SEEN_US:
                ref.seen_us = now_us
                job.seen[ref.id] = now_us
        return job

    async def beats(self, principal: Principal, drafts: Sequence[BeatDraft], outcome: Outcome, *, now: datetime) -> Job:
        """A job of heartbeats and their metrics."""
        refs = await self._agents(principal, {draft.agent for draft in drafts}, now)
        job = Job(principal.tenant_id, refuse=outcome.reject)
        now_us = microseconds(now)
        for draft in drafts:
            ref = refs[draft.agent]
            if isinstance(ref, str):
                outcome.reject(draft.index, ref)
                continue
            job.beats.append(draft.beats(ref.id, now_us))
            job.touch(ref.id, _BEAT)
        outcome.accepted = len(job.beats)
        kept = [point for draft in drafts for point in draft.points if not isinstance(refs[draft.agent], str)]
        await self._add(job, *_points(kept, refs, outcome))
        return job

    async def _add(self, job: Job, points: Sequence[Point], rows: Sequence[int]) -> None:
        """Add points of metrics to a job, and tell the alerter of their agents."""
        if not points:
            return
        part = await self._prepared(job, points, rows)
        if part.rows:
            job.points.append(part)
            # By identity: points of one series share its name.
            for name in {id(point.series): point.series for point in points}.values():
                job.touch(name.agent_id, _METRIC)

    async def _agents(self, principal: Principal, names: Iterable[str], now: datetime) -> dict[str, AgentRef | str]:
        bound = principal.agent_id
        refs = await self.registry.resolve(principal.tenant_id, set(names), now=now, register=bound is None)
        if bound is None:
            return {name: f"agent: {ref}" if isinstance(ref, str) else ref for name, ref in refs.items()}
        return {
            name: ref if isinstance(ref, AgentRef) and ref.id == bound else "403: this key is bound to another agent"
            for name, ref in refs.items()
        }


def _points(
    drafts: Iterable[PointDraft], refs: dict[str, AgentRef | str], outcome: Outcome
) -> tuple[list[Point], list[int]]:
    """Points and their rows; those of unknown agents are named."""
    points: list[Point] = []
    rows: list[int] = []
    # By identity: rows of the same shape share the object.
    names: dict[int, SeriesName] = {}
    for row, shape, at_us, value in drafts:
        name = names.get(id(shape))
        if name is None:
            ref = refs[shape.agent]
            if isinstance(ref, str):
                outcome.reject(row, ref)
                continue
            name = names[id(shape)] = SeriesName(ref.id, shape.metric, shape.tags, shape.kind, shape.unit)
        points.append(Point(name, at_us, value))
        rows.append(row)
    return points, rows


@dataclass(slots=True)
class _Made:
    """The points that logs make: of each, its row and its log."""

    points: list[Point] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    owners: list[UUID] = field(default_factory=list)

    def add(self, points: list[Point], row: int, owner: UUID) -> None:
        """Add one log's."""
        self.points += points
        self.rows += [row] * len(points)
        self.owners += [owner] * len(points)
