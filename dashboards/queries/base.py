"""What a question is, the parts that several are made of, and what fills the variables."""

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """What Grafana makes of the rows."""

    LINES = "time_series"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Query:
    """One question. Without `flux` it is asked of PostgreSQL on both dashboards: it is about rows, not history."""

    meaning: str
    sql: str
    flux: str | None = None
    format: Format = Format.LINES


TENANT = "${tenant:sqlstring}"
SPAN = "$__timeFrom(), $__timeTo()"
# Where all are chosen, the first half is true before any row is read, and the plan expects all rows.
TYPES = "$re$^(${agent_type:regex})$$re$"
NAMES = "$re$^(${agent:regex})$$re$"
AGENTS = f"({NAMES} = '^(.*)$' OR agent ~ {NAMES}) AND ({TYPES} = '^(.*)$' OR agent_type ~ {TYPES})"
ENVIRONMENTS = "($re$${environment:regex}$re$ = '.*' OR environment ~ $re$^(${environment:regex})$$re$)"
MODELS = "($re$${model:regex}$re$ = '.*' OR model ~ $re$^(${model:regex})$$re$)"
METRIC = "$re$^(${metric:regex})$$re$"
STEP = "$__timeGroupAlias(at, $__interval)"
EXECUTIONS = f"dashboards.executions({TENANT}, {SPAN})"
IN_SPAN = f"tenant_id = {TENANT} AND $__timeFilter(at)"
BY_ID = (
    f"{IN_SPAN} AND id >= dashboards.first_id($__timeFrom()::timestamptz - interval '1 day') "
    "AND id < dashboards.first_id($__timeTo()::timestamptz + interval '1 day')"
)
"""In the span, for what is partitioned by an id that was made up to a day before or after."""
MOST_LINES = 20


LONG = "$__timeTo()::timestamptz - $__timeFrom()::timestamptz > interval '7 days'"
FLUX_LONG = "int(v: v.timeRangeStop) - int(v: v.timeRangeStart) > 604800000000000"
"""Whether so much time is shown that days are read, and nothing smaller."""


def rollups(pattern: str) -> str:
    """Sums by hour of every metric whose name matches an SQL literal; by day where the span is long."""
    columns = "at, count, sum, min, max, agent, agent_type, model"
    return f"""(
  SELECT {columns} FROM dashboards.hours({TENANT}, {pattern}, {SPAN}) WHERE NOT {LONG}
  UNION ALL SELECT {columns} FROM dashboards.days({TENANT}, {pattern}, {SPAN}) WHERE {LONG}
) rollups"""


def points(pattern: str) -> str:
    """The chosen agents' points of every metric whose name matches an SQL literal."""
    return f"dashboards.points({TENANT}, {pattern}, {TYPES}, {NAMES}, {SPAN})"


def sums(pattern: str) -> str:
    """What points come to, by themselves or as sums of days where the span is long: `sum` of `count` points."""
    return f"""(
  SELECT at, value AS sum, 1 AS count, metric, agent, agent_type, model FROM {points(pattern)} WHERE NOT {LONG}
  UNION ALL SELECT at, sum, count, metric, agent, agent_type, model
  FROM dashboards.days({TENANT}, {pattern}, {SPAN}) WHERE {LONG}
) sums"""


ROLLUPS = f'if {FLUX_LONG} then "${{bucket:raw}}_day" else "${{bucket:raw}}_hour"'
"""The bucket with sums by hour, or by day where the span is long."""
SUMS = f'if {FLUX_LONG} then "${{bucket:raw}}_day" else "${{bucket:raw}}_raw"'
"""The bucket with points, or with sums by day where the span is long."""
SUM = f'r._field == (if {FLUX_LONG} then "sum" else "value")'
COUNT = f'r._field == (if {FLUX_LONG} then "count" else "value")'


def flux(measurement: str, *, bucket: str = '"${bucket:raw}_raw"', field: str = 'r._field == "value"') -> str:
    """The chosen agents' points of one tenant and metric: what the server filters before it reads."""
    return f"""from(bucket: {bucket})
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> filter(fn: (r) => r.tenant == ${{tenant:doublequote}})
  |> filter(fn: (r) => r._measurement {measurement})
  |> filter(fn: (r) => {field})
  |> filter(fn: (r) => r.agent =~ /^(${{of_agents:raw}})$/)"""


HOURLY = " or ".join(f'r._field == "{name}"' for name in ("count", "sum", "min", "max"))
WINDOW = 'createEmpty: false, timeSrc: "_start"'
_MODEL = 'if exists r.model then r.model else ""'
FLUX_MODELS = f"  |> filter(fn: (r) => ({_MODEL}) =~ /^(${{model:regex}})$/)"


