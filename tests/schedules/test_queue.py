"""Redis shows the queue of scheduled runs, and nothing depends on it."""

import json
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from monitor.live import Live
from tests.channels.servers import Answer
from tests.schedules.stage import Stage

KEY = "queue:scheduled_jobs"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A look into the server."""
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


async def test_the_queue_is_shown_in_order_and_for_a_while(s: Stage, redis_url: str, redis: Redis) -> None:
    live = Live(redis_url)
    runner = s.another_runner(live=live)
    await s.agent()
    s.to_the_hour()
    s.receiver.answers = [Answer(503, "")]
    await s.run(runner)
    (run,) = await s.runs()
    await s.run(runner)
    shown = [json.loads(entry) for entry in await redis.lrange(KEY, 0, -1)]
    assert [(entry["run_id"], entry["tenant_id"]) for entry in shown] == [(run["id"], str(s.tenant.id))]
    assert 0 < await redis.pttl(KEY) <= 10_000
    s.clock.advance(60)
    await s.run(runner)
    await s.run(runner)
    assert await redis.exists(KEY) == 0
    await runner.close()
    await live.close()


async def test_a_queue_that_somebody_else_filled_calls_nobody(s: Stage, redis_url: str, redis: Redis) -> None:
    live = Live(redis_url)
    runner = s.another_runner(live=live)
    await redis.rpush(KEY, "nonsense")
    assert await s.run(runner) == 0
    assert await redis.exists(KEY) == 0
    await runner.close()
    await live.close()


async def test_without_an_answer_from_redis_agents_are_called_all_the_same(s: Stage) -> None:
    live = Live("redis://127.0.0.1:9")
    runner = s.another_runner(live=live)
    await s.agent()
    s.to_the_hour()
    assert await s.run(runner) == 1
    assert (await s.runs())[0]["status"] == "succeeded"
    await runner.close()
    await live.close()
