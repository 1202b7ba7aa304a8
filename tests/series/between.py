"""A server between us and InfluxDB, which passes everything on until it is told to misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import StrEnum
from urllib.parse import urlsplit


class Mood(StrEnum):
    """What becomes of a request: passed on, its connection closed, no answer ever, or an error in its place."""

    PASS = "pass"
    CLOSE = "close"
    HANG = "hang"
    BUSY = "503 Service Unavailable"
    LIMITED = "429 Too Many Requests"
    BROKEN = "500 Internal Server Error"


class Between:
    """Listens on a port of its own. `mood` may change at any time; `asked` counts requests."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._far = (parts.hostname, parts.port)
        self._tasks: set[asyncio.Task[None]] = set()
        self.mood = Mood.PASS
        self.asked = 0
        self.url = ""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: request by request, so that a mood holds for the next one."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) != b"":
                self.asked += 1
                if self.mood is Mood.CLOSE:
                    break
                if self.mood is Mood.HANG:
                    await asyncio.sleep(3600)
                if self.mood is not Mood.PASS:
                    await reader.readexactly(_length(head))
                    writer.write(f"HTTP/1.1 {self.mood}\r\nContent-Length: 0\r\n\r\n".encode())
                    continue
                far = far or await asyncio.open_connection(*self._far)
                # One answer for each request, and the far side closes: then its end is the answer's.
                far[1].write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                far[1].write(await reader.readexactly(_length(head)))
                writer.write(await far[0].read())
                break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._tasks.discard(task)
            for one in (writer, far[1] if far else None):
                if one is not None:
                    one.close()

    def stop(self) -> None:
        """End what hangs."""
        for task in self._tasks:
            task.cancel()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


@contextlib.asynccontextmanager
async def between(url: str) -> AsyncIterator[Between]:
    """Stand between."""
    made = Between(url)
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        made.stop()
