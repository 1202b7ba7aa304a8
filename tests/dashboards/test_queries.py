"""Each panel's query, filled in as Grafana does, on a real PostgreSQL as Grafana's role and on a real InfluxDB."""

from datetime import timedelta

import pytest

from dashboards.queries import base
from dashboards.queries import fleet as of_fleet
from dashboards.queries import latency as of_latency
from dashboards.queries.base import VARIABLES, Query
from monitor.db import Database, Role
from monitor.ids import from_microseconds, microseconds
from monitor.pipeline import SET_TENANT, Pipeline
from monitor.series import rollup
from monitor.series.influx_line import key_of
from monitor.series.postgres import PostgresSeriesStore
from tests.dashboards.conftest import MINUTE, ODD, Fleet, Flux, Grafana, Lines, answered
from tests.points import Point, columns_of

by_store = pytest.mark.parametrize("store", ["samples", "chunks", "influx"])
"""Points of open hours, of closed ones, and of InfluxDB."""


async def _in_postgres(db: Database, fleet: Fleet) -> None:
    store, tenant = PostgresSeriesStore(db), fleet.grafana.tenant.id
    prepared, refused = await columns_of(store, tenant, [point for _, point in fleet.points])
    assert refused == []
    async with db.driver(Role.APP) as connection, Pipeline(connection) as pipeline:
        pipeline.add(SET_TENANT, tenant=str(tenant))
        await store.write(pipeline, tenant, prepared)


def _key(fleet: Fleet, name: str, point: Point) -> str:
    series, tenant = point.series, fleet.grafana.tenant.id
    number = 1 + [other.series for _, other in fleet.points].index(series)
    return key_of(series.metric, dict(series.tags), tenant_id=tenant, agent=name, series_id=number).decode()


async def _in_influx(flux: Flux, fleet: Fleet) -> None:
    lines = [f"{_key(fleet, name, point)} value={point.value!r} {point.at_us}" for name, point in fleet.points]
    lines.append(f"load,tenant={fleet.agents['theirs']},agent=akira-001,_id=99 value=7777 {fleet.points[0][1].at_us}")
    await flux.write("raw", lines)


class Asked:
    """One store, filled with the fleet's points before the first question."""

    def __init__(self, store: str, db: Database, fleet: Fleet, flux: Flux | None) -> None:
        """`store` is one of samples, chunks, influx; the last one with `flux`."""
        self._store, self._db, self._fleet, self._flux = store, db, fleet, flux
        self._filled = False

    async def _fill(self) -> None:
        await _in_postgres(self._db, self._fleet)
        if self._flux is not None:
            await _in_influx(self._flux, self._fleet)
        if self._store == "chunks":
            assert (await rollup.run_once(self._db, self._fleet.start + timedelta(hours=2))).chunks > 0
        self._filled = True

    async def __call__(self, query: Query, **chosen: str | list[str]) -> Lines:
        """The answer, by line and by minute of the span."""
        if not self._filled:
            await self._fill()
        grafana = self._fleet.grafana.choose(**chosen)
        if self._flux is None:
            return await answered(grafana, query)
        ((pattern,),) = [row.values() for row in await grafana.sql(VARIABLES["of_agents"])]
        assert query.flux is not None
        return await self._flux.lines(query.flux, grafana.choose(of_agents=pattern))


@pytest.fixture
def ask(store: str, fleet: Fleet, db: Database, request: pytest.FixtureRequest) -> Asked:
    """The store of this parameter."""
    return Asked(store, db, fleet, request.getfixturevalue("flux") if store == "influx" else None)


@pytest.fixture
def maybe_flux(store: str, request: pytest.FixtureRequest) -> Flux | None:
    """InfluxDB where the parameter asks for it."""
    found: Flux | None = request.getfixturevalue("flux") if store == "influx" else None
    return found


@by_store
async def test_latency(ask: Asked, fleet: Fleet) -> None:
    """100 values of one agent in the first step, one of each other in the second: nearest rank."""
    expected = {"p50": {0: 50.0, 5: 50.0}, "p95": {0: 95.0, 5: 900.0}, "p99": {0: 99.0, 5: 900.0}}
    assert await ask(of_latency.LATENCY) == {line: fleet.at(values) for line, values in expected.items()}
    assert await ask(of_latency.LATENCY, agent="shop") == {p: fleet.at({5: 50.0}) for p in expected}


@by_store
async def test_latency_by_agent_and_model(ask: Asked, fleet: Fleet) -> None:
    """By nearest rank; no execution of these names a model, so a choice of models leaves none."""
    found = {name.replace("%5C", "\\"): line for name, line in (await ask(of_latency.LATENCY_BY_AGENT)).items()}
    assert found == {"akira-001": fleet.at({0: 95.0}), ODD: fleet.at({5: 900.0}), "shop": fleet.at({5: 50.0})}
    assert await ask(of_latency.LATENCY_BY_MODEL) == {"no model": fleet.at({0: 95.0, 5: 900.0})}
    assert await ask(of_latency.LATENCY_BY_MODEL, model="opus") == {}


