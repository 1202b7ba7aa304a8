"""Agents' live state in Redis: what is written, when it ends, and that nobody is told anything wrong by it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from monitor.agents import mirror as module
from monitor.agents.mirror import Mirror, Reading
from monitor.agents.presence import get_live
from monitor.db import Database
from monitor.live import Live
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.application import serving
from tests.servers.redis import RedisServer
from tests.stage import until


class World:
    """A collector, its tenant, and Redis as somebody else sees it."""

    def __init__(self, db: Database, client: httpx.AsyncClient, tenant: TenantMade, redis: Redis) -> None:
        self.db = db
        self.client = client
        self.tenant = tenant
        self.redis = redis

    async def post(self, path: str, *rows: dict[str, Any]) -> None:
        answer = await self.client.post(f"/api/v1/{path}", json=list(rows), headers=self.tenant.headers)
        assert answer.status_code == 202, answer.text

    async def get(self, agent: str, *, tenant: TenantMade | None = None) -> httpx.Response:
        headers = (tenant or self.tenant).headers
        return await self.client.get(f"/api/v1/agents/{agent}/status", headers=headers)

    async def id_of(self, agent: str) -> UUID:
        async with self.db.tenant(self.tenant.id) as connection:
            return (await get_live(connection, self.tenant.id, agent, datetime.now(UTC))).id

    async def change(self, assignment: str) -> None:
        """Behind everybody's back, so that only PostgreSQL knows."""
        async with self.db.tenant(self.tenant.id) as connection:
            await connection.execute(text(f"UPDATE agent_live SET {assignment}"))

    async def has(self, key: str, value: str | None) -> None:
        async def there() -> bool:
            return bool(await self.redis.get(key) == value)

        await until(there)

    async def asked(self, agent: str) -> None:
        """Ask until the answer is remembered: what a commit brings into Redis takes an older answer away."""
        key = f"tenant:{self.tenant.id}:agent:{agent}:status"

        async def there() -> bool:
            assert (await self.get(agent)).status_code == 200
            return bool(await self.redis.exists(key))

        await until(there)


@pytest.fixture
async def world(db: Database, clock: SettableClock, redis_url: str, redis: Redis) -> AsyncIterator[World]:
    async with serving(db, clock, settings=Settings(redis_url=redis_url)) as client:
        yield World(db, client, await make_tenant(db), redis)


async def test_status_and_metrics_follow_what_is_committed(world: World) -> None:
    await world.post("heartbeats", {"agent": "a", "metrics": {"cpu": 0.5, "memory": 1024}})
    agent_id = await world.id_of("a")
    await world.has(f"agent:{agent_id}:status", "online")
    await world.post("logs", {"agent": "a", "status": "error", "duration": 842})
    await world.has(f"agent:{agent_id}:status", "error")
    metrics = await world.redis.hgetall(f"agent:{agent_id}:metrics")
    assert {name: float(value) for name, value in metrics.items()} == {
        "cpu": 0.5,
        "memory": 1024,
        "last_execution_time": 842,
    }
    for key in ("status", "metrics"):
        assert 0 < await world.redis.pttl(f"agent:{agent_id}:{key}") <= 10_000
    await world.post("logs", {"agent": "a", "status": "success", "duration": 5})
    await world.has(f"agent:{agent_id}:status", "online")


async def test_every_key_has_an_end(world: World) -> None:
    await world.post("heartbeats", *({"agent": f"agent-{n}", "metrics": {"cpu": n}} for n in range(5)))
    for number in range(5):
        await world.asked(f"agent-{number}")
    keys = await world.redis.keys("*")
    assert len(keys) >= 15
    assert [key for key in keys if not 0 < await world.redis.pttl(key) <= 60_000] == []


