"""Each panel's query, filled in as Grafana does, on a real PostgreSQL as Grafana's role and on a real InfluxDB."""

from datetime import timedelta

import pytest

from dashboards.queries import base
from dashboards.queries import fleet as of_fleet
from dashboards.queries import latency as of_latency
from dashboards.queries.base import Query
from monitor.db import Database
from monitor.ids import from_microseconds, microseconds
from monitor.series import rollup
from tests.dashboards.conftest import (
    MINUTE,
    ODD,
    Asked,
    Fleet,
    Flux,
    Grafana,
    answered,
    by_store,
    in_postgres,
    key_in_influx,
)


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
    await in_postgres(db, fleet)
    await rollup.run_once(db, fleet.start + timedelta(hours=2))
    view = type(fleet.grafana.view)
    hourly = view(fleet.start, fleet.start + 2 * timedelta(hours=1), timedelta(hours=1), fleet.grafana.view.chosen)
    grafana = Grafana(fleet.grafana.url, fleet.grafana.tenant, hourly)
    if maybe_flux is not None:
        lines = []
        for number, name in enumerate(("akira-001", ODD, "shop"), 1):
            values = [number + n for n in (1.0, 2.0, 6.0)]
            key = key_in_influx(
                fleet, name, next(p for n, p in fleet.points if n == name and p.series.metric == "load")
            )
            fields = f"count=3.0,sum={sum(values)},min={min(values)},max={max(values)},last={values[-1]}"
            lines.append(f'{key} {fields},histogram="AA==" {microseconds(fleet.start)}')
        await maybe_flux.write("hour", lines)
        assert of_fleet.HISTORY.flux is not None
        found = await maybe_flux.lines(of_fleet.HISTORY.flux, grafana)
    else:
        found = await answered(grafana, of_fleet.HISTORY)
    assert found == {"min": {fleet.start: 2.0}, "mean": {fleet.start: 5.0}, "max": {fleet.start: 9.0}}


async def test_a_late_point_replaces_the_one_in_its_chunk(fleet: Fleet, db: Database) -> None:
    await in_postgres(db, fleet)
    await rollup.run_once(db, fleet.start + timedelta(hours=2))
    name, last = next((n, p) for n, p in fleet.points if p.series.metric == "load" and n == "shop")
    late = Fleet(fleet.grafana, fleet.start, fleet.agents, ((name, last._replace(value=40.0)),))
    await in_postgres(db, late)
    found = await answered(fleet.grafana, of_fleet.EXPLORER)
    assert found["shop"] == fleet.at({0: (40.0 + 5.0) / 2, 5: 9.0})
    assert from_microseconds(last.at_us) == fleet.start + MINUTE
