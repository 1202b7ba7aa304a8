"""How each kind of panel is drawn, in the words of Grafana's current panel schemas: its `type`, `options` and field
configuration. Plain JSON: grafanalib's classes for panels stop years before these."""

from collections.abc import Callable, Mapping
from typing import Any

from dashboards.layout import Column, Kind, Panel, Steps

Json = dict[str, Any]

RULE_LINES = "rules"
"""The `refId` of the question that draws a rule's threshold into a chart."""
STATE_COLOURS = {
    "working": "green", "idle": "blue", "blocked": "purple", "stalled": "orange", "error": "red", "dead": "dark-red",
    "unknown": "gray", "success": "green", "warning": "orange",
}  # fmt: skip
"""Colours of words, wherever a cell or a band holds one."""

_LAST: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def drawn(panel: Panel) -> Json:
    """`type`, `options` and `fieldConfig` of a panel."""
    kind, options, custom = _DRAWN[panel.kind](panel)
    defaults: Json = {
        "unit": panel.unit, "noValue": panel.empty, "color": {"mode": _colour(panel)}, "custom": custom,
        "thresholds": {"mode": "absolute", "steps": steps_of(panel.steps)}, "mappings": [],
    }  # fmt: skip
    if panel.kind in {Kind.STATES, Kind.TABLE, Kind.WORD}:
        defaults["mappings"] = [_words(panel.kind)]
    if panel.kind in {Kind.LINES, Kind.BARS}:
        # A line is called what its column or its `_field` is called, on both stores.
        defaults["displayName"] = "${__field.name}"
    if panel.kind not in {Kind.NUMBERS, Kind.WORD, Kind.STATES, Kind.LOGS, Kind.HEATMAP}:
        defaults["min"] = 0
    if panel.greatest is not None:
        defaults["max"] = panel.greatest
    overrides = [_override(column) for column in panel.columns]
    if panel.judged is not None:
        overrides.append(_rule_lines())
    return {"type": kind, "options": options, "fieldConfig": {"defaults": defaults, "overrides": overrides}}


def steps_of(steps: Steps) -> list[Json]:
    """Thresholds; the first has no value."""
    return [{"color": color, "value": value} for color, value in steps]


def _colour(panel: Panel) -> str:
    return "palette-classic" if panel.kind in {Kind.LINES, Kind.BARS, Kind.HEATMAP} else "thresholds"


def _chart(panel: Panel) -> tuple[str, Json, Json]:
    bars = panel.kind is Kind.BARS
    options = {
        "legend": {"calcs": ["mean", "max"], "displayMode": "table", "placement": "right", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    custom = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 80 if bars else 10,
        "lineWidth": 1,
        "showPoints": "auto",
        "stacking": {"mode": "normal" if bars else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if len(panel.steps) > 1 else "off"},
    }
    return "timeseries", options, custom


def _stat(panel: Panel) -> tuple[str, Json, Json]:
    word = panel.kind is Kind.WORD
    options = {
        "colorMode": "background" if word else "value", "graphMode": "none", "justifyMode": "auto",
        "orientation": "auto", "percentChangeColorMode": "standard",
        "reduceOptions": {**_LAST, "fields": "/.*/" if word else ""}, "showPercentChange": False,
        "textMode": "value" if word else "value_and_name", "wideLayout": True,
    }  # fmt: skip
    return "stat", options, {}


def _gauge(_: Panel) -> tuple[str, Json, Json]:
    options = {
        "barShape": "flat", "barWidthFactor": 0.5, "effects": {}, "minVizHeight": 75, "minVizWidth": 75,
        "orientation": "auto", "reduceOptions": _LAST, "segmentCount": 1, "segmentSpacing": 0.3, "shape": "gauge",
        "showThresholdLabels": False, "showThresholdMarkers": True, "sizing": "auto",
    }  # fmt: skip
    return "gauge", options, {}


def _bar_gauge(_: Panel) -> tuple[str, Json, Json]:
    options = {
        "displayMode": "basic", "legend": {"calcs": [], "placement": "bottom", "showLegend": False},
        "maxVizHeight": 300, "minVizHeight": 16, "minVizWidth": 8, "namePlacement": "auto",
        "orientation": "horizontal", "reduceOptions": {**_LAST, "values": True, "limit": 25}, "showUnfilled": True,
        "sizing": "auto", "valueMode": "color",
    }  # fmt: skip
    return "bargauge", options, {}


def _table(panel: Panel) -> tuple[str, Json, Json]:
    cell: Json = {"type": "gauge", "mode": "basic"} if panel.gauge else {"type": "auto"}
    custom = {"align": "auto", "cellOptions": cell, "filterable": True, "inspect": False}
    return "table", {"cellHeight": "sm", "frameIndex": 0, "showHeader": True}, custom


def _heatmap(panel: Panel) -> tuple[str, Json, Json]:
    """Rows are lines of counts; each is called by the upper end of what it counts."""
    options = {
        "calculate": False, "cellGap": 1,
        "color": {
            "exponent": 0.5, "fill": "dark-orange", "mode": "scheme", "reverse": False, "scale": "exponential",
            "scheme": "Oranges", "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"}, "filterValues": {"le": 1e-9}, "legend": {"show": True},
        "rowsFrame": {"layout": "le"}, "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": False}, "yAxis": {"axisPlacement": "left", "unit": panel.unit},
    }  # fmt: skip
    return "heatmap", options, {"hideFrom": {"legend": False, "tooltip": False, "viz": False}}


