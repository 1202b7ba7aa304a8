"""The JSON: committed as defined, as Grafana expects it, every panel explained, nothing named that does not exist."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dashboards import build
from dashboards.every import EVERY
from dashboards.layout import COLUMNS, Dashboard, Kind
from dashboards.panels import Addresses, Store
from dashboards.queries import base
from monitor.db import Database
from monitor.settings import load
from tests.dashboards.grafana import VARIABLE

Json = dict[str, Any]
GIVEN_BY_GRAFANA = {"__field", "__data"}

each_page = pytest.mark.parametrize(
    ("page", "store"), build.PAGES, ids=[f"{page.slug}-{store}" for page, store in build.PAGES]
)


def committed(page: Dashboard, store: Store) -> Json:
    """The file that Grafana is given."""
    made: Json = json.loads((build.FOLDER / build.name(page, store)).read_text(encoding="utf-8"))
    return made


def panels(page: Dashboard, store: Store) -> list[Json]:
    """All panels but the rows' titles."""
    return [panel for panel in committed(page, store)["panels"] if panel["type"] != "row"]


def test_the_committed_files_are_what_the_definition_makes(tmp_path: Path) -> None:
    """`make dashboards` was run after the last change; and a difference would be found."""
    assert build.drifted(build.FOLDER, build.DEFAULT) == []
    first, second, *rest = build.write(tmp_path, build.DEFAULT)
    assert build.drifted(tmp_path, build.DEFAULT) == []
    first.write_text(first.read_text().replace("Error rate", "Errors"))
    second.unlink()
    assert build.drifted(tmp_path, build.DEFAULT) == [first, second]
    assert len({path.name for path in build.FOLDER.iterdir()}) == len(build.PAGES) == 2 + len(rest)


def test_the_committed_files_carry_the_defaults_of_the_settings() -> None:
    assert build.addresses(load({})) == build.DEFAULT


@each_page
def test_addresses_are_the_installations_own(page: Dashboard, store: Store) -> None:
    made = build.render(page, store, Addresses(console="https://monitor.example/", bucket="fleet"))
    assert '"https://monitor.example"' in made
    assert build.DEFAULT.console not in made
    assert ('"fleet"' in made) == (store is Store.INFLUX)


@each_page
def test_every_panel_says_what_it_shows(page: Dashboard, store: Store) -> None:
    for panel in panels(page, store):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["fieldConfig"]["defaults"]["noValue"]
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
    assert len(panels(page, store)) == len(page.panels)


@each_page
def test_identifiers_are_unique_and_fixed(page: Dashboard, store: Store) -> None:
    ids = [panel["id"] for panel in committed(page, store)["panels"]]
    assert ids == list(range(1, len(ids) + 1))
    assert committed(page, store)["uid"] == f"agent-monitor-{page.slug}-{store}"
    assert "id" not in committed(page, store)


@each_page
def test_no_panel_covers_another_or_leaves_the_grid(page: Dashboard, store: Store) -> None:
    places = [panel["gridPos"] for panel in committed(page, store)["panels"]]
    for place in places:
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= COLUMNS
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above


@each_page
def test_every_variable_is_used_and_every_name_is_a_variable(page: Dashboard, store: Store) -> None:
    made = committed(page, store)
    names = [variable["name"] for variable in made["templating"]["list"]]
    words = json.dumps([made["panels"], made["links"], made["annotations"], made["templating"]])
    used = {found[1] for found in VARIABLE.finditer(words)} | {found[1] for found in re.finditer(r"\$\{(__\w+)", words)}
    assert used - GIVEN_BY_GRAFANA == set(names)
    assert len(names) == len(set(names))


@each_page
def test_each_target_is_in_the_shape_of_its_data_source(page: Dashboard, store: Store) -> None:
    for panel in panels(page, store):
        target, *lines = panel["targets"]
        if lines and store is Store.INFLUX:
            assert panel["datasource"] == {"type": "datasource", "uid": "-- Mixed --"}
        else:
            assert target["datasource"] == panel["datasource"]
        for line in lines:
            assert (line["refId"], line["datasource"]["uid"], line["format"]) == ("rules", "${postgres}", "time_series")
        if target["datasource"]["type"] == "influxdb":
            assert store is Store.INFLUX
            assert set(target) == {"refId", "datasource", "query"}
            assert "v.timeRangeStart" in target["query"]
        else:
            assert target["datasource"]["uid"] == "${postgres}"
            assert (target["rawQuery"], target["editorMode"]) == (True, "code")
            if panel["type"] not in {"gauge"}:
                lined = panel["type"] in {"timeseries", "heatmap", "state-timeline"}
                assert target["format"] == ("time_series" if lined else "table")


