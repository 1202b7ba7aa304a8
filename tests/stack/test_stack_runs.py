"""The stack's own services, started as docker-compose.yml says: a failing agent's log goes in, a mail comes out.

Not run here: Grafana and Mailpit, which are nowhere but in their images. Each panel's query is run elsewhere
(tests/dashboards), and a mail server of the tests takes Mailpit's place.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from redis.asyncio import Redis

from tests.channels.servers import Mailbox
from tests.stack.composition import read
from tests.stack.stack import NOT_HERE, Stack, running
from tests.stage import until

pytestmark = pytest.mark.accept

RULE = {
    "name": "Akira fails",
    "agent": "akira-001",
    "conditions": {"status": "error", "consecutive_failures": 3},
    "channels": {"email": "user@example.com"},
}


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()
    made.controller.start()
    yield made
    made.controller.stop()


@pytest.fixture
async def stack(data_dir: Path, mailbox: Mailbox) -> AsyncIterator[Stack]:
    async with running(data_dir, mailbox, collectors=2, alerters=2, evaluation_interval="1s") as made:
        yield made


async def first_key(stack: Stack) -> str:
    """What `make up` prints at its end."""
    return (await stack.command("seed", "--first")).split()[-1]


async def test_a_log_goes_in_and_a_mail_comes_out(stack: Stack, mailbox: Mailbox) -> None:
    key = await first_key(stack)
    headers = {"Authorization": f"Bearer {key}"}
    first, second = stack.collectors
    log: dict[str, Any] = {"agent": "akira-001", "status": "error", "message": "tests failed", "duration": 842}
    async with httpx.AsyncClient(headers=headers, timeout=30) as client:
        made = await client.post(f"{first.url}/api/v1/alert-configs", json=RULE)
        assert made.status_code == 201, made.text
        for collector in (first, second, first):
            taken = await client.post(f"{collector.url}/api/v1/logs", json=log)
            assert taken.status_code == 202, taken.text
        point = {"agent": "akira-001", "metric": "latency_ms", "value": 812.5}
        taken = await client.post(f"{second.url}/api/v1/metrics", json=[point])
        assert taken.status_code == 202, taken.text
        await until(lambda: len(mailbox.mails) == 1)
        assert "[FIRING]" in str(mailbox.mails[0]["Subject"])
        await client.post(f"{second.url}/api/v1/logs", json=log | {"status": "success"})
        await until(lambda: len(mailbox.mails) == 2)
        assert "[RESOLVED]" in str(mailbox.mails[1]["Subject"])
    await check_where_it_is(stack)


async def check_where_it_is(stack: Stack) -> None:
    """History in InfluxDB and not in PostgreSQL; the agent's state in Redis; nobody prepared anything by the pooler."""
    flux = 'from(bucket: "agent_monitor_raw") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "latency_ms")'
    token = {"Authorization": f"Token {stack.at.secret('influx_token')}", "Content-Type": "application/vnd.flux"}
    async with httpx.AsyncClient(base_url=stack.influx_url, headers=token, timeout=30) as client:
        answer = await client.post("/api/v2/query", params={"org": "agent-monitor"}, content=flux)
    assert "812.5" in answer.text
    assert "akira-001" in answer.text
    url = stack.database_url("agent_monitor_owner")
    async with await psycopg.AsyncConnection.connect(url) as connection:
        samples = await (await connection.execute("SELECT count(*) FROM samples")).fetchone()
        agent = await (await connection.execute("SELECT id FROM agents WHERE external_id = 'akira-001'")).fetchone()
    assert samples == (0,)
    assert agent is not None
    async with Redis.from_url(stack.redis_url, decode_responses=True) as redis:

        async def known() -> bool:
            return bool(await redis.keys("*"))

        await until(known)
    async with httpx.AsyncClient(timeout=10) as client:
        for program in (*stack.collectors, *stack.alerters):
            assert "agent_monitor_" in (await client.get(f"{program.url}/metrics")).text


async def test_doctor_finds_nothing_wrong(stack: Stack) -> None:
    said = await stack.command("doctor")
    assert "FAIL" not in said
    assert "of PgBouncer's 1000; 90 from PgBouncer + 3 × 4 + 10 = 112 of PostgreSQL's 117" in said
    again = await stack.command("migrate")
    assert "nothing to do" in again


def test_what_could_not_be_run_is_named() -> None:
    assert __doc__ is not None
    ours = {"postgres", "pgbouncer", "influxdb", "redis", "migrate", "collector", "alerter"}
    assert set(read().services) == ours | set(NOT_HERE)
    assert all(name in __doc__.lower() for name in NOT_HERE)
