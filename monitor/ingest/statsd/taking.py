"""The UDP port, and what is kept each interval.

Of several workers, the one that got the port has it: gauges that are moved need one memory. The others look now and
then whether it has become free.
"""

import asyncio
import contextlib
import errno
import socket
from collections import deque
from collections.abc import AsyncIterator, Sequence

import structlog
from prometheus_client import Counter

from monitor.errors import ConfigError, MonitorError, RateLimited, Unavailable
from monitor.ids import microseconds
from monitor.ingest.payloads import MetricIn, Outcome
from monitor.ingest.points import PointDraft
from monitor.ingest.service import Ingest
from monitor.ingest.statsd.lines import parse
from monitor.ingest.statsd.sums import Full, Sums, Value
from monitor.ingest.values import Fault
from monitor.principal import Principal, Scope

PENDING = 30
"""Intervals that are held while nothing can be kept."""

_BUFFER = 4 << 20
_log = structlog.get_logger(__name__)

Batch = Sequence[tuple[int, Value]]
"""Values with the microseconds at which they were summed up."""


@contextlib.asynccontextmanager
async def taking(ingest: Ingest) -> AsyncIterator[None]:
    """Take StatsD in, where it is switched on. Raises ConfigError."""
    settings = ingest.deps.settings
    if settings.statsd_listen is None:
        yield
        return
    if settings.statsd_key is None:
        raise ConfigError("AGENT_MONITOR_STATSD_KEY is not set: StatsD's metrics belong to the tenant of an API key")
    host, _, port = settings.statsd_listen.rpartition(":")
    collector = Statsd(ingest, settings.statsd_key)
    task = asyncio.create_task(collector.run(host.strip("[]"), int(port), settings.statsd_interval), name="statsd")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        await collector.keep()


class Statsd(asyncio.DatagramProtocol):
    """Sums lines up and keeps the sums."""

    def __init__(self, ingest: Ingest, key: str) -> None:
        """`key`: whose the metrics are."""
        self._ingest, self._key = ingest, key
        self._sums = Sums()
        self._pending: deque[Batch] = deque(maxlen=PENDING)
        self.lines = Counter(
            "agent_monitor_statsd_lines", "Lines of StatsD by fate", ["fate"], registry=ingest.deps.registry
        )

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Take one packet: some lines."""
        for line in data.split(b"\n"):
            if line.strip():
                self.lines.labels(self._take(line)).inc()

    def _take(self, line: bytes) -> str:
        try:
            self._sums.add(parse(line.decode().strip()))
        except (Fault, UnicodeDecodeError):
            return "malformed"
        except Full:
            return "dropped"
        return "taken"

    async def run(self, host: str, port: int, seconds: float) -> None:
        """Listen and keep, until cancelled."""
        transport: asyncio.BaseTransport | None = None
        try:
            while True:
                transport = transport or await self._listen(host, port)
                await asyncio.sleep(seconds)
                await self.keep()
        finally:
            if transport is not None:
                transport.close()

    async def _listen(self, host: str, port: int) -> asyncio.BaseTransport | None:
        """The open port; None where another worker has it."""
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            made.setblocking(False)
            made.bind((host, port))
        except OSError as fault:
            made.close()
            if fault.errno != errno.EADDRINUSE:
                _log.error("StatsD cannot listen", host=host, port=port, error=fault.strerror)
            return None
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=made)
        return transport

    async def keep(self) -> None:
        """Keep what was summed up, and what could not be kept before."""
        now_us = microseconds(self._ingest.deps.clock())
        values = self._sums.take()
        if values:
            self._pending.append([(now_us, value) for value in values])
        while self._pending:
            try:
                await self._commit(self._pending[0])
            except (Unavailable, RateLimited) as error:
                _log.warning("StatsD's metrics wait", error=error.message, intervals=len(self._pending))
                return
            except MonitorError as error:
                _log.error("StatsD's metrics are lost", error=error.message)
            self._pending.popleft()

    async def _commit(self, batch: Batch) -> None:
        principal = await self._principal()
        shapes, outcome = self._ingest.shapes.of(principal.tenant_id), Outcome()
        window = self._ingest.window()
        drafts: list[PointDraft] = []
        for row, (now_us, value) in enumerate(batch):
            given = MetricIn(agent=value.agent, kind=value.kind, unit=value.unit, tags=value.tags)
            try:
                at_us = now_us if value.at_s is None else value.at_s * 1_000_000
                shape = shapes.of(given, value.metric)
                drafts.append(PointDraft(row, shape, window.check(at_us, "time"), value.value))
            except Fault as fault:
                outcome.reject(row, str(fault))
        await self._ingest.keep_points(principal, drafts, outcome)
        refused = len(outcome.rejected)
        self._ingest.metrics.rows("statsd", accepted=len(batch) - refused, rejected=refused)
        if refused:
            _log.warning("some of StatsD's metrics are refused", count=refused, first=outcome.rejected[0][1])

    async def _principal(self) -> Principal:
        """Who sends, if it may now."""
        ingest = self._ingest
        principal = await ingest.deps.authenticator.by_key(self._key)
        principal.require(Scope.INGEST)
        now = ingest.deps.clock()
        await ingest.gate.enter(principal.key_id, now=now)
        ingest.disk.check()
        await ingest.residency.check(principal.tenant_id)
        await ingest.meter.enter(principal.tenant_id, now)
        return principal
