"""The contract of every SeriesStore, against a plain reference: before and after compaction, late points included."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import pytest

from monitor.errors import InvalidInput
from monitor.ids import microseconds
from monitor.series.store import Kind, Query, Reducer, Reduction, SeriesName
from tests.factories import make_agent, make_tenant
from tests.points import Point
from tests.series import reference
from tests.series.conftest import History, point
from tests.series.reference import PERCENTS, Key

HOUR = timedelta(hours=1)
OF_COUNTERS = (Reducer.RATE, Reducer.INCREASE)
OF_GAUGES = tuple(reducer for reducer in Reducer if reducer not in OF_COUNTERS)
SPANS = (
    (timedelta(), timedelta(hours=49), None),
    (timedelta(hours=5, minutes=17, seconds=3), timedelta(hours=44, minutes=2), None),
    (timedelta(hours=3), timedelta(hours=4, minutes=30), None),
    (timedelta(), timedelta(hours=49), timedelta(days=1)),
    (timedelta(hours=7, seconds=30), timedelta(hours=40, minutes=31), HOUR),
    (timedelta(hours=20), timedelta(hours=30), timedelta(minutes=5)),
    (timedelta(hours=20, seconds=1), timedelta(hours=22), timedelta(seconds=90)),
)


def random_points(agents: Sequence[UUID], day: datetime, *, seed: int, kind: Kind = Kind.GAUGE) -> list[Point]:
    """Two and a half days of uneven points of several agents and models, with some times written twice."""
    random = np.random.default_rng(seed)
    made: list[Point] = []
    for agent_id, model in itertools.product(agents, ("opus", "haiku", "")):
        at = np.sort(random.integers(0, 60 * 3600 * 1_000_000, 400))
        at[::50] = at[0] // 3_600_000_000 * 3_600_000_000  # exactly on an hour, several times
        value = np.round(np.exp(random.normal(3, 2, len(at))), 3)
        if kind is Kind.COUNTER:
            value = np.cumsum(value)
            for restart in random.integers(0, len(at), 5):
                value[restart:] -= value[restart]
            value = np.abs(value)
        elif kind is Kind.GAUGE:
            value *= random.choice((-1, 0, 1, 1, 1), len(at))
        tags = (("model", model),) if model else ()
        for one, number in zip(at.tolist(), value.tolist(), strict=True):
            made.append(Point(SeriesName(agent_id, "m", tags, kind, None), microseconds(day) + one, number))
    return made


def model_of(given: Point) -> Key:
    """The label `model`."""
    return (dict(given.series.tags).get("model", ""),)


async def check_query(history: History, tenant_id: UUID, points: list[Point], wanted: Query, kind: Kind) -> None:
    """The store's lines are the reference's; percentiles from histograms within 1 %."""
    expected = reference.answer(points, wanted, kind=kind, line=model_of)
    lines = await history.store.query(tenant_id, wanted)
    found: dict[tuple[Key, datetime], float] = {
        (tuple(line.labels.values()), at): value for line in lines for at, value in line.points
    }
    assert found.keys() == expected.keys(), wanted
    assert all(list(line.points) == sorted(line.points) for line in lines)
    rough = wanted.reduce in PERCENTS and wanted.end - wanted.start > timedelta(hours=2)
    for place, want in expected.items():
        near = pytest.approx(want.value, rel=0.01 if rough else 1e-9, abs=1e-7 if not rough else 1e-12)
        assert found[place] == near, (wanted, place)


async def check_all(history: History, tenant_id: UUID, points: list[Point], day: datetime, kind: Kind) -> None:
    """Every reducer that the kind has, over every span."""
    reducers = OF_GAUGES if kind is Kind.GAUGE else (*OF_COUNTERS, Reducer.SUM, Reducer.LAST)
    for reduce, (low, high, step) in itertools.product(reducers, SPANS):
        wanted = Query(metric="m", reduce=reduce, start=day + low, end=day + high, step=step, by=("model",))
        await check_query(history, tenant_id, points, wanted, kind)


@pytest.mark.parametrize("kind", list(Kind))
async def test_answers_equal_the_reference_before_and_after_compaction(
    history: History, day: datetime, kind: Kind
) -> None:
    tenant = await make_tenant(history.db)
    agents = [await make_agent(history.db, tenant.id, f"a{i}") for i in range(3)]
    points = random_points(agents, day, seed=1, kind=kind)
    await history.write(tenant.id, points)
    await check_all(history, tenant.id, points, day, kind)
    # The second day is compacted half way, so that open hours, closed hours and whole days are all read.
    await history.settle(day + timedelta(hours=39, minutes=10))
    await check_all(history, tenant.id, points, day, kind)
    late = random_points(agents[:1], day, seed=2, kind=kind)[::17]
    corrected = [one._replace(value=one.value + 1) for one in points[::31]]
    await history.write(tenant.id, late + corrected)
    points += late + corrected
    await check_all(history, tenant.id, points, day, kind)
    await history.settle(day + timedelta(hours=80))
    await check_all(history, tenant.id, points, day, kind)


async def test_a_window_holds_its_start_and_not_its_end(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    agent_id = await make_agent(history.db, tenant.id)
    edge, us = day + timedelta(hours=5), timedelta(microseconds=1)
    times = [edge - us, edge, edge + us, edge + HOUR - us, edge + HOUR]
    await history.write(tenant.id, [point(agent_id, at, float(i)) for i, at in enumerate(times)])
    for _ in range(2):
        wanted = Query(metric="m", reduce=Reducer.SUM, start=edge, end=edge + HOUR)
        (line,) = await history.store.query(tenant.id, wanted)
        assert line.points == [(edge, 1.0 + 2.0 + 3.0)]
        reduction = Reduction(metric="m", reduce=Reducer.COUNT, window=HOUR)
        (one,) = await history.store.reduce(reduction, {tenant.id: [agent_id]}, now=edge + HOUR)
        assert (one.value, one.last_at) == (3.0, edge + HOUR - us)
        await history.settle(day + timedelta(hours=30))


async def test_tenants_do_not_mix(history: History, day: datetime) -> None:
    made = [await make_tenant(history.db) for _ in range(2)]
    agents = [await make_agent(history.db, tenant.id, "same-name") for tenant in made]
    for number, (tenant, agent_id) in enumerate(zip(made, agents, strict=True)):
        await history.write(tenant.id, [point(agent_id, day, 1.0 + number)])
    wanted = Query(metric="m", reduce=Reducer.SUM, start=day, end=day + HOUR, by=("agent",))
    for _ in range(2):
        for number, tenant in enumerate(made):
            (line,) = await history.store.query(tenant.id, wanted)
            assert (dict(line.labels), line.points) == ({"agent": "same-name"}, [(day, 1.0 + number)])
        stranger = Query(metric="m", reduce=Reducer.SUM, start=day, end=day + HOUR, agent_ids=(agents[1],))
        assert await history.store.query(made[0].id, stranger) == []
        assert await history.store.last_values(made[0].id, agents[1]) == []
        reduction = Reduction(metric="m", reduce=Reducer.SUM, window=HOUR)
        assert await history.store.reduce(reduction, {made[0].id: [agents[1]]}, now=day + HOUR) == []
        await history.settle(day + timedelta(hours=30))


async def test_where_and_by(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    coder = await make_agent(history.db, tenant.id, "a1", agent_type="coder")
    tester = await make_agent(history.db, tenant.id, "a2", agent_type="tester")
    prod, dev = (("env", "prod"), ("model", "opus")), (("env", "dev"), ("model", "opus"))
    values = [(coder, prod, 1.0), (coder, dev, 2.0), (tester, prod, 4.0), (tester, (), 8.0)]
    await history.write(tenant.id, [point(agent_id, day, value, tags=tags) for agent_id, tags, value in values])

    async def ask(by: tuple[str, ...], where: dict[str, str]) -> dict[tuple[str, ...], float]:
        wanted = Query(metric="m", reduce=Reducer.SUM, start=day, end=day + HOUR, by=by, where=where)
        lines = await history.store.query(tenant.id, wanted)
        return {tuple(line.labels[name] for name in by): line.points[0][1] for line in lines}

    assert await ask((), {}) == {(): 15.0}
    assert await ask(("env",), {}) == {("prod",): 5.0, ("dev",): 2.0, ("",): 8.0}
    assert await ask(("agent", "model"), {"env": "prod"}) == {("a1", "opus"): 1.0, ("a2", "opus"): 4.0}
    assert await ask(("agent_type",), {}) == {("coder",): 3.0, ("tester",): 12.0}
    assert await ask((), {"agent": "a2", "env": "prod"}) == {(): 4.0}
    assert await ask((), {"agent_type": "coder"}) == {(): 3.0}
    assert await ask((), {"env": "prod' OR true"}) == {}
    reduction = Reduction(metric="m", reduce=Reducer.SUM, window=HOUR, by=("env",), where=(("model", "opus"),))
    found = await history.store.reduce(reduction, {tenant.id: [coder, tester]}, now=day + HOUR)
    assert {(one.agent_id, one.labels): one.value for one in found} == {
        (coder, ("prod",)): 1.0,
        (coder, ("dev",)): 2.0,
        (tester, ("prod",)): 4.0,
    }


async def test_counters_restart_across_hours_and_compaction(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    agent_id = await make_agent(history.db, tenant.id)
    # Rises by 10, restarts between two hours and counts 4, rises by 1, one lonely point later.
    values = [(0.5, 100.0), (0.9, 110.0), (1.1, 4.0), (2.5, 5.0), (26.0, 5.0)]
    points = [point(agent_id, day + at * HOUR, value, kind=Kind.COUNTER) for at, value in values]
    await history.write(tenant.id, points)
    for _ in range(2):
        wanted = Query(metric="m", reduce=Reducer.INCREASE, start=day, end=day + 48 * HOUR, step=HOUR)
        (line,) = await history.store.query(tenant.id, wanted)
        assert line.points == [(day + n * HOUR, rise) for n, rise in ((0, 10.0), (1, 4.0), (2, 1.0), (26, 0.0))]
        reduction = Reduction(metric="m", reduce=Reducer.RATE, window=48 * HOUR)
        (one,) = await history.store.reduce(reduction, {tenant.id: [agent_id]}, now=day + 48 * HOUR)
        assert one.value == pytest.approx(15.0 / (48 * 3600))
        lonely = Reduction(metric="m", reduce=Reducer.INCREASE, window=HOUR)
        assert await history.store.reduce(lonely, {tenant.id: [agent_id]}, now=day + 27 * HOUR) == []
        await history.settle(day + 60 * HOUR)


async def test_a_gauge_has_no_rate(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    agent_id = await make_agent(history.db, tenant.id)
    await history.write(tenant.id, [point(agent_id, day + at * HOUR / 9, 1.0) for at in range(9)])
    with pytest.raises(InvalidInput, match="reduce: m is a gauge: it has no rate"):
        await history.store.query(tenant.id, Query(metric="m", reduce=Reducer.RATE, start=day, end=day + HOUR))
    reduction = Reduction(metric="m", reduce=Reducer.RATE, window=HOUR)
    assert await history.store.reduce(reduction, {tenant.id: [agent_id]}, now=day + HOUR) == []


async def test_answers_have_limits(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    agent_id = await make_agent(history.db, tenant.id)
    many = [point(agent_id, day, 1.0, tags=(("n", str(n)),)) for n in range(1001)]
    await history.write(tenant.id, many)
    wanted = Query(metric="m", reduce=Reducer.SUM, start=day, end=day + HOUR, by=("n",))
    with pytest.raises(InvalidInput, match="by: the answer would have 1,001 lines"):
        await history.store.query(tenant.id, wanted)
    second = timedelta(seconds=1)
    wanted = Query(metric="m", reduce=Reducer.SUM, start=day, end=day + 11_001 * second, step=second)
    with pytest.raises(InvalidInput, match="step: would make 11,001 points"):
        await history.store.query(tenant.id, wanted)
    with pytest.raises(InvalidInput, match="start: must be before the end"):
        await history.store.query(tenant.id, Query(metric="m", reduce=Reducer.SUM, start=day, end=day))


async def test_last_values(history: History, day: datetime) -> None:
    tenant = await make_tenant(history.db)
    agent_id = await make_agent(history.db, tenant.id)
    prod = (("env", "prod"),)
    await history.write(
        tenant.id,
        [
            point(agent_id, day + HOUR, 1.0, metric="cpu"),
            point(agent_id, day + 2 * HOUR, 2.0, metric="cpu"),
            point(agent_id, day, 3.0, metric="cpu", tags=prod),
            Point(SeriesName(agent_id, "latency", (), None, "ms"), microseconds(day), 9.5),
        ],
    )
    expected = [
        ("cpu", (), day + 2 * HOUR, 2.0, None),
        ("cpu", prod, day, 3.0, None),
        ("latency", (), day, 9.5, "ms"),
    ]
    assert await history.store.last_values(tenant.id, agent_id) == expected
    await history.settle(day + 30 * HOUR)
    assert await history.store.last_values(tenant.id, agent_id) == expected
    await history.write(tenant.id, [point(agent_id, day + HOUR / 2, 7.0, metric="cpu")])
    assert await history.store.last_values(tenant.id, agent_id) == expected
