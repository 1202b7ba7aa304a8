"""What goes on at a tenant, as server-sent events: one look a second, however many browsers watch."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.console.agent import path_of
from monitor.db import Database
from monitor.errors import MonitorError

EVERY = 1.0
"""Seconds between two looks."""
LASTS = 60.0
"""Seconds after which a stream ends: the browser comes back, and has to show anew who it is."""
BEAT = 5.0
"""Seconds of silence after which a stream says that it is alive."""
_log = structlog.get_logger(__name__)
_LOOK = text("""
    SELECT a.id, a.external_id, l.last_seen_at,
           (SELECT e.id FROM alert_events e WHERE e.tenant_id = :tenant ORDER BY e.id DESC LIMIT 1)
    FROM (SELECT) AS nothing
    LEFT JOIN LATERAL (
        SELECT l.agent_id, l.last_seen_at FROM agent_live l
        JOIN agents a ON a.tenant_id = l.tenant_id AND a.id = l.agent_id
        WHERE l.tenant_id = :tenant AND a.agent_type <> 'host' AND a.deleted_at IS NULL
        ORDER BY l.last_seen_at DESC NULLS LAST, l.agent_id LIMIT 1
    ) l ON true
    LEFT JOIN agents a ON a.tenant_id = :tenant AND a.id = l.agent_id
""")


@dataclass(frozen=True, slots=True)
class News:
    """What there is at a time: the agent that spoke last and when, None for one that never did. `alerts` changes with
    any of them."""

    agent_id: UUID | None
    agent: str | None
    seen_at: datetime | None
    alerts: UUID | None

    def encoded(self) -> bytes:
        """As an event `news`."""
        path = None if self.agent is None or self.agent_id is None else path_of(self.agent, self.agent_id)
        seen = None if self.seen_at is None else self.seen_at.isoformat()
        data = json.dumps({"agent": self.agent, "path": path, "seen_at": seen})
        return f"event: news\ndata: {data}\n\n".encode()


async def look(connection: AsyncConnection, tenant_id: UUID) -> News:
    """What there is now, in the tenant's transaction."""
    return News(*(await connection.execute(_LOOK, {"tenant": tenant_id})).one())


class _Watch:
    """One tenant's: who waits, and what was seen last."""

    def __init__(self) -> None:
        self.waiting: set[asyncio.Queue[News]] = set()
        self.last: News | None = None
        self.task: asyncio.Task[None] | None = None


class Watches:
    """All that is watched in this process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._watches: dict[UUID, _Watch] = {}

    async def events(self, tenant_id: UUID, *, lasts: float = LASTS) -> AsyncIterator[bytes]:
        """The body of a stream that lasts so many seconds: what there is at once, then whatever is new."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + lasts
        yield b"retry: 2000\n\n"
        async with self._following(tenant_id) as queue:
            while (left := ends - loop.time()) > 0:
                try:
                    yield (await asyncio.wait_for(queue.get(), min(BEAT, left))).encoded()
                except TimeoutError:
                    yield b"event: beat\ndata:\n\n"

    def watched(self, tenant_id: UUID) -> set[asyncio.Queue[News]]:
        """Who watches a tenant."""
        found = self._watches.get(tenant_id)
        return set() if found is None else set(found.waiting)

    @asynccontextmanager
    async def _following(self, tenant_id: UUID) -> AsyncIterator[asyncio.Queue[News]]:
        watch = self._watches.setdefault(tenant_id, _Watch())
        # Of what a browser was too slow for, the newest is enough.
        queue = asyncio.Queue[News](maxsize=1)
        watch.waiting.add(queue)
        if watch.last is not None:
            queue.put_nowait(watch.last)
        if watch.task is None:
            watch.task = asyncio.create_task(self._look(tenant_id, watch), name=f"watch {tenant_id}")
        try:
            yield queue
        finally:
            watch.waiting.discard(queue)
            if not watch.waiting and self._watches.get(tenant_id) is watch:
                del self._watches[tenant_id]
                watch.task.cancel()

    async def _look(self, tenant_id: UUID, watch: _Watch) -> None:
        while True:
            found = watch.last
            try:
                async with self._db.tenant(tenant_id) as connection:
                    found = await look(connection, tenant_id)
            except MonitorError as fault:
                # The database does not answer: those who wait are told that nothing is new, until it does.
                _log.warning("watching.failed", tenant_id=str(tenant_id), fault=str(fault))
            if found is not None and found != watch.last:
                watch.last = found
                for queue in watch.waiting:
                    if queue.full():
                        queue.get_nowait()
                    queue.put_nowait(found)
            await asyncio.sleep(EVERY)
