"""Group commit: while one transaction is on its way, requests gather for the next one.

A writer with a connection of its own takes what has gathered. A request is answered after its commit.
A batch that fails is tried again request by request, so that a poisoned one fails alone. When the database is gone,
everybody is told to come again, and the next batch finds a new connection by itself.
"""

import asyncio
import time
from collections import deque
from typing import Any

import psycopg
import structlog
from psycopg.pq import TransactionStatus

from monitor.db import Database, Role, translated
from monitor.errors import DatabaseDown, Full, InvalidInput, MonitorError, Unavailable
from monitor.ingest.commit import Job, commit
from monitor.ingest.idempotency import Repeated
from monitor.ingest.metrics import IngestMetrics
from monitor.pipeline import Pipeline
from monitor.series.store import SeriesStore

# One: while its transaction is on its way, all that comes gathers for the next. A second one halves the gathering:
# on two cores 50,000 points/s in the place of 70,000, and no more logs.
WRITERS = 1
BATCH_WEIGHT = 20_000
# So much is not parted: about what a commit costs whatever is in it.
TOGETHER = 200
QUEUE_WEIGHT = 400_000
# Connections that a pool kept from before a restart of the database fail one by one.
ATTEMPTS = 25
# Seconds: how long requests wait for a new connection, and after what rest one is tried before use.
PATIENCE = 1.0
REST = 1.0
_BAD_INPUT = ("22", "23", "54")  # data exception, integrity, program limit exceeded
_log = structlog.get_logger(__name__)

Connection = psycopg.AsyncConnection[Any]


