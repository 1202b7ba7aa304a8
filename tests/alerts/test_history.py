"""The alert that says that the history store cannot be reached: once, and resolved when all is there again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from alerts.history import HistoryWatch
from monitor.db import Database
from monitor.ids import microseconds
from monitor.series import influx_buckets
from monitor.series.choice import store_of
from monitor.series.influx import InfluxSeriesStore
from monitor.series.store import Kind, SeriesName
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_agent, make_tenant
from tests.points import Point
from tests.series.between import Between, Mood, between
from tests.series.conftest import History
from tests.servers.fixtures import Influx as Corner


@dataclass
class Scene:
    """A watch over a history of which one tenant's points are written."""

    db: Database
    history: History
    watch: HistoryWatch
    registry: CollectorRegistry
    clock: SettableClock
    wire: Between
    tenant: TenantMade

    async def write(self) -> None:
        """A point of an agent of its own."""
        agent_id = await make_agent(self.db, self.tenant.id, f"a{self.clock.advance(1)}")
        name = SeriesName(agent_id, "m", (), Kind.GAUGE, None)
        await self.history.write(self.tenant.id, [Point(name, microseconds(self.clock()), 1.0)])

    async def alerts(self) -> list[Any]:
        """The alerts about the installation, oldest first."""
        async with self.db.alerter() as connection:
            query = text("SELECT rule, status, details FROM alerts ORDER BY triggered_at")
            return [tuple(row) for row in await connection.execute(query)]

    def figure(self, name: str) -> float | None:
        """One of the watch's figures."""
        return self.registry.get_sample_value(f"agent_monitor_spool_{name}")


@pytest.fixture
async def scene(db: Database, clock: SettableClock, influx: Corner) -> AsyncIterator[Scene]:
    settings = Settings(
        influx_url=influx.url, influx_token=influx.token, influx_org=influx.org, influx_bucket=influx.bucket
    )
    registry = CollectorRegistry()
    async with between(influx.url) as wire:
        store = store_of(replace(settings, influx_url=wire.url), db, clock)
        assert isinstance(store, InfluxSeriesStore)
        await influx_buckets.ensure(store.influx, settings)
        watch = HistoryWatch(db, store, registry=registry, public_url="http://monitor")
        yield Scene(db, History(db, store), watch, registry, clock, wire, await make_tenant(db))
        await store.close()


async def test_one_alert_while_points_wait_and_none_after(scene: Scene) -> None:
    await scene.watch.run_once(scene.clock())
    assert await scene.alerts() == []
    scene.wire.mood = Mood.CLOSE
    await scene.write()
    await scene.write()
    for _ in range(3):
        await scene.watch.run_once(scene.clock.advance(1))
    ((rule, status, details),) = await scene.alerts()
    assert (rule, status) == ("history store unreachable", "open")
    assert details["summary"].startswith("2 points wait to be written")
    assert (scene.figure("rows"), scene.figure("points")) == (2, 2)
    assert (scene.figure("oldest_seconds") or 0) > 0
    scene.wire.mood = Mood.PASS
    for _ in range(3):
        await scene.watch.run_once(scene.clock.advance(1))
    assert [(rule, status) for rule, status, _ in await scene.alerts()] == [("history store unreachable", "resolved")]
    assert (scene.figure("rows"), scene.figure("oldest_seconds"), scene.figure("drained_points_total")) == (0, 0, 2)


async def test_an_alert_that_a_stopped_alerter_left_is_resolved_by_the_next_one(scene: Scene) -> None:
    scene.wire.mood = Mood.CLOSE
    await scene.write()
    await scene.watch.run_once(scene.clock())
    store = scene.history.store
    assert isinstance(store, InfluxSeriesStore)
    other = HistoryWatch(scene.db, store, registry=CollectorRegistry(), public_url="http://monitor")
    await other.run_once(scene.clock.advance(1))
    assert [status for _, status, _ in await scene.alerts()] == ["open"]
    scene.wire.mood = Mood.PASS
    await other.run_once(scene.clock.advance(1))
    await scene.watch.run_once(scene.clock.advance(1))
    assert [status for _, status, _ in await scene.alerts()] == ["resolved"]


async def test_nothing_is_resolved_while_nobody_answers(scene: Scene) -> None:
    scene.wire.mood = Mood.CLOSE
    await scene.write()
    await scene.watch.run_once(scene.clock())
    async with scene.db.owner() as connection:
        await connection.execute(text("DELETE FROM spool"))
    await scene.watch.run_once(scene.clock.advance(1))
    assert [status for _, status, _ in await scene.alerts()] == ["open"]
