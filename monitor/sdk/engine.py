"""What is sent when: a bounded queue, batches, retries. One engine for threads and for asyncio, without I/O."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import uuid4

from monitor.sdk.surroundings import log
from monitor.sdk.wire import Batch, Outcome, Route, refused

_ROW_OVERHEAD = 64  # bytes that Python needs beside a row's own
_RETRIED = frozenset([408, 425, 429])
_FIRST_WAIT, _LONGEST_WAIT, _LONGEST_ASKED = 0.5, 60.0, 300.0
# A server that is down answers 502, 503 or nothing. 500 for one batch again and again is the batch's fault.
_ATTEMPTS_AT_500 = 10


class Drop(StrEnum):
    """What gives way when the queue is full."""

    OLDEST = "oldest"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes of queue and batches; times in seconds."""

    queue_rows: int = 100_000
    queue_bytes: int = 16 << 20
    batch_rows: int = 1000
    batch_bytes: int = 1 << 20
    interval: float = 1.0
    drop: Drop = Drop.OLDEST


@dataclass(frozen=True, slots=True)
class Send:
    """Send this batch now, then call `settle`."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do for so many seconds; None: until woken."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Stop:
    """Closed, and nothing is left or the time is up."""


@dataclass(slots=True)
class _Queue:
    rows: deque[bytes] = field(default_factory=deque)
    size: int = 0
    since: float = 0.0


class Engine:
    """All state of one client. Every method is quick, and safe from any thread. `now` is monotonic, in seconds."""

    def __init__(self, limits: Limits, *, jitter: Callable[[], float]) -> None:
        """`jitter` gives numbers in [0, 1)."""
        self.dropped = 0
        self.rejected = 0
        self.stopped = False
        self._limits, self._jitter = limits, jitter
        # Re-entrant: a garbage collection inside may log, and logging may end in `put`.
        self._lock = threading.RLock()
        self._queues = {route: _Queue() for route in Route}
        self._rows = self._bytes = 0  # queued and in flight
        self._batch: Batch | None = None
        self._attempt, self._not_before = 0, 0.0
        self._hurry, self._deadline = False, float("inf")
        self._beat: Callable[[], bytes] | None = None
        self._beat_every, self._beat_at = 0.0, float("inf")
        self._warned: set[str] = set()

    @property
    def idle(self) -> bool:
        """Whether nothing is queued or in flight."""
        return self._rows == 0

    @property
    def held(self) -> tuple[int, int]:
        """Rows, and bytes with overhead, that are kept in memory."""
        return self._rows, self._bytes

    def put(self, route: Route, row: bytes, now: float) -> bool:
        """Queue one row, at the expense of others when full. Returns whether the sender should be woken."""
        size = len(row) + _ROW_OVERHEAD
        with self._lock:
            before = self.dropped
            queue = self._queues[route]
            fits = len(row) <= self._limits.batch_bytes and self._make_room(route, size)
            if fits:
                wake = not queue.rows
                queue.since = now if wake else queue.since
                queue.rows.append(row)
                queue.size += size
                self._rows += 1
                self._bytes += size
                wake = wake or self._full(queue)
            else:
                wake = False
                self.dropped += 1
            lost = self.dropped - before
        if lost:
            self._warn("full", "the queue is full or a row too large: rows are dropped (see Monitor.dropped)")
        return wake

    def beat(self, every: float, row: Callable[[], bytes], now: float) -> None:
        """Queue `row()` now and every so many seconds; one that waits to be sent is enough."""
        with self._lock:
            self._beat, self._beat_every, self._beat_at = row, every, now
            self._queue_beat(now)

    def hurry(self) -> None:
        """Do not wait for full batches until everything is sent."""
        with self._lock:
            self._hurry = not self.idle

    def close(self, deadline: float) -> None:
        """Stop as soon as everything is sent, and at `deadline` in any case."""
        with self._lock:
            self._hurry, self._deadline, self._beat = True, deadline, None

    def poll(self, now: float) -> Send | Wait | Stop:
        """What to do next."""
        with self._lock:
            self._queue_beat(now)
            if self._deadline < float("inf") and (self.idle or now >= self._deadline):
                self.stopped = True
                return Stop()
            if self._batch is None:
                self._batch = self._take(now)
            if self._batch is None:
                self._hurry = self._hurry and not self.idle
                return self._wait(now)
            if now < self._not_before:
                return Wait(min(self._not_before, self._deadline) - now)
            return Send(self._batch)

    def settle(self, outcome: Outcome, now: float) -> None:
        """Record how the batch of the last `Send` fared: done, again later, or given up."""
        with self._lock:
            batch, status = self._batch, outcome.status
            if batch is None:
                return
            self._attempt += 1
            passing = status is None or status in _RETRIED or status >= 500
            if passing and not (status == 500 and self._attempt >= _ATTEMPTS_AT_500):
                self._not_before = now + self._pause(outcome)
            else:
                self._batch, self._attempt, self._not_before = None, 0, 0.0
                self._rows -= len(batch.rows)
                self._bytes -= batch.size
        said = outcome.error or f"HTTP {status}"
        if passing and self._batch is batch:
            self._warn("down", f"the collector does not take data ({said}): rows wait and are sent again")
        else:
            self._account(batch, outcome)

    def abandon(self) -> None:
        """Give up what is left, and count it."""
        with self._lock:
            left, self._rows, self._bytes, self._batch = self._rows, 0, 0, None
            self._queues = {route: _Queue() for route in Route}
            self.dropped += left
        if left:
            log.warning("%d rows could not be sent before the end", left)

    def refuse(self, why: str) -> None:
        """Count a row that cannot be sent at all, and say so once."""
        self.rejected += 1
        self._warn("refused", f"a row was left out (said once): {why[:500]}")

    def _make_room(self, route: Route, size: int) -> bool:
        limits = self._limits
        while self._rows >= limits.queue_rows or self._bytes + size > limits.queue_bytes:
            # A row gives way to its own kind first: a flood of metrics must not cost the logs.
            order = (route, Route.METRICS, Route.HEARTBEATS, Route.LOGS, Route.TASKS)
            queue = next((self._queues[kind] for kind in order if self._queues[kind].rows), None)
            if limits.drop is Drop.NEWEST or queue is None:
                return False
            gone = len(queue.rows.popleft()) + _ROW_OVERHEAD
            queue.size -= gone
            self._rows -= 1
            self._bytes -= gone
            self.dropped += 1
        return True

    def _full(self, queue: _Queue) -> bool:
        return len(queue.rows) >= self._limits.batch_rows or queue.size >= self._limits.batch_bytes

    def _take(self, now: float) -> Batch | None:
        due = [
            (queue.since, route)
            for route, queue in self._queues.items()
            if queue.rows and (self._hurry or self._full(queue) or now - queue.since >= self._limits.interval)
        ]
        if not due:
            return None
        route = min(due)[1]
        queue, size, length = self._queues[route], 0, 2
        rows: list[bytes] = []
        while queue.rows and len(rows) < self._limits.batch_rows:
            length += len(queue.rows[0]) + 1
            if rows and length > self._limits.batch_bytes:
                break
            rows.append(queue.rows.popleft())
            size += len(rows[-1]) + _ROW_OVERHEAD
        queue.size -= size
        queue.since = now
        return Batch(route, tuple(rows), size, str(uuid4()))

    def _wait(self, now: float) -> Wait:
        times = [queue.since + self._limits.interval for queue in self._queues.values() if queue.rows]
        if self._beat is not None:
            times.append(self._beat_at)
        return Wait(max(0.0, min(times) - now) if times else None)

    def _queue_beat(self, now: float) -> None:
        if self._beat is None or now < self._beat_at:
            return
        self._beat_at = now + self._beat_every
        if not self._queues[Route.HEARTBEATS].rows:
            self.put(Route.HEARTBEATS, self._beat(), now)

    def _pause(self, outcome: Outcome) -> float:
        asked = outcome.retry_after
        if asked is not None and asked.strip().isdecimal():
            return min(float(asked), _LONGEST_ASKED) + self._jitter()
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(self._attempt - 1, 16))
        return longest * (0.5 + 0.5 * self._jitter())

    def _account(self, batch: Batch, outcome: Outcome) -> None:
        """Count and name what the collector refused."""
        wrong = refused(outcome.body)
        ok = outcome.status is not None and 200 <= outcome.status < 300
        if ok:
            self._warned.discard("down")
        elif outcome.status != 422 or not wrong:
            self.dropped += len(batch.rows)
            said = outcome.body[:200].decode(errors="replace")
            self._warn(f"status {outcome.status}", f"the collector refused a batch: HTTP {outcome.status} {said}")
            return
        if wrong:
            self.rejected += len(wrong)
            log.warning("the collector rejected %d rows: %s", len(wrong), "; ".join(wrong[:5]))

    def _warn(self, about: str, message: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            log.warning("%s", message)
