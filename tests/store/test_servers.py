"""The servers that tests run: reached, emptied for each test, killed and started again."""

from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisGone

from tests.servers.fixtures import Influx
from tests.servers.influx import InfluxAddress, InfluxServer
from tests.servers.redis import RedisServer


async def make_bucket(at: Influx | InfluxAddress, name: str) -> None:
    headers = {"Authorization": f"Token {at.token}"}
    async with httpx.AsyncClient(base_url=at.url, headers=headers) as client:
        org = (await client.get("/api/v2/orgs", params={"org": at.org})).json()["orgs"][0]["id"]
        made = await client.post("/api/v2/buckets", json={"orgID": org, "name": name, "retentionRules": []})
        assert made.status_code == 201, made.text


async def buckets(at: Influx | InfluxAddress) -> set[str]:
    headers = {"Authorization": f"Token {at.token}"}
    async with httpx.AsyncClient(base_url=at.url, headers=headers) as client:
        found = await client.get("/api/v2/buckets", params={"org": at.org, "limit": 100})
        return {bucket["name"] for bucket in found.raise_for_status().json()["buckets"]}


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_buckets_of_its_own(influx: Influx, turn: int) -> None:
    assert not [name for name in await buckets(influx) if name.startswith("t")], turn
    await make_bucket(influx, f"{influx.bucket}_raw")
    assert f"{influx.bucket}_raw" in await buckets(influx)


async def test_influxdb_keeps_its_files_over_a_kill(servers_dir: Path) -> None:
    server = await InfluxServer(servers_dir / "killed").start()
    await make_bucket(server.at, "kept")
    server.kill()
    with pytest.raises(httpx.ConnectError):
        await buckets(server.at)
    await server.start()
    assert "kept" in await buckets(server.at)
    await server.stop()
    with pytest.raises(httpx.ConnectError):
        await buckets(server.at)


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_finds_redis_empty(redis_url: str, turn: int) -> None:
    async with Redis.from_url(redis_url) as client:
        assert await client.dbsize() == 0, turn
        await client.set("left", "behind")


async def test_redis_is_empty_after_a_kill(servers_dir: Path) -> None:
    server = await RedisServer(servers_dir / "killed-redis").start()
    async with Redis.from_url(server.url) as client:
        await client.set("a", "b")
        server.kill()
        with pytest.raises(RedisGone):
            await client.get("a")
        await server.start()
        assert await client.get("a") is None
    await server.stop()
