"""Requests counted in Redis: for all collectors together, and by each alone where there is none."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from monitor.db import Database
from monitor.errors import RateLimited
from monitor.http.limits import RateGate
from monitor.live import Live
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import make_tenant
from tests.http.application import serving
from tests.servers.redis import RedisServer
from tests.stage import until

KEY = uuid4()
NAME = f"ratelimit:api:{KEY}"


@pytest.fixture
async def live(redis_url: str) -> AsyncIterator[Live]:
    made = Live(redis_url)
    yield made
    await made.close()


async def passed(gate: RateGate, times: int) -> int:
    """How many of so many requests are let through."""
    count, waits = 0, list[float | None]()
    for _ in range(times):
        try:
            await gate.enter(KEY, now=datetime.now(UTC))
        except RateLimited as fault:
            waits.append(fault.retry_after)
        else:
            count += 1
    assert all(wait is not None and 1 <= wait <= 60 for wait in waits)
    return count


async def test_the_count_stands_under_the_keys_id(live: Live, redis: Redis) -> None:
    gate = RateGate("5/minute", live)
    assert await passed(gate, 3) == 3
    assert await redis.get(NAME) == "3"
    assert 0 < await redis.ttl(NAME) <= 60
    assert await redis.keys("*") == [NAME]


async def test_collectors_share_one_limit(db: Database, clock: SettableClock, redis_url: str, redis: Redis) -> None:
    tenant = await make_tenant(db)
    settings = Settings(redis_url=redis_url, rate_limit="6/minute")
    answers = []
    async with AsyncExitStack() as stack:
        collectors = [await stack.enter_async_context(serving(db, clock, settings=settings)) for _ in range(2)]
        row = {"agent": "a", "status": "success"}
        for number in range(10):
            answers.append(await collectors[number % 2].post("/api/v1/logs", json=row, headers=tenant.headers))
    assert [answer.status_code for answer in answers] == [202] * 6 + [429] * 4
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in answers[6:])
    assert await redis.exists(f"ratelimit:api:{tenant.key_id}")
    assert [key for key in await redis.keys("*") if tenant.key in key] == []


async def test_many_requests_are_counted_in_portions(live: Live, redis: Redis) -> None:
    gate = RateGate("5000/minute", live)
    assert await passed(gate, 11) == 11
    assert await redis.get(NAME) == "15"


async def test_without_redis_each_counts_alone_and_what_it_counted_before_stands(own_redis: RedisServer) -> None:
    live = Live(own_redis.url)
    gate = RateGate("5/minute", live)
    assert await passed(gate, 3) == 3
    own_redis.kill()
    assert await passed(gate, 4) == 2
    await own_redis.start()
    await until(lambda: live.ready)
    assert await passed(gate, 6) == 5, "a Redis that lost everything counts anew"
    await live.close()


async def test_a_flush_is_a_new_window_and_nothing_worse(live: Live, redis: Redis) -> None:
    gate = RateGate("5/minute", live)
    assert await passed(gate, 6) == 5
    await redis.flushall()
    await redis.script_flush()
    assert await passed(gate, 6) == 5


async def test_something_else_under_the_key_makes_way(live: Live, redis: Redis) -> None:
    await redis.rpush(NAME, "x")
    gate = RateGate("5/minute", live)
    assert await passed(gate, 1) == 1

    async def gone() -> bool:
        return not await redis.exists(NAME)

    await until(gone)
    assert await passed(gate, 1) == 1
    assert await redis.get(NAME) == "1"


async def test_a_counter_without_an_end_gets_one(live: Live, redis: Redis) -> None:
    await redis.set(NAME, 1_000_000)
    assert await passed(RateGate("5/minute", live), 1) == 0
    assert 0 < await redis.ttl(NAME) <= 60
