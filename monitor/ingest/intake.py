"""From checked rows to a job: agents found, series found, every row that is not kept named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from monitor.agents.registry import AgentRef, Registry, Resolved
from monitor.ids import microseconds
from monitor.ingest.beats import BeatDraft
from monitor.ingest.commit import Job
from monitor.ingest.logs import LogDraft, LogKind, own_series
from monitor.ingest.payloads import Outcome
from monitor.ingest.points import PointDraft, Shape
from monitor.ingest.privacy import Privacy
from monitor.principal import Principal
from monitor.series.store import SeriesName, SeriesStore
from monitor.signals import Touch

# A metric brings `last_seen_at` up to date when it is older than this: not for every batch.
SEEN_US = 1_000_000
_RUN, _LINE, _METRIC = int(Touch.EXECUTION | Touch.METRIC), int(Touch.LINE), int(Touch.METRIC)
_BEAT = int(Touch.HEARTBEAT)

_shape_of = itemgetter(PointDraft._fields.index("shape"))

Refs = dict[str, Resolved]


@dataclass(slots=True)
class Intake:
    """Makes the jobs of one process' requests."""

    registry: Registry
    series: SeriesStore
    privacy: Privacy

    async def logs(self, principal: Principal, drafts: Sequence[LogDraft], outcome: Outcome, *, now: datetime) -> Job:
        """A job of logs and of the points that executions make."""
        drafts = await (await self.privacy.of(principal.tenant_id)).logs(drafts)
        refs = await self._agents(principal, {draft.agent for draft in drafts}, now)
        refused = await self._own_series(principal, drafts, refs)
        job = Job(principal.tenant_id, refuse=outcome.lose)
        now_us = microseconds(now)
        for draft in drafts:
            ref = refs[draft.agent]
            if isinstance(ref, str):
                outcome.reject(draft.row_index, ref)
                continue
            log = draft.row(ref.id, now_us)
            job.logs.append(log)
            job.touch(ref.id, _RUN if draft.kind == LogKind.EXECUTION else _LINE)
            # Only what carries a caller's id can be one that is there already, whose points are not to be written.
            owner = None if draft.external_id is None else log.id
            for metric, value in draft.values().items():
                series_id = ref.series.get(metric)
                if series_id is None:
                    outcome.lose(draft.row_index, refused[metric, draft.agent])
                else:
                    job.points.add(series_id, draft.at_us, value, row=draft.row_index, owner=owner)
        outcome.accepted = len(job.logs)
        return job

    async def _own_series(
        self, principal: Principal, drafts: Sequence[LogDraft], refs: Refs
    ) -> dict[tuple[str, str], str]:
        """Make the series of executions known to their agents; those that are refused, by metric and agent."""
        wanted: dict[tuple[str, str], AgentRef] = {}
        for draft in drafts:
            ref = refs[draft.agent]
            if isinstance(ref, AgentRef):
                for metric in draft.values():
                    if metric not in ref.series:
                        wanted[metric, draft.agent] = ref
        refused: dict[tuple[str, str], str] = {}
        if wanted:
            names = [own_series(ref.id, metric) for (metric, _), ref in wanted.items()]
            found = await self.series.resolve(principal.tenant_id, names)
            for (key, ref), series in zip(wanted.items(), found, strict=True):
                if isinstance(series, str):
                    refused[key] = series
                else:
                    ref.series[key[0]] = series
        return refused

    async def metrics(
        self, principal: Principal, drafts: Sequence[PointDraft], outcome: Outcome, *, now: datetime
    ) -> Job:
        """A job of points."""
        refs = await self._agents(principal, {shape.agent for shape in _shapes(drafts)}, now)
        job = Job(principal.tenant_id, refuse=outcome.withdraw)
        await self._points(job, drafts, refs, outcome)
        outcome.accepted = len(job.points.rows)
        now_us = microseconds(now)
        for ref in refs.values():
            if isinstance(ref, AgentRef) and ref.id in job.touches and now_us - ref.seen_us > SEEN_US:
                ref.seen_us = now_us
                job.seen[ref.id] = (now_us, "metric")
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
        await self._points(job, kept, refs, outcome)
        return job

    async def _points(self, job: Job, drafts: Sequence[PointDraft], refs: Refs, outcome: Outcome) -> None:
        """Add points to a job, and tell the alerter of their agents. Those that are not kept are named."""
        if not drafts:
            return
        shapes, refused = _shapes(drafts), dict[Shape, str]()
        # Again, since shapes are shared: meanwhile another request may have found another agent of that name.
        while unknown := [shape for shape in shapes if shape not in refused and shape.ref is not refs[shape.agent]]:
            refused |= await self._find(job, unknown, refs)
        if refused:
            for draft in drafts:
                if draft.shape in refused:
                    outcome.reject(draft.row, refused[draft.shape])
            drafts = [draft for draft in drafts if draft.shape not in refused]
        job.points.extend(drafts)
        for agent in {shape.agent for shape in shapes if shape not in refused}:
            ref = refs[agent]
            if isinstance(ref, AgentRef):
                job.touch(ref.id, _METRIC)

    async def _find(self, job: Job, shapes: Sequence[Shape], refs: Refs) -> dict[Shape, str]:
        """Make the series of shapes known to them; returns those that are refused."""
        refused: dict[Shape, str] = {}
        wanted: list[tuple[Shape, AgentRef]] = []
        for shape in shapes:
            ref = refs[shape.agent]
            if isinstance(ref, str):
                refused[shape] = ref
            else:
                wanted.append((shape, ref))
        names = [SeriesName(ref.id, shape.metric, shape.tags, shape.kind, shape.unit) for shape, ref in wanted]
        found = await self.series.resolve(job.tenant_id, names) if names else []
        for (shape, ref), series in zip(wanted, found, strict=True):
            if isinstance(series, str):
                refused[shape] = series
            else:
                shape.ref, shape.series_id = ref, series
        return refused

    async def _agents(self, principal: Principal, names: set[str], now: datetime) -> Refs:
        bound = principal.agent_id
        refs = await self.registry.resolve(principal.tenant_id, names, now=now, register=bound is None)
        for name, ref in refs.items():
            if bound is not None and (isinstance(ref, str) or ref.id != bound):
                refs[name] = "403: this key is bound to another agent"
            elif isinstance(ref, str):
                refs[name] = f"agent: {ref}"
        return refs


def _shapes(drafts: Iterable[PointDraft]) -> dict[Shape, None]:
    """Each once, in the order of the rows: of two kinds of one series, the first one counts.

    A dict and not a set, whose order would be that of addresses: a request has many points of one series.
    """
    return dict.fromkeys(map(_shape_of, drafts))
