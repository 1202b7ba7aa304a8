"""Points on their way to a real InfluxDB: written before the commit, else spooled in it, and drained in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy import text

from monitor.db import Database, Role
from monitor.errors import SeriesDown, SeriesRefused
from monitor.ids import microseconds
from monitor.pipeline import SET_TENANT, Pipeline, Statement
from monitor.series import drain, influx_write, spool
from monitor.series.catalogue import Catalogue
from monitor.series.influx_client import Influx
from monitor.series.influx_write import InfluxWriter
from monitor.series.store import Kind, SeriesName
from tests.conftest import SettableClock
from tests.factories import make_agent, make_tenant
from tests.points import Point, columns_of
from tests.series.between import Between, Mood, between
from tests.servers.fixtures import Influx as Corner

RAW = """from(bucket: bucket) |> range(start: 0, stop: 2100-01-01T00:00:00Z) |> filter(fn: (r) => r.tenant == tenant)
    |> keep(columns: ["_id", "_time", "_value"]) |> group() |> sort(columns: ["_id", "_time"])"""


@dataclass
class Scene:
    """A writer, a tenant with an agent, and what stands between the writer and InfluxDB."""

    db: Database
    influx: Influx
    catalogue: Catalogue
    writer: InfluxWriter
    clock: SettableClock
    tenant_id: UUID
    agent_id: UUID
    wire: Between
    corner: Corner

    def point(self, value: float, *, metric: str = "m", ago: float = 0.0) -> Point:
        """A point of the test's agent, some seconds old."""
        at = microseconds(self.clock() - timedelta(seconds=ago))
        return Point(SeriesName(self.agent_id, metric, (), Kind.GAUGE, None), at, value)

    async def write(self, points: Sequence[Point], *, more: Statement | None = None) -> None:
        """Write as the batcher does; `more` is said before it in the same transaction."""
        prepared, refused = await columns_of(self.catalogue, self.tenant_id, points)
        assert refused == []
        async with self.db.driver(Role.APP) as connection, Pipeline(connection) as pipeline:
            pipeline.add(SET_TENANT, tenant=str(self.tenant_id))
            if more is not None:
                pipeline.add(more)
            await self.writer.write(pipeline, self.tenant_id, prepared)

    async def drain(self, **more: int) -> drain.Drained:
        """Empty the spool."""
        return await drain.run_once(self.db, self.influx, self.catalogue, self.clock(), **more)

    async def level(self) -> spool.Level:
        """What is in the spool."""
        async with self.db.alerter() as connection:
            return await spool.level(connection)

    async def stored(self) -> list[tuple[int, int, float]]:
        """Every point in InfluxDB: series, microseconds, value."""
        frame = (await self.influx.query(RAW, bucket=self.influx.buckets.raw, tenant=str(self.tenant_id))).get(
            "_result"
        )
        if frame is None:
            return []
        columns = frame.ints("_id"), frame.times("_time"), frame.floats("_value")
        return list(zip(*(column.tolist() for column in columns), strict=True))

    async def values(self) -> list[float]:
        """The values in InfluxDB."""
        return [value for _series, _at, value in await self.stored()]

    async def dirty(self) -> list[tuple[datetime, int]]:
        """Hours to be rolled up again, and how often each was marked."""
        async with self.db.tenant(self.tenant_id) as connection:
            rows = await connection.execute(text("SELECT hour, marks FROM rollup_dirty ORDER BY 1"))
            return [(row.hour, row.marks) for row in rows]

    async def conflict(self, metric: str) -> None:
        """Somebody else has written whole numbers where we write fractions."""
        line = f"{metric},tenant=somebody value=1i {microseconds(self.clock() - timedelta(seconds=1))}"
        async with httpx.AsyncClient(base_url=self.corner.url) as client:
            answer = await client.post(
                "/api/v2/write",
                params={"org": self.corner.org, "bucket": self.influx.buckets.raw, "precision": "us"},
                headers={"Authorization": f"Token {self.corner.token}"},
                content=line,
            )
        assert answer.status_code == 204, answer.text


