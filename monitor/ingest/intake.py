"""From checked rows to a job: agents found, series found, every row that is not kept named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from monitor.agents.registry import AgentRef, Registry
from monitor.ids import microseconds
from monitor.ingest.beats import BeatDraft
from monitor.ingest.commit import Job, NamedPoints
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
        job = Job(principal.tenant_id)
        now_us = microseconds(now)
        plain: list[Point] = []
        named: list[Point] = []
        owners: list[UUID] = []
        for draft in drafts:
            ref = refs[draft.agent]
            if isinstance(ref, str):
                outcome.reject(draft.row_index, ref)
                continue
            log = draft.row(ref.id, now_us)
            job.logs.append(log)
            job.touch(ref.id, _RUN if draft.kind == LogKind.EXECUTION else _LINE)
            made = draft.points(ref.id)
            if draft.external_id is None:
                plain += made
            else:
                named += made
                owners += [log.id] * len(made)
        outcome.accepted = len(job.logs)
        if plain:
            job.points.append((await self.series.prepare(principal.tenant_id, plain))[0])
        if named:
            job.named = await self._named(principal.tenant_id, named, owners)
        return job

    async def _named(self, tenant_id: UUID, points: Sequence[Point], owners: Sequence[UUID]) -> NamedPoints:
        prepared, refused = await self.series.prepare(tenant_id, points)
        out = {item.index for item in refused}
        return NamedPoints(prepared, [owner for index, owner in enumerate(owners) if index not in out])

    async def metrics(
        self, principal: Principal, drafts: Sequence[PointDraft], outcome: Outcome, *, now: datetime
    ) -> Job:
        """A job of points."""
        refs = await self._agents(principal, {draft.shape.agent for draft in drafts}, now)
        job = Job(principal.tenant_id)
        outcome.accepted = await self._points(job, drafts, refs, outcome)
        now_us = microseconds(now)
        for ref in refs.values():
            if isinstance(ref, AgentRef) and ref.id in job.touches and now_us - ref.seen_us > SEEN_US:
                ref.seen_us = now_us
                job.seen[ref.id] = now_us
        return job

    async def beats(self, principal: Principal, drafts: Sequence[BeatDraft], outcome: Outcome, *, now: datetime) -> Job:
        """A job of heartbeats and their metrics."""
        refs = await self._agents(principal, {draft.agent for draft in drafts}, now)
        job = Job(principal.tenant_id)
        now_us = microseconds(now)
        for draft in drafts:
            ref = refs[draft.agent]
            if isinstance(ref, str):
                outcome.reject(draft.index, ref)
                continue
            job.beats.append(draft.beats(ref.id, now_us))
            job.touch(ref.id, _BEAT)
        outcome.accepted = len(job.beats)
        points = [point for draft in drafts for point in draft.points if not isinstance(refs[draft.agent], str)]
        await self._points(job, points, refs, outcome)
        return job

    async def _points(
        self, job: Job, drafts: Iterable[PointDraft], refs: dict[str, AgentRef | str], outcome: Outcome
    ) -> int:
        """Add points to a job; returns how many are kept. Those of unknown agents and wrong kinds are named."""
        points: list[Point] = []
        rows: list[int] = []
        touched: set[UUID] = set()
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
                touched.add(ref.id)
            points.append(Point(name, at_us, value))
            rows.append(row)
        if not points:
            return 0
        prepared, refused = await self.series.prepare(job.tenant_id, points)
        for item in refused:
            outcome.reject(rows[item.index], item.error)
        if len(prepared.values):
            job.points.append(prepared)
            for agent_id in touched:
                job.touch(agent_id, _METRIC)
        return len(prepared.values)

    async def _agents(self, principal: Principal, names: Iterable[str], now: datetime) -> dict[str, AgentRef | str]:
        bound = principal.agent_id
        refs = await self.registry.resolve(principal.tenant_id, set(names), now=now, register=bound is None)
        if bound is None:
            return {name: f"agent: {ref}" if isinstance(ref, str) else ref for name, ref in refs.items()}
        return {
            name: ref if isinstance(ref, AgentRef) and ref.id == bound else "403: this key is bound to another agent"
            for name, ref in refs.items()
        }
