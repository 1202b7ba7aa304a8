"""Turns the arrangement into Grafana's dashboard model: the only module that imports grafanalib.

grafanalib 0.7.1 is of schema version 12. It makes the frame (dashboard, variables, links, annotations, rows, places);
what is in a panel is `drawing.py`'s, and `_finish` leaves out whatever the current schema does not have: keys that
Grafana gave up long ago, and nulls. The test with Grafana's own published types says whether that is enough.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from grafanalib import core
from grafanalib._gen import DashboardEncoder

from dashboards.drawing import RULE_LINES, Json, drawn
from dashboards.layout import COLUMNS, Dashboard, Panel
from dashboards.queries.base import ALERT_MARKS, TRANSITION_MARKS, VARIABLES, Query, rule_lines

SCHEMA_VERSION = 42
"""The dashboard schema of Grafana 12.2 and 13; earlier ones read it as it is, later ones migrate it."""

# What the current schema has, of what grafanalib writes (Grafana's kind `dashboard`).
_DASHBOARD = {
    "annotations", "description", "editable", "graphTooltip", "links", "panels", "refresh", "schemaVersion", "tags",
    "templating", "time", "timezone", "title", "uid", "version",
}  # fmt: skip
_PANEL = {
    "datasource", "description", "fieldConfig", "gridPos", "id", "interval", "links", "options", "targets", "title",
    "type",
}  # fmt: skip
_ROW = {"collapsed", "gridPos", "id", "panels", "title", "type"}
_VARIABLE = {
    "allValue", "current", "datasource", "hide", "includeAll", "label", "multi", "name", "options", "query", "refresh",
    "sort", "type",
}  # fmt: skip


class Store(StrEnum):
    """Where history is: one dashboard for each."""

    POSTGRES = "postgres"
    INFLUX = "influx"


@dataclass(frozen=True, slots=True)
class Addresses:
    """What differs between installations: the console's address, and the first part of InfluxDB's bucket names."""

    console: str = "http://127.0.0.1:4318"
    bucket: str = "agent_monitor"


_PLUGINS = {Store.POSTGRES: "grafana-postgresql-datasource", Store.INFLUX: "influxdb"}
_MIXED = {"type": "datasource", "uid": "-- Mixed --"}
"""Where a panel's questions go to different stores."""
_TITLES = {Store.POSTGRES: "", Store.INFLUX: ", history in InfluxDB"}
_NAMED = re.compile(r"\$\{(\w+)(?::\w+)?\}")


def uid(page: Dashboard, store: Store) -> str:
    """The dashboard's fixed identifier."""
    return f"agent-monitor-{page.slug}-{store}"


def source_uid(store: Store) -> str:
    """The data source's identifier, as `provisioning/` makes it."""
    return f"agent-monitor-{store}"


def dashboard(page: Dashboard, store: Store, addresses: Addresses) -> Json:
    """The whole dashboard as JSON data."""
    panels = list(_panels(page, store))
    made = core.Dashboard(
        title=f"Agent Monitor: {page.title.lower()}{_TITLES[store]}",
        uid=uid(page, store),
        description=page.description,
        tags=["agent-monitor"],
        timezone="browser",
        time=core.Time("now-6h", "now"),
        refresh="1m",
        graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        schemaVersion=SCHEMA_VERSION,
        version=1,
        annotations=core.Annotations(
            list=[_marks("Alerts", ALERT_MARKS), _marks("What happened to them", TRANSITION_MARKS)]
        ),
        templating=core.Templating(list=list(_variables(page, store, addresses))),
        links=[
            core.DashboardLink(title="Console", type="link", uri="${console:raw}/", targetBlank=True, keepTime=False),
            core.DashboardLink(
                title="Dashboards", type="dashboards", tags=["agent-monitor"], includeVars=True, asDropdown=True
            ),
        ],
        panels=panels,
    )
    return _finish(json.loads(json.dumps(made.to_json_data(), cls=DashboardEncoder)))


def _finish(made: Json) -> Json:
    """In the current schema."""
    panels = [_kept(panel, _ROW if panel["type"] == "row" else _PANEL) for panel in made["panels"]]
    variables = [_kept(variable, _VARIABLE) for variable in made["templating"]["list"]]
    for variable in variables:
        chosen = variable["current"]
        if chosen["value"] is None:
            del variable["current"]
        else:
            variable["current"] = {"selected": True, "text": chosen["text"], "value": chosen["value"]}
    return _kept(made, _DASHBOARD) | {"panels": panels, "templating": {"list": variables}}


def _kept(value: Json, keys: set[str]) -> Json:
    return {key: item for key, item in value.items() if key in keys and item is not None}