async def make_bucket(corner: Corner, name: str) -> None:
    """A bucket that keeps everything."""
    headers = {"Authorization": f"Token {corner.token}"}
    async with httpx.AsyncClient(base_url=corner.url, headers=headers, timeout=30) as client:
        orgs = (await client.get("/api/v2/orgs", params={"org": corner.org})).raise_for_status().json()["orgs"]
        body = {"orgID": orgs[0]["id"], "name": name, "retentionRules": []}
        (await client.post("/api/v2/buckets", json=body)).raise_for_status()


@pytest.fixture
async def scene(db: Database, influx: Corner, clock: SettableClock) -> AsyncIterator[Scene]:
    # In the middle of an hour, so that a minute ago is not late.
    clock.time = clock.time.replace(minute=30)
    tenant = await make_tenant(db)
    agent_id = await make_agent(db, tenant.id, "a")
    async with between(influx.url) as wire:
        client = Influx(wire.url, token=influx.token, org=influx.org, bucket=influx.bucket)
        await make_bucket(influx, client.buckets.raw)
        catalogue = Catalogue(db)
        writer = InfluxWriter(client, catalogue, clock)
        yield Scene(db, client, catalogue, writer, clock, tenant.id, agent_id, wire, influx)
        await client.close()


async def test_points_are_in_influxdb_when_they_are_committed(scene: Scene) -> None:
    points = [scene.point(value / 3, ago=value) for value in range(50)]
    await scene.write(points)
    found = await scene.stored()
    assert sorted((at, value) for _series, at, value in found) == sorted((one.at_us, one.value) for one in points)
    assert await scene.level() == (0, 0, None)


@pytest.mark.parametrize("mood", [Mood.CLOSE, Mood.BUSY, Mood.LIMITED, Mood.BROKEN, Mood.HANG])
async def test_points_that_influxdb_cannot_take_now_are_spooled_and_drained(scene: Scene, mood: Mood) -> None:
    scene.wire.mood = mood
    started = time.monotonic()
    await scene.write([scene.point(1.5), scene.point(2.5, ago=1)])
    assert time.monotonic() - started < 6
    assert (await scene.level())[:2] == (1, 2)
    stopped = await scene.drain()
    assert stopped.points == 0
    assert stopped.error is not None
    assert not stopped.empty
    scene.wire.mood = Mood.PASS
    assert await scene.drain() == drain.Drained(2, 0, empty=True)
    assert await scene.values() == [2.5, 1.5]
    assert await scene.level() == (0, 0, None)
    assert await scene.drain() == drain.Drained(empty=True)


async def test_after_a_failure_influxdb_is_left_alone_for_a_while(scene: Scene) -> None:
    scene.wire.mood = Mood.BUSY
    await scene.write([scene.point(1.0)])
    asked = scene.wire.asked
    other = await make_tenant(scene.db)
    scene.tenant_id, scene.agent_id = other.id, await make_agent(scene.db, other.id, "b")
    await scene.write([scene.point(2.0)])
    assert scene.wire.asked == asked
    assert (await scene.level()).rows == 2


async def test_new_points_queue_behind_those_that_wait_so_that_the_last_one_wins(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_write, "LONGEST_REST", 0.0)
    scene.wire.mood = Mood.CLOSE
    old = scene.point(1.0)
    await scene.write([old])
    scene.wire.mood = Mood.PASS
    await scene.write([old._replace(value=2.0)])
    assert (await scene.level()).rows == 2
    assert await scene.values() == []
    await scene.drain(batch_points=1)
    assert await scene.values() == [2.0]
    await scene.write([old._replace(value=3.0)])
    assert (await scene.level()).rows == 0
    assert await scene.values() == [3.0]