@pytest.mark.parametrize("page", [page for page in EVERY if page.reads_history], ids=lambda page: page.slug)
def test_history_is_asked_of_influxdb_where_it_is_there(page: Dashboard) -> None:
    """The two dashboards differ in exactly the questions about points."""
    pairs = zip(panels(page, Store.POSTGRES), panels(page, Store.INFLUX), strict=True)
    moved = {one["title"] for one, other in pairs if one["targets"] != other["targets"]}
    reads = {panel.title for panel in page.panels if re.search(r"\.(points|hours|days)\(", panel.query.sql)}
    assert moved == reads != set()


def test_a_dashboard_that_reads_no_history_is_of_postgres_alone() -> None:
    """It would be the same twice."""
    alone = {page.slug for page in EVERY if (page, Store.INFLUX) not in build.PAGES}
    assert alone == {"usage", "runs", "alerts", "tenants", "knowledge"}
    for page in EVERY:
        history = any(re.search(r"\.(points|hours|days)\(", panel.query.sql) for panel in page.panels)
        assert history == (page.slug not in alone)


def test_charts_have_lines_and_tables_have_rows() -> None:
    for page in EVERY:
        for panel in page.panels:
            lines = panel.query.format is base.Format.LINES
            drawn = panel.kind in {Kind.LINES, Kind.BARS, Kind.HEATMAP, Kind.STATES}
            assert lines == drawn or (lines and panel.kind is Kind.GAUGE), panel.title


async def test_every_relation_and_function_that_is_named_exists(db: Database) -> None:
    """And the other way round: nothing is shown to Grafana that no panel needs, but what those stand on."""
    named = set(re.findall(r"dashboards\.(\w+)", json.dumps([committed(*one) for one in build.PAGES])))
    query = text(
        "SELECT relname FROM pg_class WHERE relnamespace = 'dashboards'::regnamespace "
        "UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'dashboards'::regnamespace"
    )
    async with db.owner() as owner:
        exist = set((await owner.execute(query)).scalars())
    assert named <= exist
    assert exist - named == {"samples", "sample_chunks", "rollups_hour", "rollups_day"}


def test_columns_that_are_treated_specially_are_in_the_answer() -> None:
    for page in EVERY:
        for panel in page.panels:
            for column in panel.columns:
                assert re.search(rf"\b{column.name}\b", panel.query.sql), (panel.title, column.name)


def test_provisioning_finds_the_sources_and_holds_no_secret() -> None:
    """The uids are those that the dashboards begin with; whatever differs between installations is a placeholder."""
    folder = Path(build.__file__).parent / "provisioning"
    sources = (folder / "datasources" / "agent-monitor.yaml").read_text()
    assert re.findall(r"uid: (\S+)", sources) == ["agent-monitor-postgres", "agent-monitor-influx"]
    assert re.findall(r"(?:password|token|url|organization|database|sslmode): (\S+)", sources) == [
        "${AGENT_MONITOR_GRAFANA_DATABASE_ADDRESS}", "${AGENT_MONITOR_GRAFANA_DATABASE_NAME}",
        "${AGENT_MONITOR_GRAFANA_DATABASE_SSLMODE}", "$__file{/run/secrets/agent_monitor_grafana_password}",
        "${AGENT_MONITOR_GRAFANA_INFLUX_URL}", "${AGENT_MONITOR_GRAFANA_INFLUX_ORG}",
        "$__file{/run/secrets/influx_token}",
    ]  # fmt: skip
    defaults = {
        variable["name"]: variable.get("current", {}).get("value")
        for variable in committed(EVERY[0], Store.INFLUX)["templating"]["list"]
    }
    assert (defaults["postgres"], defaults["influx"]) == ("agent-monitor-postgres", "agent-monitor-influx")
    assert "path: /var/lib/grafana/dashboards\n" in (folder / "dashboards" / "agent-monitor.yaml").read_text()