async def test_an_answer_is_remembered_for_a_few_seconds_and_no_longer(world: World, clock: SettableClock) -> None:
    await world.post("logs", {"agent": "a", "status": "success"})
    await asyncio.sleep(module.EVERY / 4)
    await world.asked("a")
    await world.change("last_status = 'error', consecutive_failures = 7")
    remembered = (await world.get("a")).json()
    assert (remembered["agent"], remembered["last_status"], remembered["consecutive_failures"]) == ("a", "success", 0)
    clock.advance(module.LIFE + 0.1)
    assert (await world.get("a")).json()["consecutive_failures"] == 7


async def test_a_commit_makes_what_was_remembered_new(world: World) -> None:
    await world.post("logs", {"agent": "a", "status": "success"})
    agent_id = await world.id_of("a")
    for name in ("a", str(agent_id)):
        await world.asked(name)
    await world.post("logs", {"agent": "a", "status": "error"})

    async def new() -> bool:
        return [(await world.get(name)).json()["last_status"] for name in ("a", str(agent_id))] == ["error"] * 2

    await until(new, seconds=5)


async def test_silence_is_noticed_at_its_moment(world: World, clock: SettableClock) -> None:
    await world.post("heartbeats", {"agent": "a", "interval": 30})
    agent_id = await world.id_of("a")
    clock.advance(87)
    await world.redis.flushdb()
    await world.asked("a")
    assert 0 < await world.redis.pttl(f"agent:{agent_id}:status") <= 3000
    assert (await world.get("a")).json()["state"] == "idle"
    clock.advance(4)
    assert (await world.get("a")).json()["state"] == "dead", "though remembered from before"
    await world.redis.flushdb()
    await world.asked("a")
    assert await world.redis.get(f"agent:{agent_id}:status") == "offline"


async def test_what_comes_too_late_is_not_kept(world: World, redis_url: str, clock: SettableClock) -> None:
    await world.post("heartbeats", {"agent": "a"})
    agent_id = await world.id_of("a")
    await world.has(f"agent:{agent_id}:status", "online")
    async with world.db.tenant(world.tenant.id) as connection:
        row = await get_live(connection, world.tenant.id, "a", clock())
    live = Live(redis_url)
    old = asyncio.get_running_loop().time() - module.LIFE
    module.keep(live, "a", Reading(world.tenant.id, [row], clock(), old))
    await until(lambda: len(live._telling) == 0)
    assert await world.redis.keys(f"*{agent_id}*") == []
    assert await world.redis.keys("*:a:status") == []
    await live.close()


async def test_what_a_hanging_server_carries_out_later_is_not_believed(
    db: Database, clock: SettableClock, own_redis: RedisServer
) -> None:
    tenant = await make_tenant(db)
    async with serving(db, clock, settings=Settings(redis_url=own_redis.url)) as client:
        row = {"agent": "a", "status": "success"}
        assert (await client.post("/api/v1/logs", json=[row], headers=tenant.headers)).status_code == 202
        for _ in range(3):
            os.kill(own_redis.pid, signal.SIGSTOP)
            try:
                answer = await client.get("/api/v1/agents/a/status", headers=tenant.headers)
                assert answer.json()["last_status"] == "success"
                await asyncio.sleep(0.3)
            finally:
                os.kill(own_redis.pid, signal.SIGCONT)
        clock.advance(module.LIFE + 1)
        async with db.tenant(tenant.id) as connection:
            await connection.execute(text("UPDATE agent_live SET last_status = 'error'"))
        for _ in range(20):
            answer = await client.get("/api/v1/agents/a/status", headers=tenant.headers)
            assert answer.json()["last_status"] == "error"
            await asyncio.sleep(0.1)


async def test_tenants_are_apart(world: World) -> None:
    other = await make_tenant(world.db)
    await world.post("logs", {"agent": "same", "status": "error"})
    answer = await world.client.post("/api/v1/logs", json={"agent": "same", "status": "success"}, headers=other.headers)
    assert answer.status_code == 202
    agent_id = await world.id_of("same")
    await world.asked("same")
    await world.asked(str(agent_id))
    for _ in range(2):
        assert (await world.get("same", tenant=other)).json()["last_status"] == "success"
        assert (await world.get("same")).json()["last_status"] == "error"
        assert (await world.get(str(agent_id), tenant=other)).status_code == 404