def line(name: str) -> str:
    """Name the lines by an expression over `r`, each in a table of its own."""
    return (
        f'  |> map(fn: (r) => ({{_time: r._time, _value: r._value, _measurement: "line", _field: {name}}}))\n'
        '  |> group(columns: ["_measurement", "_field"])'
    )


def by_agent(pattern: str, measurement: str, meaning: str) -> Query:
    """The mean of a metric for each agent, of the agents where it is highest."""
    sql = f"""WITH sums AS (
  SELECT at, sum, count, agent FROM {sums(pattern)} WHERE {AGENTS}
), highest AS (
  SELECT agent FROM sums GROUP BY agent ORDER BY sum(sum) / sum(count) DESC, agent LIMIT {MOST_LINES}
)
SELECT {STEP}, agent AS metric, sum(sum) / sum(count) AS value
FROM sums JOIN highest USING (agent) GROUP BY 1, 2 ORDER BY 1, 2"""
    asked = f"""sums = {flux(measurement, bucket=SUMS, field=SUM)}
  |> group(columns: ["agent"])
counts = {flux(measurement, bucket=SUMS, field=COUNT)}
  |> map(fn: (r) => ({{r with _value: if {FLUX_LONG} then r._value else 1.0}}))
  |> group(columns: ["agent"])
mean = (sums, counts, on) => join(tables: {{sum: sums, count: counts}}, on: on)
  |> map(fn: (r) => ({{r with _value: r._value_sum / r._value_count}}))
highest = mean(sums: sums |> sum() |> group(), counts: counts |> sum() |> group(), on: ["agent"])
  |> top(n: {MOST_LINES})
  |> findColumn(fn: (key) => true, column: "agent")
drawn = (tables=<-) => tables
  |> filter(fn: (r) => contains(value: r.agent, set: highest))
  |> aggregateWindow(every: v.windowPeriod, fn: sum, {WINDOW})
mean(sums: sums |> drawn(), counts: counts |> drawn(), on: ["agent", "_time"])
{line("r.agent")}"""
    return Query(meaning, sql, asked)


ALERT_MARKS = Query(
    "Alerts, as marks across the charts",
    f"""SELECT triggered_at AS time, resolved_at AS timeend, rule AS text, severity || ',' || agent AS tags
FROM dashboards.alerts WHERE tenant_id = {TENANT} AND {AGENTS} AND $__timeFilter(triggered_at) ORDER BY 1 LIMIT 500""",
    format=Format.TABLE,
)

TRANSITION_MARKS = Query(
    "What happened to alerts, as marks across the charts",
    f"""SELECT at AS time, kind || ': ' || rule AS text, severity || ',' || agent AS tags
FROM dashboards.transitions WHERE {IN_SPAN} AND {AGENTS} AND kind NOT IN ('fired', 'notified') ORDER BY 1 LIMIT 500""",
    format=Format.TABLE,
)


def rule_lines(metric: str) -> Query:
    """The thresholds of the rules on a metric, as lines across the span; `metric` is one of ours."""
    return Query(
        f"The thresholds of the rules on {metric}",
        f"""SELECT ends.at AS time, rule || ' (' || op || ')' AS metric, threshold AS value
FROM dashboards.rules, (VALUES ($__timeFrom()::timestamptz), ($__timeTo()::timestamptz)) AS ends (at)
WHERE tenant_id = {TENANT} AND enabled AND metric = '{metric}' AND agent ~ $re$^(${{agent:regex}}|)$$re$
ORDER BY 1, 2 LIMIT 40""",
    )


VARIABLES = {
    "tenant": "SELECT name AS __text, id::text AS __value FROM dashboards.tenants ORDER BY name, id",
    "agent_type": f"SELECT DISTINCT agent_type FROM dashboards.agents WHERE tenant_id = {TENANT} ORDER BY 1",
    "agent": (f"SELECT agent FROM dashboards.agents WHERE tenant_id = {TENANT} AND agent_type ~ {TYPES} ORDER BY 1"),
    "metric": f"SELECT DISTINCT metric FROM dashboards.series WHERE tenant_id = {TENANT} ORDER BY 1",
    "model": f"SELECT DISTINCT model FROM dashboards.series WHERE tenant_id = {TENANT} AND model <> '' ORDER BY 1",
    "environment": f"SELECT DISTINCT environment FROM dashboards.usage WHERE tenant_id = {TENANT} ORDER BY 1",
    "of_agents": (f"SELECT dashboards.agent_pattern({TENANT}, {TYPES}, {NAMES})"),
}
"""What fills each variable, asked of PostgreSQL on both dashboards."""
