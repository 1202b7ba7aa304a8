"""Ingest as a whole: admit a request, read it, check it, commit it, say what became of it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from monitor.agents.mirror import Mirror
from monitor.agents.registry import Registry
from monitor.errors import SeriesRefused
from monitor.http.deps import Deps
from monitor.http.limits import RateGate
from monitor.ids import microseconds
from monitor.ingest import beats, idempotency, logs, points
from monitor.ingest.batcher import Batcher
from monitor.ingest.body import Budget
from monitor.ingest.commit import Job
from monitor.ingest.decode import Decoder, Rows
from monitor.ingest.disk import DiskGuard
from monitor.ingest.idempotency import Answered, Idempotency, Stamp
from monitor.ingest.intake import Intake
from monitor.ingest.logs import LogDraft
from monitor.ingest.metrics import IngestMetrics
from monitor.ingest.payloads import BeatIn, LogIn, MetricIn, Outcome
from monitor.ingest.points import PointDraft, ShapeBook
from monitor.ingest.privacy import Privacy
from monitor.ingest.steps import job_of_steps
from monitor.ingest.unmapped import Counts, Unmapped
from monitor.ingest.values import Window
from monitor.principal import Principal
from monitor.regions.residency import Residency
from monitor.runs.steps import Step
from monitor.usage.meter import Meter

# A body above this is decoded and checked in a thread, so that others are answered meanwhile.
THREAD_BYTES = 512 * 1024
TAKEN, NONE_KEPT = 202, 422
NOTHING: Mapping[str, Counts] = MappingProxyType({})


class Request(NamedTuple):
    """One request to take rows in, its body read."""

    principal: Principal
    path: str
    body: bytes
    lines: bool = False
    sniff: bool = False
    key: str | None = None


class Checked(NamedTuple):
    """Good rows of a request, of one of the three kinds, and what is known of the others."""

    drafts: Sequence[Any]
    outcome: Outcome
    rows: int


Check = Callable[[Request, Window], Checked]


class Ingest:
    """The way in of one process. `start` before the first request, `close` after the last."""

    def __init__(self, deps: Deps) -> None:
        """Made from what every route is made with; connects to nothing yet."""
        settings = deps.settings
        self.deps = deps
        self.metrics = IngestMetrics(deps.registry)
        self.budget = Budget(settings.inflight_limit, self.metrics)
        self.gate = RateGate(settings.rate_limit, deps.live)
        self.residency = Residency(deps.db, settings.region)
        self.meter = Meter(deps.db, deps.clock)
        data_dir = settings.data_dir.expanduser()
        self.disk = DiskGuard(data_dir if data_dir.is_dir() else None, reserve=settings.disk_reserve)
        self.registry = Registry(deps.db, allow_registration=settings.allow_registration)
        self.batcher = Batcher(deps.db, deps.series, self.metrics)
        self.mirror = Mirror(deps.db, deps.live, deps.clock)
        self.privacy = Privacy(deps.db, secret_keys=settings.secret_keys)
        self._intake = Intake(self.registry, deps.series, self.privacy)
        self.idempotency = Idempotency(deps.db)
        self._unmapped = Unmapped()
        self.shapes = ShapeBook()
        self._logs, self._metrics, self._beats = Decoder(LogIn), Decoder(MetricIn), Decoder(BeatIn)

    async def start(self) -> None:
        """Start the writers, the disk guard and the counting of requests."""
        await self.disk.start()
        await self.meter.start()
        await self.batcher.start()

    async def close(self) -> None:
        """Commit what was taken, then stop."""
        await self.batcher.close()
        await self.meter.close()
        await self.mirror.close()
        await self.disk.close()

    async def take_logs(self, request: Request) -> Answered:
        """Take logs in."""
        return await self._take(request, "log", self._check_logs, self._intake.logs)

    async def take_metrics(self, request: Request) -> Answered:
        """Take points in."""
        return await self._take(request, "metric", self._check_metrics, self._intake.metrics)

    async def take_beats(self, request: Request) -> Answered:
        """Take heartbeats in."""
        return await self._take(request, "heartbeat", self._check_beats, self._intake.beats)

    async def keep_points(self, principal: Principal, drafts: Sequence[PointDraft], outcome: Outcome) -> None:
        """Commit points of another protocol; those that are not kept are named in `outcome`."""
        if drafts:
            job = await self._intake.metrics(principal, drafts, outcome, now=self.deps.clock())
            await self._commit(job, outcome)

    async def keep_logs(self, principal: Principal, drafts: Sequence[LogDraft], outcome: Outcome) -> None:
        """As `keep_points`, for logs."""
        if drafts:
            job = await self._intake.logs(principal, drafts, outcome, now=self.deps.clock())
            await self._commit(job, outcome)

    async def keep_steps(
        self,
        principal: Principal,
        steps: Sequence[Step],
        outcome: Outcome,
        *,
        unmapped: Mapping[str, Counts] = NOTHING,
    ) -> None:
        """As `keep_points`, for steps of traces: named by their place in `steps`. The assembler makes runs of them.

        `unmapped`: how often names came that no dialect knows (`unknown`), or with a value of no use (`misfit`).
        """
        if steps:
            policy = await self.privacy.of(principal.tenant_id)
            kept = [policy.step(step) for step in steps]
            job = await job_of_steps(self.deps.db, self.registry, principal, kept, outcome, self.window())
            if job.spans:
                now_us = microseconds(self.deps.clock())
                job.unmapped = self._unmapped.due(principal.tenant_id, unmapped, now_us=now_us)
                await self._commit(job, outcome)

    def window(self) -> Window:
        """Which times a request that comes now may speak of."""
        return self._window(self.deps.clock())

    async def accept_metrics(self, principal: Principal, rows: Sequence[MetricIn]) -> Outcome:
        """Take points of this process itself; returns when they are committed."""
        outcome = Outcome()
        drafts = points.drafts(Rows(list(rows)), self.window(), outcome, self.shapes.of(principal.tenant_id))
        await self.keep_points(principal, drafts, outcome)
        return outcome

    async def accept_run(self, principal: Principal, agent: str, log: LogIn | None, beat: BeatIn | None) -> Outcome:
        """Take one log, one heartbeat, or both together, as a ping makes them."""
        now = self.deps.clock()
        window = self._window(now)
        outcome, ignored = Outcome(), Outcome()
        job = Job(principal.tenant_id)
        if log is not None:
            log.agent = agent
            job = await self._intake.logs(principal, logs.drafts(Rows([log]), window, outcome), outcome, now=now)
        if beat is not None:
            beat.agent = agent
            drafts = beats.drafts(Rows([beat]), window, ignored, self.shapes.of(principal.tenant_id))
            other = await self._intake.beats(principal, drafts, ignored, now=now)
            job.beats += other.beats
            for agent_id, news in other.touches.items():
                job.touch(agent_id, news)
        await self._commit(job, outcome)
        return outcome

    async def _commit(self, job: Job, outcome: Outcome) -> None:
        """Return when the job is committed, without the points that the history store refuses: they are named."""
        while True:
            if job.stamp is not None:
                job.stamp = replace(job.stamp, body=outcome.body())
            try:
                await self.batcher.submit(job)
                break
            except SeriesRefused as fault:
                if not job.again(fault.refused):
                    raise
                if job.is_empty:
                    return
        self.mirror.changed(job.tenant_id, job.touches)

    def _window(self, now: datetime) -> Window:
        return Window.of(microseconds(now), retention=self.deps.settings.raw_retention)

    def _check_logs(self, request: Request, window: Window) -> Checked:
        rows = self._logs.decode(request.body, lines=request.lines, sniff=request.sniff)
        outcome = Outcome()
        return Checked(logs.drafts(rows, window, outcome), outcome, len(rows.rows))

    def _check_metrics(self, request: Request, window: Window) -> Checked:
        rows = self._metrics.decode(request.body, lines=request.lines, sniff=request.sniff)
        outcome, shapes = Outcome(), self.shapes.of(request.principal.tenant_id)
        return Checked(points.drafts(rows, window, outcome, shapes), outcome, len(rows.rows))

    def _check_beats(self, request: Request, window: Window) -> Checked:
        rows = self._beats.decode(request.body, lines=request.lines, sniff=request.sniff)
        outcome, shapes = Outcome(), self.shapes.of(request.principal.tenant_id)
        return Checked(beats.drafts(rows, window, outcome, shapes), outcome, len(rows.rows))

    async def _take(self, request: Request, kind: str, check: Check, plan: Any) -> Answered:
        """The answer, once what is kept of the rows is committed; by its key, the one it got before."""
        if request.key is None:
            return await self._work(request, kind, check, plan, digest=b"")
        digest = idempotency.digest_of(request.path, request.body)
        return await self.idempotency.once(
            request.principal.tenant_id,
            request.key,
            digest,
            now=self.deps.clock(),
            work=lambda: self._work(request, kind, check, plan, digest=digest),
        )

    async def _work(self, request: Request, kind: str, check: Check, plan: Any, *, digest: bytes) -> Answered:
        now = self.deps.clock()
        window = self._window(now)
        if len(request.body) > THREAD_BYTES:
            checked = await asyncio.to_thread(check, request, window)
        else:
            checked = check(request, window)
        outcome = checked.outcome
        if checked.drafts:
            job: Job = await plan(request.principal, checked.drafts, outcome, now=now)
            if outcome.accepted:
                if request.key is not None:
                    job.stamp = Stamp(request.key, digest, now, TAKEN, {})
                await self._commit(job, outcome)
        self.metrics.rows(kind, accepted=outcome.accepted, rejected=len(outcome.rejected))
        if outcome.warnings:
            self.metrics.shortened.inc(len(outcome.warnings))
        status = TAKEN if outcome.accepted or not checked.rows else NONE_KEPT
        return Answered(digest, status, outcome.body())


def encoded(answer: Answered) -> bytes:
    """The answer as JSON."""
    return msgspec.json.encode(answer.body)
