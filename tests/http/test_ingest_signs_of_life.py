"""POST /api/v1/heartbeats and the ping addresses."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from monitor.db import Database
from monitor.ingest.ping import CACHE_SECONDS
from tests.conftest import SettableClock
from tests.factories import make_agent
from tests.http.collector import Collector, collecting


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


async def token_of(api: Collector) -> str:
    """The ping token of the agent."""
    return str((await api.one("SELECT ping_token FROM agents"))["ping_token"])


async def test_a_heartbeat_is_kept_with_its_metrics(api: Collector, clock: SettableClock) -> None:
    answer = await api.post("heartbeats", {"agent": "a", "status": "busy", "metrics": {"queue": 3, "cpu": 0.5}})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    live = await api.live()
    assert (live["heartbeat_status"], live["heartbeat_count"], live["metrics"]) == ("busy", 1, {"cpu": 0.5, "queue": 3})
    assert live["last_heartbeat_at"] == live["last_seen_at"] == clock()
    assert [row["value"] for row in await api.rows("SELECT value FROM samples ORDER BY value")] == [0.5, 3.0]
    assert (await api.rows("SELECT kinds FROM touched ORDER BY id"))[-1] == {"kinds": [8 | 4]}
    await api.post("heartbeats", {"agent": "a", "metrics": {"queue": 4}})
    assert (await api.live())["metrics"] == {"cpu": 0.5, "queue": 4}


async def test_expectation_starts_with_the_third_heartbeat(api: Collector, clock: SettableClock) -> None:
    expected = []
    for _ in range(3):
        await api.post("heartbeats", {"agent": "a"})
        expected.append((await api.live())["expected"])
        clock.advance(20)
    assert expected == [False, False, True]
    assert (await api.live())["heartbeat_interval"] == 20.0


async def test_an_explicit_interval_is_expected_at_once(api: Collector) -> None:
    await api.post("heartbeats", {"agent": "a", "interval": "2m"})
    live = await api.live()
    assert (live["expected"], live["heartbeat_interval"]) == (True, 120.0)


@pytest.mark.parametrize("status", ["stopped", "shutdown", "offline"])
async def test_a_clean_shutdown_ends_the_expectation(api: Collector, status: str) -> None:
    await api.post("heartbeats", {"agent": "a", "interval": 30})
    await api.post("heartbeats", {"agent": "a", "status": status})
    assert (await api.live())["expected"] is False


@pytest.mark.parametrize("column", ["ephemeral = true", "retired_at = now()"])
async def test_retired_and_ephemeral_agents_are_not_expected(api: Collector, column: str) -> None:
    await api.post("heartbeats", {"agent": "a"})
    await api.rows(f"UPDATE agents SET {column} RETURNING 1")
    await api.post("heartbeats", [{"agent": "a", "interval": 5}] * 4)
    live = await api.live()
    assert (live["expected"], live["heartbeat_count"]) == (False, 5)


async def test_one_long_gap_does_not_teach_a_long_interval(api: Collector, clock: SettableClock) -> None:
    for gap in (0, 10, 10, 86_400):
        clock.advance(gap)
        await api.post("heartbeats", {"agent": "a"})
    assert (await api.live())["heartbeat_interval"] == 17.5


async def test_a_heartbeat_never_changes_the_last_status(api: Collector) -> None:
    await api.post("logs", {"agent": "a", "status": "error"})
    await api.post("heartbeats", {"agent": "a", "status": "active"})
    live = await api.live()
    assert (live["last_status"], live["consecutive_failures"]) == ("error", 1)


async def test_what_is_wrong_with_a_heartbeat_is_named(api: Collector) -> None:
    rows = [
        {"agent": "a", "metrics": {"cpu": "high", "mem": 1}, "host": "box"},
        {"agent": "a", "interval": -1},
        {"agent": "a", "status": 5},
        {"agent": "a", "metrics": 5},
        {},
    ]
    answer = (await api.post("heartbeats", rows)).json()
    assert answer["accepted"] == 1
    assert answer["warnings"] == [{"index": 0, "warning": "host: an unknown field, not kept"}]
    assert [(row["index"], row["error"]) for row in answer["rejected"]] == [
        (0, "metrics.cpu: a number is expected, not text"),
        (1, "interval: more than 0 and at most a year is expected"),
        (2, "status: text is expected, not a number"),
        (3, "metrics: an object is expected, not a number"),
        (4, "agent: missing"),
    ]


async def test_a_ping_is_a_success_and_a_heartbeat(api: Collector, db: Database, clock: SettableClock) -> None:
    await make_agent(db, api.tenant.id, "a")
    answer = await api.client.get(f"/ping/{await token_of(api)}")
    assert (answer.status_code, answer.text) == (200, "OK")
    live = await api.live()
    assert (live["last_status"], live["heartbeat_count"], live["last_heartbeat_at"]) == ("success", 1, clock())
    touched = await api.one("SELECT kinds FROM touched ORDER BY id DESC LIMIT 1")
    assert touched == {"kinds": [1 | 4 | 8]}


async def test_pings_that_fail_count_as_failures(api: Collector, db: Database, clock: SettableClock) -> None:
    await make_agent(db, api.tenant.id, "a")
    token = await token_of(api)
    await api.client.get(f"/ping/{token}/fail")
    clock.advance(1)
    await api.client.post(f"/ping/{token}/3", content=b"boom " * 4000)
    live = await api.live()
    assert (live["consecutive_failures"], live["last_status"]) == (2, "error")
    log = await api.one("SELECT message, details FROM agent_logs ORDER BY id DESC LIMIT 1")
    assert log == {"message": ("boom " * 2000).strip(), "details": {"ping": "end", "exit_code": 3}}
    clock.advance(1)
    await api.client.get(f"/ping/{token}/0")
    assert (await api.live())["consecutive_failures"] == 0


async def test_the_end_of_a_started_run_has_its_duration(api: Collector, db: Database, clock: SettableClock) -> None:
    await make_agent(db, api.tenant.id, "a")
    token = await token_of(api)
    began = clock()
    await api.client.get(f"/ping/{token}/start")
    assert (await api.live())["last_status"] is None
    clock.advance(90)
    await api.client.get(f"/ping/{token}")
    run = await api.one("SELECT started_at, completed_at, duration FROM agent_logs WHERE kind = 'execution'")
    assert run == {"started_at": began, "completed_at": clock(), "duration": 90_000}
    clock.advance(5)
    await api.client.get(f"/ping/{token}")
    newest = await api.one("SELECT duration FROM agent_logs ORDER BY id DESC LIMIT 1")
    assert newest == {"duration": None}


async def test_pings_that_cannot_be(api: Collector, db: Database, clock: SettableClock) -> None:
    await make_agent(db, api.tenant.id, "a")
    token = await token_of(api)
    assert (await api.client.get("/ping/no-such-token")).status_code == 404
    assert (await api.client.get(f"/ping/{token}/256")).status_code == 422
    assert (await api.client.get(f"/ping/{token}/done")).status_code == 422
    async with db.owner() as owner:
        await owner.exec_driver_sql("UPDATE tenants SET status = 'suspended' WHERE slug <> 'platform'")
    await asyncio.sleep(CACHE_SECONDS + 0.1)
    assert (await api.client.get(f"/ping/{token}")).status_code == 403
    assert await api.rows("SELECT 1 FROM agent_logs") == []
