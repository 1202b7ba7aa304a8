"""The single points of a reduction over a long span: what backtests are made of, from every store."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from monitor.errors import InvalidInput
from monitor.ids import microseconds
from monitor.series.store import Kind, Past, Reducer, Reduction
from tests.factories import make_agent, make_tenant
from tests.points import Point
from tests.series.conftest import History, point
from tests.series.test_contract import HOUR, random_points

Row = tuple[UUID, tuple[str, ...], int, float]


def rows_of(past: Past | None) -> list[Row]:
    """Agent, values of `by`, time and value of each point, in order."""
    assert past is not None
    lines = past.lines[past.points.series].tolist()
    points = zip(lines, past.points.at.tolist(), past.points.value.tolist(), strict=True)
    return sorted((*past.labels[line], at, value) for line, at, value in points)


def expected(points: Sequence[Point], low: datetime, high: datetime) -> list[Row]:
    """The last value that was written for each series and time in [low, high)."""
    newest = {(one.series, one.at_us): one.value for one in points}
    return sorted(
        (series.agent_id, (dict(series.tags).get("model", ""),), at, value)
        for (series, at), value in newest.items()
        if microseconds(low) <= at < microseconds(high)
    )


@pytest.mark.parametrize("kind", [Kind.GAUGE, Kind.COUNTER])
async def test_every_single_point_comes_back_however_much_was_compacted(
    history: History, day: datetime, kind: Kind
) -> None:
    tenant = await make_tenant(history.db)
    agents = [await make_agent(history.db, tenant.id, f"a{number}") for number in range(3)]
    points = random_points(agents, day, seed=3, kind=kind)
    await history.write(tenant.id, points)
    spans = [(timedelta(), 60 * HOUR), (HOUR / 7, 41 * HOUR + timedelta(seconds=3)), (30 * HOUR, 31 * HOUR)]
    for settled in (None, day + timedelta(hours=39, minutes=10), day + 80 * HOUR):
        if settled is not None:
            await history.settle(settled)
        for low, high in spans:
            shape = Reduction(metric="m", reduce=Reducer.P95, window=high - low, by=("model",))
            past = await history.store.past(tenant.id, shape, agents, end=day + high, at_most=10_000)
            assert rows_of(past) == expected(points, day + low, day + high)
            assert past is not None
            assert set(past.counters.tolist()) == {kind is Kind.COUNTER}
    # What comes late is there as what came in time.
    late = random_points(agents[:1], day, seed=4, kind=kind)[::13]
    await history.write(tenant.id, late)
    shape = Reduction(metric="m", reduce=Reducer.MEAN, window=60 * HOUR, by=("model",))
    past = await history.store.past(tenant.id, shape, agents, end=day + 60 * HOUR, at_most=10_000)
    assert rows_of(past) == expected([*points, *late], day, day + 60 * HOUR)


async def test_only_the_agents_and_tags_that_are_asked_for(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    one, two = [await make_agent(history.db, tenant.id, name) for name in ("a1", "a2")]
    prod, dev = (("env", "prod"),), (("env", "dev"),)
    given = [(one, prod, 1.0), (one, dev, 2.0), (two, prod, 4.0)]
    await history.write(tenant.id, [point(agent, day, value, tags=tags) for agent, tags, value in given])
    await history.write(tenant.id, [point(one, day, 8.0, metric="another", tags=prod)])
    shape = Reduction(metric="m", reduce=Reducer.MAX, window=HOUR, where=prod)
    past = await history.store.past(tenant.id, shape, [one], end=day + HOUR, at_most=10)
    assert rows_of(past) == [(one, (), microseconds(day), 1.0)]
    nothing = Reduction(metric="nothing", reduce=Reducer.MAX, window=HOUR)
    assert await history.store.past(tenant.id, nothing, [one, two], end=day + HOUR, at_most=10) is None


async def test_another_tenants_points_stay_theirs(history: History, day: datetime) -> None:
    made = [await make_tenant(history.db) for _ in range(2)]
    agents = [await make_agent(history.db, tenant.id, "same-name") for tenant in made]
    for tenant, agent in zip(made, agents, strict=True):
        await history.write(tenant.id, [point(agent, day, 1.0)])
    shape = Reduction(metric="m", reduce=Reducer.SUM, window=HOUR)
    assert await history.store.past(made[0].id, shape, [agents[1]], end=day + HOUR, at_most=10) is None


async def test_too_many_points_are_refused_before_they_are_read(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    agent = await make_agent(history.db, tenant.id)
    seconds = [day + number * timedelta(seconds=1) for number in range(200)]
    await history.write(tenant.id, [point(agent, at, 1.0) for at in seconds])
    shape = Reduction(metric="m", reduce=Reducer.SUM, window=HOUR)
    with pytest.raises(InvalidInput, match="since: there are 200 points, more than 199"):
        await history.store.past(tenant.id, shape, [agent], end=day + HOUR, at_most=199)
    past = await history.store.past(tenant.id, shape, [agent], end=day + HOUR, at_most=200)
    assert len(rows_of(past)) == 200