class Batcher:
    """Takes jobs, commits them in groups. One for each process, started and closed by `Ingest`."""

    def __init__(self, db: Database, series: SeriesStore, metrics: IngestMetrics, *, writers: int = WRITERS) -> None:
        """`writers`: transactions at one time."""
        self._db = db
        self._series = series
        self._metrics = metrics
        self._writers = writers
        # Jobs with their weights.
        self._queue: deque[tuple[int, Job]] = deque()
        self._queued = 0
        metrics.queued.set_function(lambda: self._queued)
        self._ready = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the writers. They connect when there is something to write."""
        # Once: asking for the running loop is a system call (getpid) each time, as dear as decoding a log.
        self._loop = asyncio.get_running_loop()
        self._tasks = [asyncio.create_task(self._supervise()) for _ in range(self._writers)]

    async def close(self) -> None:
        """Commit what waits, take no more, and stop."""
        self._closing = True
        self._ready.set()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def submit(self, job: Job) -> None:
        """Return when the job is committed.

        Raises Full when too much waits, DatabaseDown when it was not or perhaps not committed, Repeated, or
        InvalidInput when the database refuses its rows.
        """
        weight = job.weight
        if self._closing:
            raise Unavailable("the collector is shutting down")
        if self._queued + weight > QUEUE_WEIGHT and self._queue:
            raise Full("too many rows wait to be stored")
        job.done = self._loop.create_future()
        self._queue.append((weight, job))
        self._queued += weight
        self._ready.set()
        # A client that goes away cancels its future, which the batch then passes over; its rows are stored.
        await job.done

    async def _supervise(self) -> None:
        """Keep one writer going: a fault of ours in one batch must not end the taking in of all others."""
        while not (self._closing and not self._queue):
            writer = asyncio.create_task(self._write())
            try:
                await asyncio.wait({writer})
            finally:
                writer.cancel()
            if not writer.cancelled() and (fault := writer.exception()) is not None:
                _log.error("a writer failed", exc_info=fault)

    async def _write(self) -> None:
        failures, since = 0, 0.0
        while await self._some():
            try:
                async with self._db.driver(Role.APP) as connection:
                    await _prove(connection)
                    failures = 0
                    await self._serve(connection, Pipeline(connection))
            except DatabaseDown as fault:
                since = since if failures else time.monotonic()
                failures += 1
                if failures >= ATTEMPTS or time.monotonic() - since > PATIENCE:
                    failures = 0
                    self._fail(self._take(everything=True), fault)

    async def _some(self) -> bool:
        """Wait for something to write; False at the end."""
        while not self._queue:
            if self._closing:
                return False
            self._ready.clear()
            await self._ready.wait()
        return True

    async def _serve(self, connection: Connection, pipeline: Pipeline) -> None:
        """Commit batch after batch on one connection. Raises DatabaseDown when it is lost."""
        used, answered = time.monotonic(), 0
        while await self._some():
            # After a rest, see whether the connection still works before a batch is risked on it.
            if time.monotonic() - used > REST:
                await _prove(connection)
            used = time.monotonic()
            # Let those who arrived in the same turn of the loop come along.
            await asyncio.sleep(0)
            # Those who were answered last are about to come again. Half of all is taken, so that this process reads the
            # other half while the database writes: with all in one batch each would wait for the other in turn.
            batch = self._take(max(TOGETHER, (answered + self._queued) // 2))
            answered = sum(job.weight for job in batch)
            if batch:
                await self._settle(connection, pipeline, batch)

    def _take(self, most: int = BATCH_WEIGHT, *, everything: bool = False) -> list[Job]:
        """Jobs of at most BATCH_WEIGHT, and not many more than `most`."""
        batch: list[Job] = []
        total = 0
        while self._queue and (everything or not batch or (total < most and total + self._queue[0][0] <= BATCH_WEIGHT)):
            weight, job = self._queue.popleft()
            total += weight
            batch.append(job)
        self._queued -= total
        return batch

    async def _settle(self, connection: Connection, pipeline: Pipeline, batch: list[Job]) -> None:
        """Commit a batch and tell its requests; after a failure each by itself."""
        try:
            fault = await self._try(connection, pipeline, batch)
            if fault is None:
                return
            if len(batch) > 1 or _is_busy(fault):
                for job in batch:
                    fault = await self._try(connection, pipeline, [job])
                    if fault is not None:
                        self._metrics.poisoned.inc()
                        self._fail([job], fault)
            else:
                self._fail(batch, fault)
        finally:
            # Reached with open futures only through a fault of ours, which the supervisor reports.
            self._fail(batch, MonitorError("the rows could not be stored"))

    async def _try(self, connection: Connection, pipeline: Pipeline, batch: list[Job]) -> Exception | None:
        """Commit: None when it is done, else what to tell. Raises DatabaseDown after telling, when the connection
        is lost: then nobody knows whether the commit took place."""
        started = time.perf_counter()
        try:
            with translated():
                await commit(pipeline, self._series, batch)
        except (MonitorError, Repeated, psycopg.Error) as fault:
            if connection.closed or connection.pgconn.transaction_status != TransactionStatus.IDLE:
                lost = DatabaseDown("the database went away while the rows were being stored")
                self._fail(batch, lost)
                raise lost from fault
            return _told(fault)
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.requests_per_commit.observe(len(batch))
        for job in batch:
            if not job.done.done():
                job.done.set_result(None)
        return None

    def _fail(self, batch: list[Job], fault: Exception) -> None:
        for job in batch:
            if not job.done.done():
                job.done.set_exception(fault)


async def _prove(connection: Connection) -> None:
    """Raise DatabaseDown unless the connection works."""
    with translated():
        await connection.execute("SELECT 1")
        await connection.rollback()


def _is_busy(fault: Exception) -> bool:
    return isinstance(fault, DatabaseDown)


def _told(fault: Exception) -> Exception:
    """What a request is told of a failure of its rows."""
    cause = fault.__cause__ if isinstance(fault, MonitorError) else fault
    if isinstance(cause, psycopg.errors.CheckViolation) and "no partition" in str(cause):
        return Unavailable("there is no partition for that day yet", retry_after=60)
    if isinstance(fault, psycopg.Error):
        state = fault.sqlstate or ""
        if state[:2] in _BAD_INPUT:
            return InvalidInput(f"the database refuses these rows: {fault.diag.message_primary}")
        _log.error("rows could not be stored", sqlstate=state, exc_info=fault)
        return MonitorError("the rows could not be stored")
    return fault
