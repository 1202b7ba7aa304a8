"""Rollups in InfluxDB: in pieces of any size, in spite of crashes, and with points that come late."""

from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from monitor.errors import SeriesDown
from monitor.ids import microseconds
from monitor.series import influx_rollup
from monitor.series.influx import InfluxSeriesStore
from monitor.series.influx_client import Influx
from monitor.series.influx_pieces import Weighed, pieces
from monitor.series.rollup import BATCH_POINTS
from monitor.series.store import Kind, Query, Reducer, Report
from monitor.series.stored import HOUR_US, MINUTE_US
from tests.factories import make_agent, make_tenant
from tests.series.conftest import History, point
from tests.series.test_contract import check_all, random_points

HOUR = timedelta(hours=1)


async def rolled(history: History, now: datetime, *, batch_points: int = BATCH_POINTS) -> Report:
    """One run."""
    store = history.store
    assert isinstance(store, InfluxSeriesStore)
    return await influx_rollup.run_once(history.db, store.influx, store.catalogue, now, batch_points=batch_points)


async def left(history: History) -> int:
    """Hours that are dirty."""
    async with history.db.alerter() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM rollup_dirty"))).scalar_one())


async def count(history: History, tenant_id: UUID, day: datetime) -> float:
    """Points of two days, from rollups where they are."""
    wanted = Query(metric="m", reduce=Reducer.COUNT, start=day, end=day + timedelta(days=2))
    return sum(value for line in await history.store.query(tenant_id, wanted) for _at, value in line.points)


@pytest.mark.parametrize("kind", [Kind.GAUGE, Kind.COUNTER])
async def test_small_pieces_make_the_same_as_large_ones(history_on_influx: History, day: datetime, kind: Kind) -> None:
    tenant = await make_tenant(history_on_influx.db)
    points = random_points([await make_agent(history_on_influx.db, tenant.id, "a")], day, seed=8, kind=kind)
    await history_on_influx.write(tenant.id, points)
    await rolled(history_on_influx, day + timedelta(hours=70), batch_points=3)
    await check_all(history_on_influx, tenant.id, points, day, kind)


async def test_late_points_are_rolled_up_again_with_their_day(history_on_influx: History, day: datetime) -> None:
    tenant = await make_tenant(history_on_influx.db)
    agent = await make_agent(history_on_influx.db, tenant.id, "a")
    await history_on_influx.write(tenant.id, [point(agent, day + number * HOUR, 1.0) for number in range(30)])
    first = await rolled(history_on_influx, day + timedelta(hours=40))
    assert (first.points, first.busy, await left(history_on_influx)) == (30, False, 0)
    await history_on_influx.write(tenant.id, [point(agent, day + 3 * HOUR + timedelta(minutes=1), 1.0)])
    assert await left(history_on_influx) == 1
    again = await rolled(history_on_influx, day + timedelta(hours=40))
    assert (again.points, await left(history_on_influx)) == (2, 0)
    assert await count(history_on_influx, tenant.id, day) == 31
    assert (await rolled(history_on_influx, day + timedelta(hours=40))).points == 0


async def test_a_point_that_comes_while_its_hour_is_rolled_up_is_not_forgotten(
    history_on_influx: History, day: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await make_tenant(history_on_influx.db)
    agent = await make_agent(history_on_influx.db, tenant.id, "a")
    await history_on_influx.write(tenant.id, [point(agent, day, 1.0)])
    write = Influx.write

    async def write_and_be_late(self: Influx, bucket: str, lines: bytes) -> None:
        await write(self, bucket, lines)
        if bucket == self.buckets.hour:
            monkeypatch.undo()
            await history_on_influx.write(tenant.id, [point(agent, day + timedelta(minutes=5), 1.0)])

    monkeypatch.setattr(Influx, "write", write_and_be_late)
    await rolled(history_on_influx, day + 5 * HOUR)
    assert await count(history_on_influx, tenant.id, day) == 2
    await rolled(history_on_influx, day + 5 * HOUR)
    assert await left(history_on_influx) == 0
    assert await count(history_on_influx, tenant.id, day) == 2


@pytest.mark.parametrize("level", ["minute", "hour", "day"])
async def test_a_run_that_dies_at_any_level_is_done_again(
    history_on_influx: History, day: datetime, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    tenant = await make_tenant(history_on_influx.db)
    agents = [await make_agent(history_on_influx.db, tenant.id, "a")]
    points = random_points(agents, day, seed=9)
    await history_on_influx.write(tenant.id, points)
    write, fatal = Influx.write, 3 if level != "day" else 1

    async def die(self: Influx, bucket: str, lines: bytes) -> None:
        nonlocal fatal
        if bucket == getattr(self.buckets, level):
            fatal -= 1
            if not fatal:
                raise SeriesDown("gone")
        await write(self, bucket, lines)

    monkeypatch.setattr(Influx, "write", die)
    with pytest.raises(SeriesDown):
        await rolled(history_on_influx, day + timedelta(hours=70))
    monkeypatch.undo()
    await check_all(history_on_influx, tenant.id, points, day, Kind.GAUGE)
    await rolled(history_on_influx, day + timedelta(hours=70))
    assert await left(history_on_influx) == 0
    await check_all(history_on_influx, tenant.id, points, day, Kind.GAUGE)


def test_pieces_hold_every_series_once_and_no_more_than_they_may() -> None:
    tenants = [uuid4() for _ in range(120)]
    series = [Weighed(number, tenants[number % 120], f"m{number % 7}", False, 10) for number in range(5_000)]
    series += [Weighed(9_000 + number, tenants[0], "large", True, 1_000) for number in range(30)]
    made = list(pieces(series, 3_000))
    ids = [one for piece in made for one in piece.who.ids.tolist()]
    assert sorted(ids) == sorted(one.id for one in series)
    weight = {one.id: one.rows for one in series}
    for piece in made:
        assert sorted(piece.who.ids.tolist()) == piece.who.ids.tolist()
        assert len(set(piece.who.tenants)) <= 50
        assert sum(weight[one] for one in piece.who.ids.tolist()) <= 3_000 * piece.parts
    (large,) = [piece for piece in made if piece.metric == "large"]
    assert large.parts == 10
    assert large.counter.all()


def test_parts_of_an_hour_are_whole_minutes_and_leave_nothing_out() -> None:
    (piece,) = pieces([Weighed(1, uuid4(), "m", False, 70_000)], 10_000)
    low = microseconds(datetime.fromisoformat("2026-01-01T00:00:00+00:00"))
    spans = piece.spans((low, low + HOUR_US))
    assert spans[0][0] == low
    assert spans[-1][1] == low + HOUR_US
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    assert all((high - start) % MINUTE_US == 0 for start, high in spans)
    assert len(spans) >= 6
