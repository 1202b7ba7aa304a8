"""Browsers on the first page, without their eyes: `python -m tests.bench.viewers URL KEY HOW_MANY`, until it is ended.

Each follows the event stream and asks for the page's content and its charts as `board.js` does. Says in JSON, a line a
second, what they have had in all.
"""

import asyncio
import itertools
import json
import random
import sys
from collections import Counter

from tests.bench.client import Connection, request

SOON, REFRESH, CHART = 1.5, 15.0, 10.0
"""Seconds, as in `board.js`: from news to the page's content, and between contents and charts without news."""
BOARD, CHARTS, EVENTS = "/console/board", "/console/chart.json?range=1h", "/console/events"


class Viewer:
    """One browser: a connection for its stream, and others for what it asks."""

    def __init__(self, url: str, key: str, had: Counter[str]) -> None:
        self._url, self._key, self._had = url, key, had
        self._news = asyncio.Event()

    async def live(self) -> None:
        """Follow, and ask, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._refresh())
            tasks.create_task(self._draw())

    async def _follow(self) -> None:
        asked = request(self._url, EVENTS, self._key, b"", method="GET")
        while True:
            connection = await Connection.open(self._url)
            async for line in connection.lines(asked):
                if line.startswith(b"event: "):
                    self._had[line[7:].decode().strip()] += 1
                    if line.startswith(b"event: news"):
                        self._news.set()
            self._had["streams ended"] += 1
            await connection.close()

    async def _refresh(self) -> None:
        while True:
            try:
                async with asyncio.timeout(REFRESH):
                    await self._news.wait()
                self._news.clear()
                await asyncio.sleep(SOON)
            except TimeoutError:
                pass
            await self._ask(BOARD)

    async def _draw(self) -> None:
        # People do not come all at once.
        await asyncio.sleep(random.uniform(0, CHART))
        while True:
            await self._ask(CHARTS)
            await asyncio.sleep(CHART)

    async def _ask(self, path: str) -> None:
        # A browser's has been closed by then as well: it was idle for longer than the collector waits.
        connection = await Connection.open(self._url)
        status, body = await connection.send(request(self._url, path, self._key, b"", method="GET"))
        self._had[path.partition("?")[0] if status == 200 else f"{path} {status}"] += 1
        self._had["bytes"] += len(body)
        await connection.close()


async def main(url: str, key: str, how_many: int) -> None:
    """All of them, and their lines."""
    had: Counter[str] = Counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(how_many):
            tasks.create_task(Viewer(url, key, had).live())
        for _ in itertools.count():
            await asyncio.sleep(1)
            print(json.dumps(had), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