def _states(_: Panel) -> tuple[str, Json, Json]:
    options = {
        "alignValue": "left", "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "mergeValues": True, "rowHeight": 0.9, "showValue": "auto", "tooltip": {"mode": "single", "sort": "none"},
    }  # fmt: skip
    return "state-timeline", options, {"fillOpacity": 70, "lineWidth": 0}


def _logs(_: Panel) -> tuple[str, Json, Json]:
    options = {
        "dedupStrategy": "none", "enableLogDetails": True, "prettifyLogMessage": False, "showCommonLabels": False,
        "showLabels": False, "showLogContextToggle": False, "showTime": True, "sortOrder": "Descending",
        "wrapLogMessage": True,
    }  # fmt: skip
    return "logs", options, {}


_DRAWN: Mapping[Kind, Callable[[Panel], tuple[str, Json, Json]]] = {
    Kind.LINES: _chart, Kind.BARS: _chart, Kind.NUMBERS: _stat, Kind.WORD: _stat, Kind.GAUGE: _gauge,
    Kind.BAR_GAUGE: _bar_gauge,    Kind.TABLE: _table, Kind.HEATMAP: _heatmap, Kind.STATES: _states, Kind.LOGS: _logs,
}  # fmt: skip


def _words(kind: Kind) -> Json:
    """Colours of words; and what the numbers of `execution_status` are called."""
    if kind is Kind.STATES:
        named = {"1": "success", "0.5": "warning", "0": "error"}
        options = {number: {"text": word, "color": STATE_COLOURS[word]} for number, word in named.items()}
    else:
        options = {word: {"color": color} for word, color in STATE_COLOURS.items()}
    return {"type": "value", "options": options}


def _rule_lines() -> Json:
    """Thin and dashed, without points: a limit, not a measurement."""
    properties = [
        {"id": "custom.drawStyle", "value": "line"},
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}},
        {"id": "custom.fillOpacity", "value": 0},
        {"id": "custom.showPoints", "value": "never"},
        {"id": "custom.stacking", "value": {"mode": "none", "group": "A"}},
        {"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}},
    ]
    return {"matcher": {"id": "byFrameRefID", "options": RULE_LINES}, "properties": properties}


def _override(column: Column) -> Json:
    properties: list[Json] = []
    if column.title is not None:
        properties.append({"id": "displayName", "value": column.title})
    if column.unit is not None:
        properties.append({"id": "unit", "value": column.unit})
    if column.steps is not None:
        properties.append({"id": "thresholds", "value": {"mode": "absolute", "steps": steps_of(column.steps)}})
    if column.gauge:
        properties.append({"id": "custom.cellOptions", "value": {"type": "gauge", "mode": "basic"}})
        properties += [{"id": "min", "value": 0}, {"id": "max", "value": 1}]
    if column.link is not None:
        properties.append({"id": "links", "value": [{"title": "Open", "url": column.link, "targetBlank": True}]})
    if column.hidden:  # the second is what Grafana before 12.1 reads
        properties.append({"id": "custom.hideFrom", "value": {"legend": True, "tooltip": True, "viz": True}})
        properties.append({"id": "custom.hidden", "value": True})
    return {"matcher": {"id": "byName", "options": column.name}, "properties": properties}
