"""Every panel of every dashboard: its questions, filled in as Grafana does, asked of real stores as Grafana's own role
or token, return rows; and those that are asked in two languages return the same."""

from datetime import timedelta

import pytest

from dashboards import build
from dashboards.every import EVERY
from dashboards.layout import Dashboard, Panel
from dashboards.panels import Store
from dashboards.queries import agent as of_agent
from dashboards.queries import base
from dashboards.queries import health as of_health
from monitor.db import Database
from monitor.ids import microseconds
from monitor.series import rollup
from tests.dashboards.conftest import (
    ODD,
    Asked,
    Fleet,
    Flux,
    Grafana,
    answered,
    by_store,
    in_influx,
    in_postgres,
    key_in_influx,
)
from tests.dashboards.filling import fill

HOURS = 2 * timedelta(hours=1)


async def _everything(db: Database, fleet: Fleet, flux: Flux | None) -> Grafana:
    """All rows and points, rollups too; looked at over two hours."""
    await fill(db, fleet)
    await in_postgres(db, fleet)
    await rollup.run_once(db, fleet.start + HOURS)
    if flux is not None:
        await in_influx(flux, fleet)
        lines = [
            f"{key_in_influx(fleet, name, point)} count=1.0,sum={point.value},min={point.value},max={point.value}"
            f",last=0.0 {microseconds(fleet.start)}"
            for name, point in fleet.points
        ]
        await flux.write("hour", lines)
    view = type(fleet.grafana.view)
    return Grafana(
        fleet.grafana.url, fleet.grafana.tenant,
        view(fleet.start, fleet.start + HOURS, timedelta(hours=1), fleet.grafana.view.chosen),
    )  # fmt: skip


@pytest.mark.parametrize("store", ["postgres", "influx"])
async def test_every_question_is_answered_with_rows(
    fleet: Fleet, db: Database, store: str, maybe_flux: Flux | None
) -> None:
    """On the dashboard of each store; and so is what fills the variables, what marks the charts and draws lines."""
    grafana = await _everything(db, fleet, maybe_flux)
    empty = []
    for page, panel in _panels(Store(store)):
        if maybe_flux is not None and panel.query.flux is not None:
            found = bool(await maybe_flux.lines(panel.query.flux, grafana))
        else:
            found = bool(await grafana.sql(panel.query.sql))
        if not found:
            empty.append(f"{page.slug}: {panel.title}")
        if panel.judged is not None and not await answered(grafana, base.rule_lines(panel.judged)):
            empty.append(f"{page.slug}: the rules of {panel.title}")
    others = base.VARIABLES | {marks.meaning: marks.sql for marks in (base.ALERT_MARKS, base.TRANSITION_MARKS)}
    empty += [name for name, sql in others.items() if not await grafana.sql(sql)]
    assert empty == []


def _panels(store: Store) -> list[tuple[Dashboard, Panel]]:
    return [(page, panel) for page, kept in build.PAGES if kept is store for panel in page.panels]


async def test_every_number_is_not_null(fleet: Fleet, db: Database) -> None:
    """A row of nothing but nulls would be a row too."""
    grafana = await _everything(db, fleet, None)
    for page in EVERY:
        for panel in page.panels:
            rows = await grafana.sql(panel.query.sql)
            told = {name for row in rows for name, value in row.items() if value is not None}
            silent = {"ended_at", "seen_at", "oldest", "timeend", "expires in", "last_seen_at", "last_heartbeat_at"}
            silent |= {"silent", "last_status", "consecutive_failures", "version", "value", "threshold", "metric"}
            assert {*rows[0]} - told <= silent, (page.slug, panel.title)


@by_store
async def test_outcomes_durations_and_load(ask: Asked, fleet: Fleet) -> None:
    """The worst of each step; counts by the upper end; the newest value. The n-th of 100 executions took n ms."""
    assert await ask(of_agent.OUTCOMES) == {"executions": fleet.at({0: 0.0, 5: 0.5})}
    assert await ask(of_agent.DURATIONS) == {
        "0000010": fleet.at({0: 9.0}), "0000030": fleet.at({0: 20.0}), "0000100": fleet.at({0: 70.0, 5: 1.0}),
        "0000300": fleet.at({0: 1.0}), "0001000": fleet.at({5: 1.0}),
    }  # fmt: skip
    assert await ask(of_agent.LOAD, agent="shop") == {"cpu": fleet.at({6: 90.0})}
    assert await ask(of_agent.OUTCOMES, agent=ODD) == {}


@pytest.mark.parametrize("store", ["postgres", "influx"])
async def test_points_of_hours(fleet: Fleet, db: Database, maybe_flux: Flux | None, store: str) -> None:
    assert (store == "influx") == (maybe_flux is not None)
    grafana = await _everything(db, fleet, maybe_flux)
    assert of_health.POINTS.flux is not None
    found = await (
        maybe_flux.lines(of_health.POINTS.flux, grafana) if maybe_flux else answered(grafana, of_health.POINTS)
    )
    series = len({point.series for _, point in fleet.points})
    assert found == {"points": {fleet.start: float(series if maybe_flux else len(fleet.points))}}


async def test_a_rules_threshold_is_a_line_across_the_span(fleet: Fleet, db: Database) -> None:
    """Of its own metric, of rules that hold for a chosen agent."""
    await fill(db, fleet, "slow")
    ends = (fleet.grafana.view.start, fleet.grafana.view.end)
    lines = await _at(fleet.grafana, base.rule_lines("execution_duration_ms"))
    assert lines == [(at, "slow (>=)", 750.0) for at in ends]
    assert await _at(fleet.grafana.choose(agent="akira-001"), base.rule_lines("memory_bytes")) == [
        (at, "slow (>)", 5e9) for at in ends
    ]
    assert await _at(fleet.grafana.choose(agent="shop"), base.rule_lines("memory_bytes")) == []
    assert await _at(fleet.grafana, base.rule_lines("load")) == []


async def _at(grafana: Grafana, query: base.Query) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in await grafana.sql(query.sql)]
