"""The way to Redis: what it answers, and that every failure means nothing found, at once."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from monitor import live as module
from monitor.errors import ConfigError, Unavailable
from monitor.live import Live
from tests.servers.redis import RedisServer
from tests.stage import until

# Much more than PATIENCE, much less than what a driver waits by itself.
SOON = 2.0


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def live(own_redis: RedisServer, registry: CollectorRegistry) -> AsyncIterator[Live]:
    made = Live(own_redis.url, registry=registry)
    yield made
    await made.close()


async def ask(live: Live) -> bytes | str | None:
    """Set and get."""

    async def both(redis: Redis) -> bytes | str | None:
        await redis.set("here", "yes", px=5000)
        return await redis.get("here")

    return await live.ask(both)


async def test_without_a_url_nothing_is_ever_found() -> None:
    live = Live()
    assert (live.ready, await ask(live), live.counters("x")) == (False, None, None)
    await live.replace_list("a", ["b"], seconds=1)
    with pytest.raises(Unavailable):
        await live.version()
    await live.close()


async def test_it_answers(live: Live) -> None:
    assert await ask(live) == b"yes"
    assert (await live.version())[0].isdigit()


async def test_a_unix_socket_serves_as_well(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    server.words += ["--unixsocket", str(tmp_path / "s")]
    await server.start()
    live = Live(f"unix://{tmp_path / 's'}")
    try:
        assert await ask(live) == b"yes"
    finally:
        await live.close()
        server.kill()


def test_an_address_that_cannot_be_read_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="AGENT_MONITOR_REDIS_URL"):
        Live("redis://127.0.0.1:port")


async def test_stopped_it_is_left_alone_and_found_again(
    live: Live, own_redis: RedisServer, registry: CollectorRegistry
) -> None:
    assert await ask(live) == b"yes"
    own_redis.kill()
    assert await ask(live) is None
    assert not live.ready
    assert registry.get_sample_value("agent_monitor_redis_off") == 1
    with pytest.raises(Unavailable):
        await live.version()
    await own_redis.start()
    await until(lambda: live.ready)
    assert await ask(live) == b"yes"
    assert registry.get_sample_value("agent_monitor_redis_off") == 0
    assert registry.get_sample_value("agent_monitor_redis_errors_total") == 1


async def test_while_it_hangs_nobody_waits_but_the_first(live: Live, own_redis: RedisServer) -> None:
    assert await ask(live) == b"yes"
    os.kill(own_redis.pid, signal.SIGSTOP)
    try:
        began = time.perf_counter()
        assert await asyncio.gather(*(ask(live) for _ in range(50))) == [None] * 50
        assert time.perf_counter() - began < SOON
        assert not live.ready
        began = time.perf_counter()
        assert [await ask(live) for _ in range(1000)] == [None] * 1000
        assert time.perf_counter() - began < module.PATIENCE
        await asyncio.sleep(2 * module.REST)
        assert not live.ready
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
    await until(lambda: live.ready)
    assert await ask(live) == b"yes"


async def test_answers_are_never_mixed_up(live: Live, own_redis: RedisServer) -> None:
    async with Redis.from_url(own_redis.url) as redis:
        await redis.mset({f"key-{number}": f"value-{number}" for number in range(40)})

    async def wrong(number: int) -> bool:
        found = await live.ask(lambda redis: redis.get(f"key-{number}"))
        return found is not None and found != f"value-{number}".encode()

    for _ in range(3):
        asking = [asyncio.create_task(wrong(number)) for number in range(40)]
        await asyncio.sleep(0)
        os.kill(own_redis.pid, signal.SIGSTOP)
        for task in asking[::3]:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        os.kill(own_redis.pid, signal.SIGCONT)
        await until(lambda: live.ready)
        assert True not in await asyncio.gather(*(wrong(number) for number in range(40)))
        await until(lambda: live.ready)
        assert await ask(live) == b"yes"


async def test_a_refusal_is_nothing_found_and_the_rest_goes_on(live: Live, registry: CollectorRegistry) -> None:
    await live.replace_list("queue", ["a"], seconds=5)
    assert await live.ask(lambda redis: redis.get("queue")) is None
    assert live.ready
    assert registry.get_sample_value("agent_monitor_redis_errors_total") == 1
    assert await ask(live) == b"yes"


async def test_a_list_is_replaced_and_has_an_end(live: Live, own_redis: RedisServer) -> None:
    async with Redis.from_url(own_redis.url, decode_responses=True) as redis:
        await redis.set("queue", "of another type")
        await live.replace_list("queue", ["first", "zweiter ü"], seconds=5)
        assert await redis.lrange("queue", 0, -1) == ["first", "zweiter ü"]
        assert 0 < await redis.pttl("queue") <= 5000
        await live.replace_list("queue", ["third"], seconds=5)
        assert await redis.lrange("queue", 0, -1) == ["third"]
        await live.replace_list("queue", [], seconds=5)
        assert not await redis.exists("queue")


async def test_what_is_told_is_dropped_when_too_much_waits(live: Live) -> None:
    hold = asyncio.Event()
    told = []

    async def slow(redis: Redis) -> None:
        told.append(1)
        await hold.wait()

    for _ in range(2 * module.TELLING):
        live.tell(slow)
    await asyncio.sleep(0)
    assert len(told) == module.TELLING
    hold.set()
    await until(lambda: len(live._telling) == 0)
    live.tell(slow)
    await until(lambda: len(told) == module.TELLING + 1)


async def test_it_is_closed_in_the_middle_of_a_failure(live: Live, own_redis: RedisServer) -> None:
    own_redis.kill()
    assert await ask(live) is None
    await live.close()
    assert await ask(live) is None
    assert not live.ready
