"""A lean HTTP/1.1 client that spends its time waiting: closed loops for rates, a paced open loop for latencies."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np

GRAIN = 0.002
"""Seconds that the event loop's timers may be late: that lateness is ours and not the server's."""


@dataclass
class Load:
    """What was sent and what came back."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    odd: bytes = b""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.statuses.total() / self.seconds

    def percentile(self, percent: float) -> float:
        """Seconds within which this share of requests was answered."""
        return float(np.percentile(self.latencies, percent, method="inverted_cdf"))

    def expect(self, status: int) -> None:
        """Fail unless every answer had this status."""
        assert set(self.statuses) == {status}, f"{dict(self.statuses)}: {self.odd.decode(errors='replace')}"

    def count(self, status: int, body: bytes, seconds: float) -> None:
        """Add one answer."""
        self.statuses[status] += 1
        self.latencies.append(seconds)
        if status >= 300:
            self.odd = body[:500]


def request(url: str, path: str, key: str, body: bytes, *, method: str = "POST") -> bytes:
    """The bytes of a request with a JSON body."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection:
    """One connection that stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> "Connection":
        """Connect to the server of a URL."""
        where = urlsplit(url)
        return cls(*await asyncio.open_connection(where.hostname, where.port, limit=1 << 22))

    async def send(self, data: bytes) -> tuple[int, bytes]:
        """One request; its status and body."""
        self._writer.write(data)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)  # a 204 names none
        return int(head[9:12]), await self._reader.readexactly(length)

    async def lines(self, data: bytes) -> AsyncIterator[bytes]:
        """One request whose answer comes in parts: its lines, as they arrive, to its end."""
        self._writer.write(data)
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head[9:12] == b"200", head.decode(errors="replace")
        while (size := int(await self._reader.readuntil(b"\r\n"), 16)) > 0:
            part = await self._reader.readexactly(size + 2)
            for line in part[:-2].splitlines():
                yield line

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


async def closed(url: str, make: Callable[[], bytes], *, connections: int, until: Callable[[int], bool]) -> Load:
    """Each connection sends its next request when the last is answered, while `until(requests sent)` is false."""
    load = Load()
    opened = [await Connection.open(url) for _ in range(connections)]
    numbers = itertools.count()

    async def work(connection: Connection) -> None:
        while not until(next(numbers)):
            data = make()
            before = time.perf_counter()
            status, body = await connection.send(data)
            load.count(status, body, time.perf_counter() - before)

    started = time.perf_counter()
    await asyncio.gather(*map(work, opened))
    load.seconds = time.perf_counter() - started
    for connection in opened:
        await connection.close()
    return load


def lasting(seconds: float) -> Callable[[int], bool]:
    """An `until` that becomes true after some time."""
    deadline = time.perf_counter() + seconds
    return lambda _sent: time.perf_counter() >= deadline


async def paced(url: str, make: Callable[[], bytes], *, rate: float, seconds: float, connections: int = 64) -> Load:
    """Requests start on time, whether or not earlier ones are answered.

    Latency counts from the time at which a request was due: one that had to wait for a free connection waited for the
    server, and a closed loop would leave that out (coordinated omission).
    """
    load = Load()
    opened = [await Connection.open(url) for _ in range(connections)]
    started = time.perf_counter() + 0.05
    due = iter(started + number / rate for number in range(int(rate * seconds)))

    async def work(connection: Connection) -> None:
        for at in due:
            wait = at - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            now = time.perf_counter()
            data = make()
            status, body = await connection.send(data)
            # A timer that was late by its grain is no delay of the server's.
            load.count(status, body, time.perf_counter() - (now if now - at < GRAIN else at))

    await asyncio.gather(*map(work, opened))
    load.seconds = time.perf_counter() - started
    for connection in opened:
        await connection.close()
    return load
