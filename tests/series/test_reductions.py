"""Reductions for rules on every SeriesStore against a plain reference, in windows of all lengths."""

import itertools
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import pytest

from monitor.ids import from_microseconds
from monitor.series.store import Kind, Query, Reduced, Reduction
from tests.factories import make_agent, make_tenant
from tests.points import Point
from tests.series import reference
from tests.series.conftest import History, point
from tests.series.reference import PERCENTS, Key
from tests.series.test_contract import HOUR, OF_COUNTERS, OF_GAUGES, model_of, random_points


@pytest.mark.parametrize("window", [timedelta(minutes=5), timedelta(minutes=90), timedelta(hours=30)])
async def test_reductions_equal_the_reference(history: History, day: datetime, window: timedelta) -> None:
    tenants = [(await make_tenant(history.db)).id for _ in range(2)]
    points: dict[UUID, list[Point]] = {}
    targets: dict[UUID, list[UUID]] = {}
    for number, tenant_id in enumerate(tenants):
        targets[tenant_id] = [await make_agent(history.db, tenant_id, f"a{i}") for i in range(2)]
        points[tenant_id] = random_points(targets[tenant_id], day, seed=number)
        await history.write(tenant_id, points[tenant_id])
    ends = [day + timedelta(hours=36, minutes=15), from_microseconds(points[tenants[0]][0].at_us) + window]
    for settled in (False, True):
        if settled:
            await history.settle(day + timedelta(hours=37, minutes=20))
        for reduce, now in itertools.product(OF_GAUGES, ends):
            made = await history.store.reduce(
                Reduction(metric="m", reduce=reduce, window=window, by=("model",)), targets, now=now
            )
            found: dict[Key, Reduced] = {(one.tenant_id, one.agent_id, one.labels): one for one in made}
            wanted = Query(metric="m", reduce=reduce, start=now - window, end=now)
            expected = {
                (tenant_id, *key): want
                for tenant_id, given in points.items()
                for (key, _), want in reference.answer(
                    given, wanted, line=lambda one: (one.series.agent_id, model_of(one))
                ).items()
            }
            assert found.keys() == expected.keys()
            for place, want in expected.items():
                one = found[place]
                rough = reduce in PERCENTS and window > timedelta(hours=2)
                assert one.value == pytest.approx(want.value, rel=0.01 if rough else 1e-9, abs=1e-9)
                assert (one.count, one.last_at) == (want.count, want.last_at)


@pytest.mark.parametrize("window", [timedelta(minutes=4), timedelta(minutes=90)])
async def test_rises_of_short_windows_equal_the_reference(history: History, day: datetime, window: timedelta) -> None:
    tenant = await make_tenant(history.db)
    agent_id = await make_agent(history.db, tenant.id)
    end, random = day + timedelta(hours=5), np.random.default_rng(3)
    points: list[Point] = []
    for kind, tags in itertools.product((Kind.COUNTER, Kind.DELTA), ((), (("model", "opus"),))):
        values = random.integers(0, 50, 100).tolist()  # a counter restarts at every drop
        times = [end - timedelta(minutes=91 - n * 0.9, microseconds=n) for n in range(100)]
        points += [
            point(agent_id, at, float(value), metric=kind, tags=tags, kind=kind)
            for at, value in zip(times, values, strict=True)
        ]
    await history.write(tenant.id, points)
    for kind, reduce in itertools.product((Kind.COUNTER, Kind.DELTA), OF_COUNTERS):
        own = [one for one in points if one.series.metric == kind]
        wanted = Query(metric=kind, reduce=reduce, start=end - window, end=end)
        (expected,) = reference.answer(own, wanted, kind=kind).values()
        reduction = Reduction(metric=kind, reduce=reduce, window=window)
        (one,) = await history.store.reduce(reduction, {tenant.id: [agent_id]}, now=end)
        assert one.value == pytest.approx(expected.value)
        assert (one.count, one.last_at) == (expected.count, expected.last_at)


@pytest.mark.parametrize("count", [1, 19, 20, 21, 100, 140, 700])
async def test_percentiles_of_an_hour_are_by_nearest_rank(history: History, day: datetime, count: int) -> None:
    tenant = await make_tenant(history.db)
    agent_id = await make_agent(history.db, tenant.id)
    values = np.random.default_rng(count).permutation(count).tolist()
    points = [point(agent_id, day + n * HOUR / count, float(value)) for n, value in enumerate(values)]
    await history.write(tenant.id, points)
    for reduce, percent in PERCENTS.items():
        reduction = Reduction(metric="m", reduce=reduce, window=HOUR)
        (one,) = await history.store.reduce(reduction, {tenant.id: [agent_id]}, now=day + HOUR)
        assert one.value == reference.nearest_rank([float(value) for value in values], percent), reduce
