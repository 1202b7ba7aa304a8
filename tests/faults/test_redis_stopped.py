"""Redis is stopped, started, flushed and made to hang under load: nobody is refused, nobody is told anything old."""

import asyncio
import itertools
import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text

from tests.factories import TenantMade
from tests.faults.clients import Fleet, check_all_kept_once
from tests.faults.test_alerter_killed import report
from tests.servers.redis import RedisServer, flush
from tests.stage import Stage, until

pytestmark = pytest.mark.accept

# Seconds: how old a status may be, and how long one stays, so that an older one is seen to be wrong.
OLDEST = 10.0
STAYS = 13.0
ROUNDS = 2
WATCHED = "watched"


@dataclass
class Truth:
    """What the watched agent's last execution came to, and since when: changed by one, looked at by many."""

    history: list[tuple[float, float, str]] = field(default_factory=list)
    looks: int = 0
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def could_be(self, status: str, *, asked: float, answered: float) -> bool:
        """Whether this was so at some moment between `OLDEST` before the question and the answer."""
        # A status is so from when it was sent at the earliest, until the next one was accepted at the latest.
        ends = [accepted for _, accepted, _ in self.history[1:]] + [answered]
        return any(
            one == status and sent <= answered and end >= asked - OLDEST
            for (sent, _, one), end in zip(self.history, ends, strict=True)
        )

    def look(self, status: str, *, asked: float, where: str) -> None:
        """Note one answer."""
        answered = time.monotonic()
        self.looks += 1
        self.slowest = max(self.slowest, answered - asked)
        if not self.could_be(status, asked=asked, answered=answered):
            self.wrong.append(f"{where} says {status} at {answered:.1f}: {self.history[-2:]}")


async def alternate(session: aiohttp.ClientSession, truth: Truth) -> None:
    """Fail, stay so, succeed, stay so."""
    for status in itertools.cycle(["error", "success"]):
        sent = time.monotonic()
        await report(session, WATCHED, status, 1)
        truth.history.append((sent, time.monotonic(), status))
        await asyncio.sleep(STAYS)


async def watch(session: aiohttp.ClientSession, truth: Truth) -> None:
    """Ask for the status over and over; every answer must be one."""
    while True:
        asked = time.monotonic()
        async with session.get(f"/api/v1/agents/{WATCHED}/status") as answer:
            body: dict[str, Any] = await answer.json()
            assert answer.status == 200, body
        truth.look(body["last_status"], asked=asked, where="the API")
        await asyncio.sleep(0.05)


async def peek(server: RedisServer, agent_id: UUID, truth: Truth) -> None:
    """Look at the key itself, whenever it is there."""
    words = {"online": "success", "error": "error"}
    while True:
        asked = time.monotonic()
        async with Redis.from_url(server.url, decode_responses=True, socket_timeout=1) as redis:
            try:
                status = await redis.get(f"agent:{agent_id}:status")
            except RedisError:
                status = None
        if status is not None:
            truth.look(words[str(status)], asked=asked, where="Redis")
        await asyncio.sleep(0.1)


async def trouble(server: RedisServer) -> None:
    """Stop it, start it, flush it, let it hang."""
    for _ in range(ROUNDS):
        await asyncio.sleep(4)
        server.kill()
        await asyncio.sleep(12)
        await server.start()
        for _ in range(5):
            await asyncio.sleep(1)
            await flush(server.url)
        # Long enough to be filled before, and for what it then holds to become wrong meanwhile.
        await asyncio.sleep(2)
        os.kill(server.pid, signal.SIGSTOP)
        await asyncio.sleep(15)
        os.kill(server.pid, signal.SIGCONT)
    await asyncio.sleep(4)


async def figure(session: aiohttp.ClientSession, name: str) -> float:
    """One of the collector's own figures, all labels together."""
    async with session.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def test_nobody_notices_that_redis_comes_and_goes(stage: Stage, tenant: TenantMade) -> None:
    server = await RedisServer(stage.folder / "redis").start()
    given = {"redis_url": server.url, "rate_limit": "1000000/minute"}
    collectors = [await stage.collector(**given).start() for _ in range(2)]
    truth = Truth()
    async with (
        aiohttp.ClientSession(collectors[0].url, headers=tenant.headers) as one,
        aiohttp.ClientSession(collectors[1].url, headers=tenant.headers) as other,
    ):
        changing = asyncio.create_task(alternate(one, truth))
        await until(lambda: len(truth.history) > 0)
        async with stage.db.tenant(tenant.id) as connection:
            agent_id = (await connection.execute(text("SELECT id FROM agents"))).scalar_one()
        tasks = [changing, *(asyncio.create_task(watch(session, truth)) for session in (one, other))]
        tasks.append(asyncio.create_task(peek(server, agent_id, truth)))
        async with Fleet(collectors[0].url, tenant.key, pause=0.05) as fleet:
            await trouble(server)
            await fleet.finish()
        ended = [task for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert ended == [], results
        hits = await figure(other, "agent_monitor_redis_hits_total")
        errors = await figure(other, "agent_monitor_redis_errors_total")
    server.kill()
    for collector in collectors:
        collector.check()
    ledger = fleet.ledger
    print(f"{truth.looks} looks, slowest {truth.slowest:.2f} s; {hits:.0f} hits, {errors:.0f} errors; {ledger.answers}")
    assert truth.wrong == []
    assert (set(ledger.answers), ledger.broken, ledger.odd) == ({202}, 0, [])
    assert truth.looks > 500
    assert hits > 50, "it was used in between"
    assert errors >= 2 * ROUNDS - 1, "it was missed in between"
    await check_all_kept_once(stage.db, tenant.id, ledger)
