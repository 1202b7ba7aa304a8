"""Compaction on PostgreSQL: crashes, company, late points, space given back."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from monitor.db import Database, Role
from monitor.series import rollup
from monitor.series.store import Kind, Query, Reducer
from tests.factories import make_agent, make_tenant
from tests.points import Point
from tests.series.conftest import History, point

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def history(history_on_postgres: History) -> History:
    """PostgreSQL's alone: these tests look into its tables."""
    return history_on_postgres


async def rows(db: Database, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """What the owner finds."""
    async with db.owner() as connection:
        return [tuple(row) for row in await connection.execute(text(sql), values)]


async def filled(history: History, day: datetime, *, agents: int = 3, hours: int = 3) -> tuple[UUID, list[Point]]:
    """A point every ten minutes of some agents, written."""
    tenant = await make_tenant(history.db)
    ids = [await make_agent(history.db, tenant.id, f"a{i}") for i in range(agents)]
    points = [point(one, day + n * 10 * MINUTE, float(n)) for one in ids for n in range(6 * hours)]
    await history.write(tenant.id, points)
    return tenant.id, points


async def total(history: History, tenant_id: UUID, day: datetime) -> tuple[float, float]:
    """Count and sum of two days."""
    found = []
    for reduce in (Reducer.COUNT, Reducer.SUM):
        wanted = Query(metric="m", reduce=reduce, start=day, end=day + 48 * HOUR)
        (line,) = await history.store.query(tenant_id, wanted)
        found.append(line.points[0][1])
    return found[0], found[1]


async def test_only_closed_hours_are_compacted(history: History, day: datetime) -> None:
    await filled(history, day)
    assert (await history.settle(day + HOUR + timedelta(minutes=4, seconds=59))).points == 0
    report = await history.settle(day + HOUR + 5 * MINUTE)
    assert (report.points, report.chunks, report.batches) == (18, 3, 1)
    assert await rows(history.db, "SELECT min(at) FROM samples") == [(day + HOUR,)]
    assert (await history.settle(day + HOUR + 5 * MINUTE)).batches == 0


async def test_what_is_stored(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    agent_id = await make_agent(history.db, tenant.id)
    values = [(0.5, 10.0), (0.75, 14.0), (1.5, 2.0), (59.9, 3.0)]
    kind = Kind.COUNTER
    await history.write(tenant.id, [point(agent_id, day + at * MINUTE, value, kind=kind) for at, value in values])
    await history.write(tenant.id, [point(agent_id, day + at * MINUTE, value, metric="g") for at, value in values[2:]])
    await history.settle(day + 2 * HOUR)
    middle = day + HOUR / 2
    chunks = await rows(history.db, "SELECT t, v FROM sample_chunks ORDER BY series_id")
    us = [int((day + at * MINUTE - middle) / timedelta(microseconds=1)) for at, _ in values]
    assert chunks == [(us, [10.0, 14.0, 2.0, 3.0]), (us[2:], [2.0, 3.0])]
    assert await rows(history.db, "SELECT minute, sum, count, min, max FROM rollups_minute ORDER BY series_id") == [
        ([0, 1, 59], [24.0, 2.0, 3.0], [2, 1, 1], [10.0, 2.0, 3.0], [14.0, 2.0, 3.0]),
        ([1, 59], [2.0, 3.0], None, None, None),
    ]
    columns = "at, count, sum, min, max, first, last, last_at, increase"
    last_at = day + 59.9 * MINUTE
    assert await rows(history.db, f"SELECT {columns} FROM rollups_hour ORDER BY series_id") == [
        (day, 4, 29.0, 2.0, 14.0, 10.0, 3.0, last_at, 4.0 + 2.0 + 1.0),
        (day, 2, 5.0, 2.0, 3.0, None, 3.0, last_at, None),
    ]
    assert await rows(history.db, "SELECT count(*) FROM rollups_day") == [(0,)]
    await history.settle(day + 25 * HOUR)
    assert await rows(history.db, f"SELECT {columns} FROM rollups_day ORDER BY series_id") == [
        (day, 4, 29.0, 2.0, 14.0, 10.0, 3.0, last_at, 7.0),
        (day, 2, 5.0, 2.0, 3.0, None, 3.0, last_at, None),
    ]


async def test_a_batch_that_fails_leaves_everything_as_it_was(
    history: History, day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id, points = await filled(history, day)
    before = await total(history, tenant_id, day)

    async def power_cut(*_: object, **__: object) -> None:
        raise ConnectionResetError("the plug was pulled")

    with monkeypatch.context() as patched:
        patched.setattr(rollup, "write_rollups", power_cut)
        with pytest.raises(Exception, match="database does not answer"):
            await history.settle(day + 30 * HOUR)
    assert await rows(history.db, "SELECT count(*) FROM samples") == [(len(points),)]
    assert await rows(history.db, "SELECT count(*) FROM sample_chunks") == [(0,)]
    await history.settle(day + 30 * HOUR)
    assert await total(history, tenant_id, day) == before


async def test_two_passes_at_once_share_the_work(history: History, day: datetime) -> None:
    tenant_id, points = await filled(history, day, hours=30)
    before = await total(history, tenant_id, day)
    reports = await asyncio.gather(*(history.settle(day + 48 * HOUR) for _ in range(3)))
    assert sum(report.points for report in reports) <= len(points)
    await history.settle(day + 48 * HOUR)
    assert await rows(history.db, "SELECT count(*) FROM samples") == [(0,)]
    assert await total(history, tenant_id, day) == before


async def test_hours_that_are_too_big_are_split_by_series(history: History, day: datetime) -> None:
    tenant_id, points = await filled(history, day, agents=7)
    before = await total(history, tenant_id, day)
    report = await rollup.run_once(history.db, day + 30 * HOUR, batch_points=10)
    assert (report.points, report.batches, report.chunks) == (len(points), 15, 21)
    assert await total(history, tenant_id, day) == before


async def test_points_written_beside_compaction_are_never_lost(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    agents = [await make_agent(history.db, tenant.id, f"a{i}") for i in range(4)]
    expected: dict[tuple[UUID, int], float] = {}

    async def post() -> None:
        for turn in range(40):
            batch = [point(one, day + ((turn * 7 + i) % 90) * MINUTE, float(turn)) for i, one in enumerate(agents)]
            await history.write(tenant.id, batch)
            expected.update({(one.series.agent_id, one.at_us): one.value for one in batch})

    async def settle() -> None:
        for _ in range(15):
            await history.settle(day + 30 * HOUR)

    await asyncio.gather(post(), settle())
    assert await total(history, tenant.id, day) == (len(expected), sum(expected.values()))
    await history.settle(day + 30 * HOUR)
    assert await total(history, tenant.id, day) == (len(expected), sum(expected.values()))


async def test_a_late_point_renews_its_day(history: History, day: datetime) -> None:
    tenant_id, points = await filled(history, day, agents=1)
    await history.settle(day + 30 * HOUR)
    assert await rows(history.db, "SELECT count, max FROM rollups_day") == [(18, 17.0)]
    await history.write(tenant_id, [point(points[0].series.agent_id, day + 20 * HOUR, 99.0)])
    await history.write(tenant_id, [point(points[0].series.agent_id, day, 50.0)])
    assert await total(history, tenant_id, day) == (19.0, sum(range(18)) + 149.0)
    report = await history.settle(day + 30 * HOUR)
    assert (report.points, report.chunks) == (2, 2)
    assert await rows(history.db, "SELECT count, max, last FROM rollups_day") == [(19, 99.0, 99.0)]
    assert await total(history, tenant_id, day) == (19.0, sum(range(18)) + 149.0)


async def test_whoever_overwrites_a_point_goes_first(history: History, day: datetime) -> None:
    tenant_id, points = await filled(history, day, agents=1, hours=1)
    async with history.db.driver(Role.APP) as writer, writer.transaction():
        await writer.execute("SELECT set_config('app.current_tenant_id', %s, true)", [str(tenant_id)])
        await writer.execute("UPDATE samples SET value = 100 WHERE at = %s", [day])
        report = await history.settle(day + 30 * HOUR)
        assert (report.postponed, report.points) == (1, 0)
    assert (await history.settle(day + 30 * HOUR)).points == len(points)
    assert (await total(history, tenant_id, day))[1] == sum(range(6)) + 100.0


async def test_space_of_past_days_is_given_back(history: History, day: datetime) -> None:
    tenant_id, points = await filled(history, day)
    name = f"samples_p{day:%Y%m%d}"
    assert (await history.settle(day + 23 * HOUR)).truncated == ()
    report = await history.settle(day + 25 * HOUR)
    assert report.truncated == (name,)
    assert await rows(history.db, "SELECT pg_relation_size(:name)", name=name) == [(0,)]
    assert (await history.settle(day + 25 * HOUR)).truncated == ()
    await history.write(tenant_id, [point(points[0].series.agent_id, day, 1.0)])
    assert (await history.settle(day + 25 * HOUR)).truncated == (name,)


async def test_a_vacuum_does_not_make_a_day_look_finished(history: History, day: datetime) -> None:
    await filled(history, day)
    await history.settle(day + 23 * HOUR)
    async with history.db.driver(Role.OWNER) as connection:
        await connection.set_autocommit(True)
        await connection.execute("VACUUM samples")
        await connection.set_autocommit(False)
    assert await rows(history.db, "SELECT count(*) FROM rollups_day") == [(0,)]
    assert (await history.settle(day + 25 * HOUR)).truncated == (f"samples_p{day:%Y%m%d}",)
    assert await rows(history.db, "SELECT count(*) FROM rollups_day") == [(3,)]


async def test_points_of_an_erased_series_go_without_a_trace(history: History, day: datetime) -> None:
    await filled(history, day, agents=1)
    async with history.db.owner() as connection:
        await connection.execute(text("DELETE FROM series"))
    assert (await history.settle(day + 30 * HOUR)).points == 0
    assert await rows(history.db, "SELECT count(*) FROM samples") == [(0,)]
    assert await rows(history.db, "SELECT count(*) FROM sample_chunks") == [(0,)]