def _source(store: Store) -> Json:
    return {"type": _PLUGINS[store], "uid": f"${{{store}}}"}


def _marks(name: str, query: Query) -> Json:
    source, colour = _source(Store.POSTGRES), "red" if query is ALERT_MARKS else "blue"
    return {"name": name, "enable": True, "iconColor": colour, "datasource": source, "target": _sql(query)}


def _sql(query: Query, name: str = "A") -> Json:
    return {
        "refId": name, "datasource": _source(Store.POSTGRES), "editorMode": "code", "format": query.format.value,
        "rawQuery": True, "rawSql": query.sql,
    }  # fmt: skip


def _target(query: Query, store: Store) -> Json:
    if store is Store.INFLUX and query.flux is not None:
        return {"refId": "A", "datasource": _source(store), "query": query.flux}
    return _sql(query)


def _used(page: Dashboard, store: Store) -> set[str]:
    """The variables that the page's questions name, and those that these in turn are filled by."""
    asked = [ALERT_MARKS.sql]
    asked += [_target(panel.query, store).get("query") or panel.query.sql for panel in page.panels]
    asked += [f"{panel.title} {panel.page}" for panel in page.panels]
    used: set[str] = set()
    while asked:
        found = set(_NAMED.findall(asked.pop())) - used
        used |= found
        asked += [VARIABLES[name] for name in found if name in VARIABLES]
    return used


def _variables(page: Dashboard, store: Store, addresses: Addresses) -> Iterator[Any]:
    used = _used(page, store)
    for source in [Store.POSTGRES, Store.INFLUX] if "bucket" in used else [Store.POSTGRES]:
        yield core.Template(
            name=source.value, label=f"Data source: {source}", type="datasource", query=_PLUGINS[source],
            default=source_uid(source),
        )  # fmt: skip
    yield _variable("tenant", "Tenant")
    for name, label in (("agent_type", "Type"), ("agent", "Agent"), ("model", "Model"), ("environment", "Environment")):
        if name in used:
            yield _variable(name, label, several=not (page.single and name == "agent"))
    if "metric" in used:
        yield _variable("metric", "Metric", default="execution_duration_ms")
    if "of_agents" in used:
        yield _variable("of_agents", "Names of the chosen agents", hide=core.HIDE_VARIABLE)
    if "bucket" in used:
        yield _constant("bucket", "Buckets in InfluxDB", addresses.bucket)
    yield _constant("console", "Console", addresses.console.rstrip("/"))


def _variable(
    name: str, label: str, *, several: bool = False, default: str | None = None, hide: int = core.SHOW
) -> Any:
    """A choice that PostgreSQL fills; with `several`, All is the pattern that everything matches."""
    return core.Template(
        name=name,
        label=label,
        dataSource=_source(Store.POSTGRES),
        query=VARIABLES[name],
        refresh=core.REFRESH_ON_DASHBOARD_LOAD,
        sort=core.SORT_DISABLED,
        multi=several,
        includeAll=several,
        allValue=".*" if several else None,
        default="$__all" if several else default,
        hide=hide,
    )


def _constant(name: str, label: str, value: str) -> Any:
    return core.Template(name=name, label=label, type="textbox", query=value, default=value, hide=core.HIDE_VARIABLE)


def _panels(page: Dashboard, store: Store) -> Iterator[Any]:
    number, top = 1, 0
    for row in page.rows:
        yield core.RowPanel(id=number, title=row.title, gridPos=core.GridPos(h=1, w=COLUMNS, x=0, y=top))
        number, top, left, tallest = number + 1, top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            place = core.GridPos(h=panel.height, w=panel.width, x=left, y=top)
            yield _panel(panel, store, number, place)
            number, left, tallest = number + 1, left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel, store: Store, number: int, place: Any) -> Any:
    target = _target(panel.query, store)
    targets, source = [target], target["datasource"]
    if panel.judged is not None:
        targets.append(_sql(rule_lines(panel.judged), RULE_LINES))
        source = source if source == _source(Store.POSTGRES) else _MIXED
    frame = core.Panel(
        id=number, title=panel.title, description=panel.description, gridPos=place, dataSource=source,
        targets=targets, maxDataPoints=None, interval=panel.least, links=list(_links(panel)),
    )  # fmt: skip
    return frame.panel_json({}) | drawn(panel)


def _links(panel: Panel) -> Iterator[Any]:
    pages = [("In the console", panel.page)] if panel.page is not None else []
    if panel.judged is not None:
        pages.append(("Its rules", "rules"))
    for title, page in pages:
        yield core.DashboardLink(
            title=title, type="link", uri=f"${{console:raw}}/{page}", targetBlank=True, keepTime=False
        )
