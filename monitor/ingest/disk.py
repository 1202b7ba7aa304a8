"""The disk guard: ingest stops while there is still room to page somebody."""

import asyncio
import shutil
from pathlib import Path

import structlog

from monitor.errors import Full

INTERVAL = 5.0
_log = structlog.get_logger(__name__)


class DiskGuard:
    """Watches the free bytes of the data directory's disk. `ok` is for the system alert, `check` for requests."""

    def __init__(self, path: Path | None, *, reserve: int, interval: float = INTERVAL) -> None:
        """`path` None: the database is elsewhere, nothing is watched. `reserve` in bytes, `interval` in seconds."""
        self._path = path
        self._reserve = reserve
        self._interval = interval
        self._task: asyncio.Task[None] | None = None
        self.free: int | None = None

    @property
    def ok(self) -> bool:
        """Whether there is room, as far as is known."""
        return self.free is None or self.free >= self._reserve

    def check(self) -> None:
        """Raise Full when there is no room."""
        if not self.ok:
            raise Full("the disk is nearly full: nothing is taken in until there is room", retry_after=30)

    async def start(self) -> None:
        """Look once, then again every few seconds."""
        if self._path is None:
            return
        await self._look()
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self._look()

    async def _look(self) -> None:
        if self._path is None:
            return
        before = self.ok
        try:
            self.free = (await asyncio.to_thread(shutil.disk_usage, self._path)).free
        except OSError as fault:
            _log.warning("cannot read the free space of the disk", path=str(self._path), error=str(fault))
            return
        if before and not self.ok:
            _log.error("the disk is nearly full: ingest stops", free=self.free, reserve=self._reserve)
        elif self.ok and not before:
            _log.info("the disk has room again: ingest goes on", free=self.free)