async def test_a_deleted_agent_is_gone(world: World) -> None:
    await world.post("logs", {"agent": "a", "status": "success"})
    agent_id = await world.id_of("a")
    await world.has(f"agent:{agent_id}:status", "online")
    await world.asked("a")
    answer = await world.client.delete("/api/v1/agents/a", headers=world.tenant.headers)
    assert answer.status_code == 200

    async def gone() -> bool:
        return (await world.get("a")).status_code == 404

    await until(gone, seconds=5)
    assert await world.redis.keys(f"*{agent_id}*") == []


async def test_what_people_set_is_seen_at_once(world: World) -> None:
    await world.post("logs", {"agent": "a", "status": "success"})
    await world.asked("a")
    body = {"status": "maintenance"}
    assert (await world.client.patch("/api/v1/agents/a", json=body, headers=world.tenant.headers)).status_code == 200

    async def seen() -> bool:
        return bool((await world.get("a")).json()["status"] == "maintenance")

    await until(seen, seconds=5)


async def test_flushed_it_fills_again(world: World) -> None:
    await world.post("logs", {"agent": "a", "status": "error", "duration": 3})
    agent_id = await world.id_of("a")
    for _ in range(3):
        await world.redis.flushall()
        assert (await world.get("a")).json()["state"] == "error"
        await world.has(f"agent:{agent_id}:status", "error")
        assert await world.redis.hgetall(f"agent:{agent_id}:metrics") == {"last_execution_time": "3"}


@pytest.mark.parametrize("junk", ["a list", "a text"])
async def test_what_others_leave_under_our_keys_is_replaced(world: World, junk: str) -> None:
    await world.post("heartbeats", {"agent": "a", "metrics": {"cpu": 1}})
    agent_id = await world.id_of("a")
    await world.asked("a")
    await asyncio.sleep(module.EVERY * 1.5)
    keys = [*await world.redis.keys(f"agent:{agent_id}:*"), f"tenant:{world.tenant.id}:agent:a:status"]
    for key in keys:
        await world.redis.delete(key)
        await (world.redis.rpush(key, "x") if junk == "a list" else world.redis.set(key, "\x80 no JSON {"))
    answer = await world.get("a")
    assert (answer.status_code, answer.json()["state"]) == (200, "idle")

    async def replaced() -> bool:
        return [key for key in keys if await world.redis.ttl(key) < 0] == []

    await until(replaced)
    assert await world.redis.get(f"agent:{agent_id}:status") == "online"
    assert await world.redis.hgetall(f"agent:{agent_id}:metrics") == {"cpu": "1.0"}


async def test_news_beyond_the_bound_is_dropped(
    db: Database, clock: SettableClock, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    live, tenant = Live(redis_url), await make_tenant(db)
    mirror = Mirror(db, live, clock)
    ids = [uuid4() for _ in range(5)]
    for agent_id in ids:
        await redis.set(f"agent:{agent_id}:status", "online")
    mirror.changed(tenant.id, ids)

    async def dropped() -> bool:
        return sum([await redis.exists(f"agent:{agent_id}:status") for agent_id in ids]) == 2

    await until(dropped)
    await mirror.close()
    await live.close()


async def test_the_way_in_does_not_wait_for_it(db: Database, clock: SettableClock, own_redis: RedisServer) -> None:
    tenant = await make_tenant(db)
    async with serving(db, clock, settings=Settings(redis_url=own_redis.url, rate_limit="1000000/hour")) as client:
        row = {"agent": "a", "status": "success"}
        assert (await client.post("/api/v1/logs", json=[row], headers=tenant.headers)).status_code == 202
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            for _ in range(20):
                answer = await asyncio.wait_for(client.post("/api/v1/logs", json=[row], headers=tenant.headers), 2)
                assert answer.status_code == 202
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