async def test_the_spool_becomes_empty_under_steady_writing(scene: Scene) -> None:
    scene.wire.mood = Mood.CLOSE
    await scene.write([scene.point(0.0, ago=5)])
    scene.wire.mood = Mood.PASS
    written, stopping = 1, False

    async def keep_writing() -> None:
        nonlocal written
        while not stopping:
            number, written = written, written + 1
            await scene.write([scene.point(float(number), ago=1 + number / 1000)])

    writers = [asyncio.create_task(keep_writing()) for _ in range(2)]
    done = await scene.drain()
    stopping = True
    await asyncio.gather(*writers)
    assert done.empty
    await scene.drain()
    assert (await scene.level()).rows == 0
    assert len(await scene.values()) == written


async def test_two_drainers_do_not_disturb_each_other(scene: Scene) -> None:
    scene.wire.mood = Mood.CLOSE
    for number in range(20):
        await scene.write([scene.point(float(number), ago=number)])
    scene.wire.mood = Mood.PASS
    both = await asyncio.gather(scene.drain(batch_points=1), scene.drain(batch_points=1))
    assert sum(one.points for one in both) == 20
    assert sorted(await scene.values()) == [float(number) for number in range(20)]


async def test_what_postgresql_refuses_is_not_in_influxdb(scene: Scene) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        await scene.write([scene.point(1.0)], more=Statement("SELECT 1 / 0"))
    assert await scene.values() == []


async def test_points_of_hours_that_are_over_mark_them(scene: Scene) -> None:
    await scene.write([scene.point(1.0, ago=60)])
    assert await scene.dirty() == []
    hour = scene.clock().replace(minute=0, second=0, microsecond=0)
    for ago in (2 * 3600, 2 * 3600, 5 * 3600):
        await scene.write([scene.point(1.0, ago=ago), scene.point(2.0, ago=ago + 1)])
    assert await scene.dirty() == [(hour - timedelta(hours=5), 1), (hour - timedelta(hours=2), 2)]


async def test_drained_points_mark_the_hours_that_ended_meanwhile(scene: Scene) -> None:
    hour = scene.clock().replace(minute=0, second=0, microsecond=0)
    scene.wire.mood = Mood.CLOSE
    await scene.write([scene.point(1.0)])
    assert await scene.dirty() == []
    scene.clock.advance(3600)
    scene.wire.mood = Mood.PASS
    await scene.drain()
    assert await scene.dirty() == [(hour, 1)]


async def test_a_refusal_for_good_names_its_series_and_no_others(scene: Scene) -> None:
    for metric in ('odd "name", x', "second"):
        await scene.conflict(metric.replace(",", r"\,").replace(" ", r"\ "))
    points = [scene.point(1.5, metric=metric) for metric in ("good", 'odd "name", x', "second", "better")]
    prepared, _ = await columns_of(scene.catalogue, scene.tenant_id, points)
    with pytest.raises(SeriesRefused) as refused:
        await scene.write(points)
    assert sorted(refused.value.refused) == sorted(prepared.series_ids[[1, 2]].tolist())
    assert all("field type conflict" in reason for reason in refused.value.refused.values())
    assert (await scene.level()).rows == 0
    await scene.write([points[0], points[3]])


async def test_a_refusal_while_draining_drops_those_points_and_no_others(scene: Scene) -> None:
    scene.wire.mood = Mood.CLOSE
    await scene.write([scene.point(1.5, metric="bad"), scene.point(2.5, metric="good"), scene.point(3.5, metric="bad")])
    scene.wire.mood = Mood.PASS
    await scene.conflict("bad")
    # Two points of one series at one time are one.
    assert await scene.drain() == drain.Drained(1, 1, empty=True)
    assert 2.5 in await scene.values()
    assert (await scene.level()).rows == 0


async def test_rules_may_not_be_judged_while_points_wait(scene: Scene) -> None:
    other = await make_tenant(scene.db)
    scene.wire.mood = Mood.CLOSE
    await scene.write([scene.point(1.0)])
    async with scene.db.alerter() as connection:
        await spool.check(connection, [other.id])
        with pytest.raises(SeriesDown):
            await spool.check(connection, [other.id, scene.tenant_id])
