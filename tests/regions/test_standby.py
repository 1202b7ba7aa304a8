"""A real standby of the bundled server: it lags, is killed and comes back, and what is known of it says so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from monitor import partitions
from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres
from monitor.ids import PLATFORM_TENANT, uuid7
from monitor.ingest import Ingest
from monitor.ingest.standbys import Standbys
from monitor.regions import replication, store
from monitor.regions.lag import BEHIND, Standing
from monitor.settings import Settings
from sql import migrate
from tests.conftest import SettableClock
from tests.http.collector import make_deps
from tests.regions.standby import Standby

NAME = "frankfurt"
PATIENCE = 60.0


@pytest.fixture
async def primary(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server of this test's own."""
    async with EmbeddedPostgres(data_dir / "primary") as server:
        yield server


@pytest.fixture
async def own(primary: EmbeddedPostgres, clock: SettableClock) -> AsyncIterator[Database]:
    """Its database, at head."""
    made = Database({role: primary.url(role) for role in Role}, pool_size=3)
    await migrate.upgrade(made)
    await partitions.apply(made, clock(), retention={})
    yield made
    await made.close()


async def until(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The first true answer."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not (answer := await ask()):
        assert asyncio.get_running_loop().time() < deadline, "it did not come about"
        await asyncio.sleep(0.2)
    return answer


async def look(db: Database, clock: SettableClock, seconds: float = 10) -> Standing | None:
    """How the standby stands so much later."""
    clock.advance(seconds)
    return next((one for one in await replication.watch(db, clock()) if one.application_name == NAME), None)


async def logs(db: Database) -> list[tuple[str, str]]:
    """Times of trouble, the oldest first."""
    query = text("SELECT kind, status FROM cross_region_sync_logs ORDER BY started_at, id")
    async with db.alerter() as connection:
        return [(row.kind, row.status) for row in await connection.execute(query)]


async def write(db: Database, number: int) -> None:
    """Something that has to be replayed."""
    async with db.owner() as owner:
        values = {"name": "n", "jurisdiction": "EU"}
        await store.put_region(owner, uuid7(SettableClock()()), f"written-{number}", values)


@pytest.fixture
async def standby(
    primary: EmbeddedPostgres, own: Database, data_dir: Path, clock: SettableClock
) -> AsyncIterator[Standby]:
    """A copy that does not run yet, of a primary whose regions name both."""
    made = Standby(primary, data_dir / "standby", NAME)
    await made.copy()
    async with own.owner() as owner:
        region = {"name": "Frankfurt", "jurisdiction": "EU", "application_name": NAME}
        await store.put_region(owner, uuid7(clock()), "eu-central", region)
        await store.put_region(
            owner, uuid7(clock()), "eu-west", {"name": "Dublin", "jurisdiction": "EU", "is_primary": True}
        )
    yield made
    made.kill()


async def caught_up(db: Database, clock: SettableClock) -> None:
    """Wait until it streams and has nothing to replay."""

    async def is_so() -> bool:
        one = await look(db, clock, 0)
        return one is not None and one.state == "streaming" and one.lag_bytes == 0

    await until(is_so)


async def test_a_standby_streams_and_lags(own: Database, standby: Standby, clock: SettableClock) -> None:
    # A region expects it, and it never came.
    first = await look(own, clock)
    assert first is not None
    assert (first.state, first.lag_seconds, first.seen_at) == ("missing", 0, None)
    await standby.start()
    await caught_up(own, clock)
    assert await logs(own) == [("outage", "completed")]

    # It is connected and replays nothing.
    await standby.ask("SELECT pg_wal_replay_pause()")
    await until(lambda: standby.ask("SELECT pg_get_wal_replay_pause_state() = 'paused'"))
    await write(own, 1)

    async def behind() -> Standing | None:
        one = await look(own, clock, 0)
        return one if one is not None and (one.lag_bytes or 0) > 0 else None

    await until(behind)
    one = await look(own, clock, BEHIND + 15)
    assert one is not None
    assert one.state == "streaming"
    assert (one.lag_seconds or 0) >= BEHIND + 15
    assert await logs(own) == [("outage", "completed"), ("lag", "running")]
    assert await standby.ask("SELECT count(*) FROM regions WHERE slug = 'written-1'") == 0

    await standby.ask("SELECT pg_wal_replay_resume()")
    await caught_up(own, clock)
    assert await standby.ask("SELECT count(*) FROM regions WHERE slug = 'written-1'") == 1
    assert (await logs(own))[-1] == ("lag", "completed")


async def test_a_standby_is_killed_and_comes_back(own: Database, standby: Standby, clock: SettableClock) -> None:
    await standby.start()
    await caught_up(own, clock)
    assert await logs(own) == []
    standby.kill()

    async def missing() -> bool:
        one = await look(own, clock, 1)
        return one is not None and one.state == "missing"

    await until(missing)
    one = await look(own, clock, 100)
    assert one is not None
    assert (one.lag_seconds or 0) >= 100
    assert await logs(own) == [("outage", "running")]
    await write(own, 2)

    await standby.start()
    await caught_up(own, clock)
    assert await logs(own) == [("outage", "completed")]
    assert await standby.ask("SELECT count(*) FROM regions WHERE slug = 'written-2'") == 1
    query = text(
        "SELECT s.slug AS source, t.slug AS target FROM cross_region_sync_logs l "
        "JOIN regions s ON s.id = l.source_region_id JOIN regions t ON t.id = l.target_region_id"
    )
    async with own.alerter() as connection:
        assert [tuple(row) for row in await connection.execute(query)] == [("eu-west", "eu-central")]


async def test_how_far_it_is_behind_are_series_of_the_platforms_that_rules_read(
    db: Database, clock: SettableClock
) -> None:
    """Of one that is expected and never came: it is ever further behind."""
    async with db.owner() as owner:
        region = {"name": "Frankfurt", "jurisdiction": "EU", "application_name": NAME}
        await store.put_region(owner, uuid7(clock()), "eu-central", region)
    ingest = Ingest(make_deps(db, clock, Settings()))
    await ingest.start()
    try:
        standbys = Standbys(ingest)
        await standbys.run_once(clock())
        await standbys.run_once(clock.advance(60))
    finally:
        await ingest.close()
    async with db.tenant(PLATFORM_TENANT) as connection:
        query = text(
            "SELECT s.metric, s.tags ->> 'standby' AS standby, p.value FROM samples p "
            "JOIN series s ON s.tenant_id = p.tenant_id AND s.id = p.series_id ORDER BY p.at"
        )
        rows = [tuple(row) for row in await connection.execute(query)]
    assert rows == [("replication_lag_seconds", NAME, 0.0), ("replication_lag_seconds", NAME, 60.0)]
    value = ingest.deps.registry.get_sample_value("agent_monitor_replication_lag_seconds", {"standby": NAME})
    assert value == 60


async def test_two_alerters_look_at_once_and_one_of_them_keeps_it(db: Database, clock: SettableClock) -> None:
    async with db.owner() as owner:
        region = {"name": "Frankfurt", "jurisdiction": "EU", "application_name": NAME}
        await store.put_region(owner, uuid7(clock()), "eu-central", region)
    await asyncio.gather(*(replication.watch(db, clock()) for _ in range(4)))
    assert await logs(db) == [("outage", "running")]
