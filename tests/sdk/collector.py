"""A collector to test clients against: real HTTP on a thread of its own, which fails as told."""

import asyncio
import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    key: str
    authorization: str
    encoding: str
    size: int
    rows: list[dict[str, Any]]
    at: float


@dataclass
class Failure:
    """What to answer instead of 202; `status` 0 closes the connection without an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    keep: bool = False
    """Keep the rows all the same: an answer that was lost on its way."""


class Collector:
    """Keeps rows once per Idempotency-Key. `failures` are answered first, one request each."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.failures: list[Failure] = []
        self.down = False
        self.delay = 0.0
        self.answer: dict[str, Any] = {}
        self.port = 0
        self._kept: dict[str, Seen] = {}
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rows(self, route: str) -> list[dict[str, Any]]:
        return [row for seen in self._kept.values() if seen.path == f"/api/v1/{route}" for row in seen.rows]

    def attempts(self) -> Counter[str]:
        return Counter(seen.key for seen in self.requests)

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self.port > 0)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/api/v1/{route}", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        await self._stop.wait()
        await runner.cleanup()
        # What still hangs in a delayed answer goes with the loop.
        hanging = asyncio.all_tasks() - {asyncio.current_task()}
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.content.read()
        headers = request.headers
        # aiohttp's server decompresses by itself; the tests' size is that of the content.
        body = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        seen = Seen(
            path=request.path,
            key=headers.get("Idempotency-Key", ""),
            authorization=headers.get("Authorization", ""),
            encoding=headers.get("Content-Encoding", ""),
            size=len(body),
            rows=json.loads(body),
            at=time.monotonic(),
        )
        self.requests.append(seen)
        await asyncio.sleep(self.delay)
        failure = self.failures.pop(0) if self.failures else Failure(503) if self.down else None
        if failure is None or failure.keep:
            self._kept.setdefault(seen.key, seen)
        if failure is None:
            return web.json_response({"accepted": len(seen.rows), "rejected": [], **self.answer}, status=202)
        if failure.status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=failure.status or 500, headers=failure.headers, text=failure.body)


def wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Poll until it holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
