"""Fixtures of the cache: Redis as somebody else sees it, and one that a test stops and starts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.servers.redis import RedisServer


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the test's own, which reads texts."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A server that this test may stop."""
    server = await RedisServer(tmp_path / "redis").start()
    yield server
    server.kill()
