"""The JSON against the types that Grafana itself publishes; and that these would find what is wrong."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from grafanalib._gen import DashboardEncoder
from grafanalib.core import Dashboard, TimeSeries

from dashboards import build, panels
from tests import parts
from tests.tools import grafana_types, npm

Json = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _types() -> None:
    """Installed, or these tests are left out and it is said why."""
    try:
        grafana_types.folder()
    except npm.NotInstalledError as fault:
        parts.leave_out(str(fault))


def test_every_dashboard_is_what_grafana_says_a_dashboard_is() -> None:
    """All of the committed files, at once."""
    files = [json.loads((build.FOLDER / build.name(*one)).read_text(encoding="utf-8")) for one in build.PAGES]
    assert grafana_types.faults(files) == []
    assert {made["schemaVersion"] for made in files} == {panels.SCHEMA_VERSION} == {grafana_types.current_schema()}


def _chart(made: Json) -> Json:
    chart: Json = next(panel for panel in made["panels"] if panel["type"] == "timeseries")
    return chart


def _old(made: Json) -> None:
    chart = TimeSeries(title="old", dataSource="postgres", id=99, targets=[])
    made["panels"].append(json.loads(json.dumps(chart.to_json_data(), cls=DashboardEncoder)))


WRONG: dict[str, Callable[[Json], object]] = {
    "a null": lambda made: made.update(description=None),
    "a key that is not there": lambda made: made.update(hideControls=False),
    "a bare data source": lambda made: _chart(made).update(datasource="agent-monitor-postgres"),
    "a kind that is not there": lambda made: _chart(made).update(type="graph"),
    "an option that is not there": lambda made: _chart(made)["options"].update(lines=True),
    "a word that no enum has": lambda made: _chart(made)["options"]["tooltip"].update(mode="all"),
    "a number that no enum has": lambda made: made.update(graphTooltip=7),
    "thresholds of old": lambda made: _chart(made)["fieldConfig"]["defaults"].update(thresholds=[1, 2]),
    "a field of another kind": lambda made: _chart(made)["fieldConfig"]["defaults"]["custom"].update(cellOptions={}),
    "a question in no known shape": lambda made: _chart(made)["targets"][0].pop("refId"),
    "a panel as the library writes it": _old,
}


def test_what_is_wrong_would_be_found() -> None:
    """Each fault alone, in a dashboard that is right otherwise."""
    right = json.loads((build.FOLDER / build.name(*build.PAGES[0])).read_text(encoding="utf-8"))
    made = [copy.deepcopy(right) for _ in WRONG]
    for page, spoil in zip(made, WRONG.values(), strict=True):
        spoil(page)
    said = grafana_types.faults([right, *made])
    found = {line.split(".ts(")[0] for line in said if ".ts(" in line}
    assert found == {f"page{number}" for number in range(1, len(WRONG) + 1)}


def test_a_dashboard_of_the_librarys_own_would_not_pass() -> None:
    """Why its output is finished at all."""
    raw = json.loads(json.dumps(Dashboard(title="raw").auto_panel_ids().to_json_data(), cls=DashboardEncoder))
    with pytest.raises(AssertionError):
        assert grafana_types.faults([raw]) == []