@by_store
async def test_tokens(ask: Asked, fleet: Fleet) -> None:
    expected = {"tokens_input": fleet.at({0: 1000.0}), "tokens_output": fleet.at({0: 120.0})}
    assert await ask(of_fleet.TOKENS) == expected
    assert await ask(of_fleet.TOKENS, model="tiny") == {"tokens_input": fleet.at({0: 100.0})}
    assert await ask(of_fleet.TOKENS, model=["tiny", "opus"]) == expected


@by_store
async def test_cost(ask: Asked, fleet: Fleet) -> None:
    """Points without a model are there as long as all models are chosen."""
    named = {"opus": fleet.at({0: 0.25}), "tiny": fleet.at({5: 0.75})}
    assert await ask(of_fleet.COST) == {**named, "no model": fleet.at({0: 0.5})}
    assert await ask(of_fleet.COST, model=["opus", "tiny"]) == named


@by_store
@pytest.mark.parametrize(
    ("query", "scale"),
    [(of_fleet.MEMORY, 1e9), (of_fleet.CPU, 10.0), (of_fleet.EXPLORER, 1.0)],
    ids=["memory", "cpu", "any"],
)
async def test_means_by_agent(ask: Asked, fleet: Fleet, query: Query, scale: float) -> None:
    """The n-th agent reports n + 1, n + 2 in the first step and n + 6 in the second."""
    everybody = {
        name: fleet.at({0: scale * (number + 1.5), 5: scale * (number + 6)})
        for number, name in enumerate(("akira-001", ODD, "shop"), 1)
    }
    # What line protocol cannot carry stands in InfluxDB as % and its code.
    found = {name.replace("%5C", "\\"): line for name, line in (await ask(query)).items()}
    assert found == everybody
    assert await ask(query, agent_type="seller") == {"shop": everybody["shop"]}
    found = await ask(query, agent=[ODD, "akira-001"])
    assert {name.replace("%5C", "\\") for name in found} == {ODD, "akira-001"}
    assert await ask(query, agent=[ODD, "akira-001"], agent_type="seller") == {}


@by_store
async def test_only_the_highest_lines_are_drawn(ask: Asked, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MOST_LINES", 2)
    query = base.by_agent(base.METRIC, "=~ /^(${metric:regex})$/", "two lines")
    assert len(await ask(query)) == 2
    assert "akira-001" not in await ask(query)


@pytest.mark.parametrize("store", ["chunks", "influx"])
async def test_history_by_hour(fleet: Fleet, db: Database, maybe_flux: Flux | None) -> None:
    """The rollups of one hour: least, mean and greatest of all agents, weighted by their counts."""
    await _in_postgres(db, fleet)
    await rollup.run_once(db, fleet.start + timedelta(hours=2))
    view = type(fleet.grafana.view)
    hourly = view(fleet.start, fleet.start + 2 * timedelta(hours=1), timedelta(hours=1), fleet.grafana.view.chosen)
    grafana = Grafana(fleet.grafana.url, fleet.grafana.tenant, hourly)
    if maybe_flux is not None:
        lines = []
        for number, name in enumerate(("akira-001", ODD, "shop"), 1):
            values = [number + n for n in (1.0, 2.0, 6.0)]
            key = _key(fleet, name, next(p for n, p in fleet.points if n == name and p.series.metric == "load"))
            fields = f"count=3.0,sum={sum(values)},min={min(values)},max={max(values)},last={values[-1]}"
            lines.append(f'{key} {fields},histogram="AA==" {microseconds(fleet.start)}')
        await maybe_flux.write("hour", lines)
        assert of_fleet.HISTORY.flux is not None
        found = await maybe_flux.lines(of_fleet.HISTORY.flux, grafana)
    else:
        found = await answered(grafana, of_fleet.HISTORY)
    assert found == {"min": {fleet.start: 2.0}, "mean": {fleet.start: 5.0}, "max": {fleet.start: 9.0}}


async def test_a_late_point_replaces_the_one_in_its_chunk(fleet: Fleet, db: Database) -> None:
    await _in_postgres(db, fleet)
    await rollup.run_once(db, fleet.start + timedelta(hours=2))
    name, last = next((n, p) for n, p in fleet.points if p.series.metric == "load" and n == "shop")
    late = Fleet(fleet.grafana, fleet.start, fleet.agents, ((name, last._replace(value=40.0)),))
    await _in_postgres(db, late)
    found = await answered(fleet.grafana, of_fleet.EXPLORER)
    assert found["shop"] == fleet.at({0: (40.0 + 5.0) / 2, 5: 9.0})
    assert from_microseconds(last.at_us) == fleet.start + MINUTE
