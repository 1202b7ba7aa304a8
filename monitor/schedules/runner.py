"""Calls agents when they are due: plans, claims, calls, marks, logs. Any number may run against one database.

A run is claimed for a while, and called in that time. Who dies between the call and its mark leaves a claim that
expires, and the run is called once more, with the same id. What a call came to is marked first and logged then: the
log's own id is the run's, so that it is one log however often it is written.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar
from uuid import UUID

import structlog
from aiohttp.abc import AbstractResolver
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.channels.answers import failure, unreachable
from alerts.core.backoff import Backoff, retry_at
from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import ChannelError, MonitorError, Unavailable
from monitor.http.outbound import FAILURES, Allowed, Outbound
from monitor.ids import microseconds, uuid7_named
from monitor.ingest import Ingest
from monitor.ingest.payloads import LogIn
from monitor.live import Live
from monitor.principal import Principal, Scope, TenantStatus
from monitor.schedules import store
from monitor.schedules.store import Claimed
from monitor.schedules.tables import RunStatus

T = TypeVar("T")

AT_ONCE = 64
"""Calls that are on their way at one time, in this process."""
RETRIES = Backoff(
    first=timedelta(seconds=5),
    factor=3.0,
    cap=timedelta(minutes=5),
    attempts=5,
    give_up_after=timedelta(minutes=30),
)
MARGIN = timedelta(seconds=30)
"""How much longer a claim lasts than a call may take: time to mark and log it."""
QUEUE_KEY = "queue:scheduled_jobs"
SHOWN = 1000
"""Runs of the queue that Redis holds at most."""
SHOWN_FOR = timedelta(seconds=10)
TURN = 1.0
"""Seconds for which one turn goes on while there is more to call than there is room for."""
_PAUSE = 0.02
# Seconds between two tries to mark what was called, while the database is away.
_AGAIN = 1.0
_log = structlog.get_logger(__name__)


class Runner:
    """One process' part in calling. `close` after the last `run_once`."""

    def __init__(
        self,
        db: Database,
        ingest: Ingest,
        *,
        clock: Clock,
        rng: Random,
        allowed: Allowed,
        secret: str | None,
        seconds: float,
        registry: CollectorRegistry,
        live: Live,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """`ingest` takes the logs in and is started; `secret` signs the calls; `seconds`: how long one may take.

        `live` shows the queue to whoever looks into Redis.
        """
        self._db = db
        self._ingest = ingest
        self._clock = clock
        self._rng = rng
        self._secret = secret.encode() if secret else None
        self._lease = timedelta(seconds=seconds) + MARGIN
        self._live = live
        self._outbound = Outbound(allowed, seconds=seconds, resolver=resolver)
        self._running: set[asyncio.Task[None]] = set()
        self._finished = Counter(
            "agent_monitor_scheduled_runs", "Scheduled runs that ended, by outcome", ["outcome"], registry=registry
        )

    async def run_once(self, now: datetime) -> int:
        """Plan what is due, and begin to call it, as far as there is room; returns how many were claimed.

        Does not wait for the calls: one that takes long holds nobody up. Where more are due than there is room for,
        it goes on for a while as room is made.
        """
        loop, total = asyncio.get_running_loop(), 0
        end = loop.time() + TURN
        while True:
            await self._plan(now)
            await self._show_queue()
            room = AT_ONCE - len(self._running)
            claimed = await self._begin(now, room) if room else 0
            total += claimed
            if claimed < room or loop.time() >= end:
                return total
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED, timeout=TURN)
            # Let others that are about to end come along.
            await asyncio.sleep(_PAUSE)
            now = self._clock()

    async def _plan(self, now: datetime) -> None:
        while True:
            async with self._db.alerter() as connection:
                if await store.plan_due(connection, now=now) < store.PLANNED_AT_ONCE:
                    return

    async def _begin(self, now: datetime, room: int) -> int:
        async with self._db.alerter() as connection:
            claimed = await store.claim(connection, now=now, until=now + self._lease, at_most=room)
        for run in claimed:
            task = asyncio.create_task(self._handle(run), name=f"run {run.id}")
            self._running.add(task)
            task.add_done_callback(self._done)
        return len(claimed)

    async def _show_queue(self) -> None:
        """Mirror what waits. The table is the queue: nothing reads this back."""
        if self._live.ready:
            async with self._db.alerter() as connection:
                queue = await store.list_queue(connection, at_most=SHOWN)
            shown = [json.dumps(entry) for entry in queue]
            await self._live.replace_list(QUEUE_KEY, shown, seconds=SHOWN_FOR.total_seconds())

    async def settle(self) -> None:
        """Wait until nothing is on its way."""
        while self._running:
            await asyncio.wait(self._running)

    async def close(self) -> None:
        """Let calls that are on their way end, as long as they may take, and close idle connections."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._lease.total_seconds())
        for task in self._running:
            task.cancel()
        await self._outbound.close()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            # The claim expires, and after a few attempts the run counts as failed.
            _log.error("a scheduled run could not be handled", exc_info=fault)

    async def _handle(self, run: Claimed) -> None:
        if run.finished_at is not None:
            await self._write_log(run, run.status, run.http_status, run.error, run.started_at, run.finished_at)
        elif not run.active or run.webhook_url is None:
            at = self._clock()
            await self._insist(lambda connection: store.mark_skipped(connection, run, at=at))
        elif run.attempts > RETRIES.attempts:
            error = ChannelError("it was given up: whoever called it never came to an end", permanent=True)
            await self._settle_call(run, self._clock(), None, error)
        else:
            await self._call(run, run.webhook_url)

    async def _call(self, run: Claimed, url: str) -> None:
        began = self._clock()
        status: int | None = None
        error: ChannelError | None = None
        headers = {"Idempotency-Key": str(run.id), "X-Agent-Monitor-Run": str(run.id)}
        try:
            answer = await self._outbound.post(url, _body(run), headers=headers, secret=self._secret, at=began)
            status = answer.status
            if not answer.ok:
                now = self._clock()
                error = failure("the agent", status, said=answer.said, headers=answer.headers, now=now)
        except FAILURES as fault:
            error = unreachable("the agent", fault)
        await self._settle_call(run, began, status, error)

    async def _settle_call(
        self, run: Claimed, began: datetime, http_status: int | None, error: ChannelError | None
    ) -> None:
        at = self._clock()
        if error is not None and (again := self._again(run, error, at)) is not None:
            said = error.message
            await self._insist(
                lambda connection: store.mark_retry(connection, run, at=again, http_status=http_status, error=said)
            )
            self._finished.labels("retried").inc()
            return
        status = RunStatus.SUCCEEDED if error is None else RunStatus.FAILED
        message = None if error is None else error.message
        ours = await self._insist(
            lambda connection: store.mark_finished(
                connection, run, status, at=at, http_status=http_status, error=message
            )
        )
        if ours:
            self._finished.labels(status).inc()
            await self._write_log(run, status, http_status, message, began, at)

    def _again(self, run: Claimed, error: ChannelError, at: datetime) -> datetime | None:
        """When to call again, or None when that is over."""
        if error.permanent:
            return None
        wait = None if error.retry_after is None else timedelta(seconds=error.retry_after)
        return retry_at(run.attempts, now=at, first_at=run.started_at, rng=self._rng, retry_after=wait, backoff=RETRIES)

    async def _write_log(
        self,
        run: Claimed,
        status: RunStatus,
        http_status: int | None,
        error: str | None,
        began: datetime,
        ended: datetime,
    ) -> None:
        """The run as an execution of its agent, by the way that every log takes. Nothing is done while it is shut:
        the claim expires, and the log is written then."""
        run_id = str(run.id)
        details = {
            "run_id": run_id,
            "due_at": run.due_at.isoformat(),
            "attempts": run.attempts,
            "http_status": http_status,
        }
        log = LogIn(
            status="success" if status is RunStatus.SUCCEEDED else "error",
            message=f"Called by schedule: the agent answered {http_status}" if error is None else error,
            details=details,
            started_at=began.isoformat(),
            completed_at=ended.isoformat(),
            id=run_id,
        )
        log_id: UUID | None = uuid7_named(microseconds(ended), run_id)
        try:
            outcome = await self._ingest.accept_run(_acting_for(run), run.external_id, log, None)
            if outcome.rejected:
                _log.warning("the log of a scheduled run was refused", run=run_id, error=outcome.rejected[0][1])
                log_id = None
        except Unavailable as fault:
            _log.warning("the log of a scheduled run waits", run=run_id, error=fault.message)
            return
        except MonitorError as fault:
            _log.warning("the log of a scheduled run was refused", run=run_id, error=fault.message)
            log_id = None
        await self._insist(lambda connection: store.mark_logged(connection, run, log_id))

    async def _insist(self, mark: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Mark what was done. While the database is away it is tried again: nobody else knows that it was done."""
        give_up = self._clock() + self._lease
        while True:
            try:
                async with self._db.alerter() as connection:
                    return await mark(connection)
            except Unavailable as fault:
                if self._clock() >= give_up:
                    raise
                _log.warning("a scheduled run waits for the database", error=fault.message)
                await asyncio.sleep(_AGAIN)


def _acting_for(run: Claimed) -> Principal:
    """Whoever may write logs of this agent, and nothing else."""
    return Principal(run.tenant_id, TenantStatus.ACTIVE, frozenset({Scope.INGEST}), agent_id=run.agent_id)


def _body(run: Claimed) -> bytes:
    """What the agent is told."""
    told = {
        "run_id": str(run.id),
        "agent": run.external_id,
        "agent_id": str(run.agent_id),
        "due_at": run.due_at.isoformat(),
        "attempt": run.attempts,
        "config": run.config,
    }
    return json.dumps(told, ensure_ascii=False).encode(errors="replace")
