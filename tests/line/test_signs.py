"""GET /ping and /health, by which clients of InfluxDB look whether somebody is there."""

from collections.abc import AsyncIterator

import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.http.collector import Collector, collecting
from tests.line.test_write import write


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


async def test_ping_and_health_answer_without_a_key(api: Collector) -> None:
    for method in ("GET", "HEAD"):
        ping = await api.client.request(method, "/ping")
        assert (ping.status_code, ping.content) == (204, b"")
        assert ping.headers["x-influxdb-version"]
    health = await api.client.get("/health")
    assert (health.status_code, health.json()["status"], health.json()["name"]) == (200, "pass", "agent-monitor")


async def test_our_own_pings_are_still_there(api: Collector) -> None:
    await write(api, "m,agent=a value=1")
    token = (await api.one("SELECT ping_token FROM agents"))["ping_token"]
    answer = await api.client.get(f"/ping/{token}")
    assert (answer.status_code, answer.text) == (200, "OK")
