"""Agents that send until they are told that it is kept, and remember what they were told."""

import asyncio
import itertools
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
from sqlalchemy import text

from monitor.db import Database

RETRY_SECONDS = 0.05
ANSWER_SECONDS = 30.0


@dataclass
class Ledger:
    """What was sent and acknowledged, and every answer on the way."""

    logs: dict[str, list[str]] = field(default_factory=dict)
    points: dict[str, list[int]] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    refused_without_when: int = 0
    broken: int = 0
    odd: list[str] = field(default_factory=list)
    last_accepted: float = 0.0

    @property
    def acknowledged(self) -> int:
        """Rows that were acknowledged."""
        return sum(map(len, self.logs.values())) + sum(map(len, self.points.values()))

    def count(self, status: int, headers: Any, body: str) -> bool:
        """Note an answer; whether it says that the rows are kept."""
        self.answers[status] += 1
        if status == 503 and "Retry-After" not in headers:
            self.refused_without_when += 1
        if status not in {202, 503}:
            self.odd.append(f"{status}: {body[:300]}")
        if status == 202:
            self.last_accepted = time.monotonic()
        return status == 202


class Fleet:
    """Several agents at once, each posting logs with ids of its own and points at times of its own.

    A request that failed in any way is sent again, the same body, until it is accepted; so in the end all that was
    sent must be there, and each row once.
    """

    def __init__(self, url: str, key: str, *, agents: int = 8, pause: float = 0.01, name: str = "agent") -> None:
        """`pause`: seconds between two requests of one agent. `name`: how the agents' names begin."""
        self.ledger = Ledger()
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._names = [f"{name}-{number:02d}" for number in range(agents)]
        self._pause = pause
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Fleet":
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        self._session = aiohttp.ClientSession(self._url, headers=self._headers, connector=connector, timeout=timeout)
        self._tasks = [asyncio.create_task(work(name)) for name in self._names for work in (self._log, self._measure)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def finish(self, *, seconds: float = 60) -> None:
        """Let everybody finish what they are sending, and stop."""
        self._stopping = True
        await asyncio.wait_for(asyncio.gather(*self._tasks), seconds)

    async def _log(self, agent: str) -> None:
        chance = random.Random(agent)
        mine = self.ledger.logs[agent] = []
        for number in itertools.count():
            if self._stopping:
                return
            ids = [f"{agent}-{number}-{part}" for part in range(chance.randint(1, 5))]
            rows = [
                {"agent": agent, "id": one, "status": chance.choice(["success", "error", "warning"]), "duration": 5,
                 "completed_at": time.time()}
                for one in ids
            ]  # fmt: skip
            # Half of the requests carry a key as well: both ways of repeating must keep rows single.
            headers = {"Idempotency-Key": ids[0]} if number % 2 else {}
            await self._send("/api/v1/logs", rows, headers)
            mine += ids
            await asyncio.sleep(self._pause)

    async def _measure(self, agent: str) -> None:
        mine = self.ledger.points[agent] = []
        while not self._stopping:
            # Whole milliseconds, so that the time survives as a JSON number.
            start = time.time_ns() // 1_000_000
            times = [start - part for part in range(10)]
            rows = [{"agent": agent, "metric": "load", "value": at % 1000, "timestamp": at / 1000} for at in times]
            await self._send("/api/v1/metrics", rows, {})
            mine += times
            # No two requests may share a time: they would overwrite each other, rightly.
            await asyncio.sleep(max(self._pause, 0.012))

    async def _send(self, path: str, rows: list[dict[str, Any]], headers: dict[str, str]) -> None:
        while True:
            try:
                async with self._session.post(path, json=rows, headers=headers) as answer:
                    if self.ledger.count(answer.status, answer.headers, await answer.text()):
                        return
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                self.ledger.broken += 1
            await asyncio.sleep(RETRY_SECONDS)


_AS = text("SELECT set_config('app.current_tenant_id', :id, true)")
_LOGS = text("""
    SELECT external_id, count(*) AS copies FROM agent_logs
    WHERE tenant_id = :tenant AND external_id IS NOT NULL GROUP BY 1
""")
_POINTS = text("""
    SELECT a.external_id, (extract(epoch FROM p.at) * 1000)::bigint AS ms, count(*)
    FROM (SELECT tenant_id, series_id, at FROM samples
          UNION ALL
          SELECT tenant_id, series_id, hour + interval '30 minutes' + u.t * interval '1 microsecond'
          FROM sample_chunks, unnest(t) AS u (t)) p
    JOIN series s ON s.tenant_id = p.tenant_id AND s.id = p.series_id
    JOIN agents a ON a.tenant_id = p.tenant_id AND a.id = s.agent_id
    WHERE p.tenant_id = :tenant AND s.metric = :metric GROUP BY 1, 2
""")
_STREAKS = text("""
    WITH ordered AS (
        SELECT agent_id, id, status,
               (max(id::text) FILTER (WHERE status <> 'error') OVER (PARTITION BY agent_id))::uuid AS last_ok
        FROM (SELECT tenant_id, agent_id, id, status FROM agent_logs WHERE tenant_id = :tenant AND kind = 'execution') l
    ), streaks AS (
        SELECT agent_id, count(*) FILTER (WHERE last_ok IS NULL OR id > last_ok) AS streak,
               (array_agg(id ORDER BY id DESC))[1] AS newest FROM ordered GROUP BY 1
    )
    SELECT count(*) FROM streaks s JOIN agent_live v ON v.tenant_id = :tenant AND v.agent_id = s.agent_id
    WHERE v.consecutive_failures <> s.streak OR v.last_execution_id <> s.newest
""")


async def check_all_kept_once(db: Database, tenant_id: UUID, ledger: Ledger) -> None:
    """Every acknowledged row is stored, none twice, none that was not sent; and the live state is theirs."""
    await check_logs_kept_once(db, tenant_id, [ledger])
    given = {"tenant": tenant_id, "metric": "load"}
    async with db.owner() as owner:
        await owner.execute(_AS, {"id": str(tenant_id)})
        points = {(agent, ms): n for agent, ms, n in await owner.execute(_POINTS, given)}
    assert points == {(agent, ms): 1 for agent, times in ledger.points.items() for ms in times}


async def check_logs_kept_once(db: Database, tenant_id: UUID, ledgers: list[Ledger]) -> None:
    """The same of the logs alone, which are in PostgreSQL wherever the points are."""
    given = {"tenant": tenant_id}
    async with db.owner() as owner:
        await owner.execute(_AS, {"id": str(tenant_id)})
        logs = {row.external_id: row.copies for row in await owner.execute(_LOGS, given)}
        wrong = (await owner.execute(_STREAKS, given)).scalar()
    sent = (ids for ledger in ledgers for ids in ledger.logs.values())
    assert logs == dict.fromkeys(itertools.chain(*sent), 1)
    assert wrong == 0, "agents whose streak or last execution is not what their stored logs say"
