"""The alerter's loop: a few fixed jobs, each at most once at a time. Rules live in tables, never one job each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from alerts.core.vocabulary import ChannelKind
from alerts.deliver import Deliverer
from alerts.evaluate import Evaluator
from alerts.meters import Meters
from monitor.clock import Clock
from monitor.errors import MonitorError

_log = structlog.get_logger(__name__)

DELIVER_EVERY = timedelta(seconds=1)
MEASURE_EVERY = timedelta(seconds=10)
STOP_SECONDS = 30.0
"""How long a stop waits for what is being judged or sent: a message that was sent must be marked."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something done every so often. `run` is given the time; `at_start`: the first time at once."""

    name: str
    every: timedelta
    run: Callable[[datetime], Awaitable[object]]
    at_start: bool = True


class Alerter:
    """Evaluation, delivery and the jobs that a composition root hands in, on APScheduler."""

    def __init__(
        self,
        evaluator: Evaluator,
        deliverer: Deliverer,
        *,
        interval: timedelta,
        clock: Clock,
        meters: Meters,
        jobs: Sequence[Job] = (),
        on_tick: Callable[[], None] | None = None,
    ) -> None:
        """`interval` is the distance between two passes over the rules; `on_tick` is called after each good one."""
        self._evaluator = evaluator
        self._deliverer = deliverer
        self._clock = clock
        self._meters = meters
        self._on_tick = on_tick
        self._running: set[asyncio.Task[Any]] = set()
        self._last: dict[str, float] = {}
        self._jobs = [
            Job("evaluate", interval, self._evaluate),
            *(Job(_delivery(kind), DELIVER_EVERY, self._delivering(kind)) for kind in deliverer.kinds),
            Job("measure", MEASURE_EVERY, deliverer.measure),
            *jobs,
        ]
        # A late run runs late rather than not at all; several that are due at once are one.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._scheduler = AsyncIOScheduler(job_defaults=defaults, timezone="UTC")
        self._scheduler.add_listener(self._failed, EVENT_JOB_ERROR)
        self._scheduler.add_listener(self._missed, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)

    async def start(self) -> None:
        """Begin, on the running event loop."""
        now = self._clock()
        for job in self._jobs:
            self._scheduler.add_job(
                self._run,
                "interval",
                args=[job],
                id=job.name,
                seconds=job.every.total_seconds(),
                next_run_time=now if job.at_start else now + job.every,
            )
        self._scheduler.start()

    async def stop(self) -> None:
        """Begin nothing more, let what runs end, and let another alerter take over."""
        self._scheduler.pause()
        if self._running:
            await asyncio.wait(self._running, timeout=STOP_SECONDS)
        self._scheduler.shutdown(wait=False)
        try:
            await self._evaluator.give_up()
        except MonitorError as error:
            _log.warning("the lease was not given up; it expires by itself", error=error.message)

    def wake(self, name: str) -> None:
        """Run a job now rather than at its next time."""
        self._scheduler.modify_job(name, next_run_time=self._clock())

    async def _run(self, job: Job) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        self._count_skipped(job)
        try:
            await job.run(self._clock())
        except MonitorError as error:
            # Expected troubles: the database is away, another alerter took over. The next run tries again.
            self._meters.failed_runs.labels(job.name).inc()
            _log.warning("a job could not run", job=job.name, error=error.message)

    async def _evaluate(self, now: datetime) -> None:
        done = await self._evaluator.run_once(now)
        if self._on_tick is not None:
            self._on_tick()
        if done.queued:
            for kind in self._deliverer.kinds:
                self.wake(_delivery(kind))
        if done.more:
            self.wake("evaluate")

    def _delivering(self, kind: ChannelKind) -> Callable[[datetime], Awaitable[None]]:
        async def deliver(now: datetime) -> None:
            while await self._deliverer.run_once(now, kind):
                now = self._clock()

        return deliver

    def _count_skipped(self, job: Job) -> None:
        """Runs that fell together into this one because the loop was busy or the machine asleep."""
        now, last = time.monotonic(), self._last.get(job.name)
        self._last[job.name] = now
        if last is not None:
            skipped = int((now - last) / job.every.total_seconds() - 0.5)
            self._meters.missed_runs.labels(job.name).inc(max(0, skipped))

    def _failed(self, event: Any) -> None:
        """APScheduler has logged it with its traceback; the job stays and runs again."""
        self._meters.failed_runs.labels(event.job_id).inc()
        _log.error("a job raised", job=event.job_id, exc_info=event.exception)

    def _missed(self, event: Any) -> None:
        self._meters.missed_runs.labels(event.job_id).inc()


def _delivery(kind: ChannelKind) -> str:
    return f"deliver {kind}"
