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
AGENTS = "agent ~ $re$^(${agent:regex})$$re$ AND agent_type ~ $re$^(${agent_type:regex})$$re$"
ENVIRONMENTS = "environment ~ $re$^(${environment:regex})$$re$"
MODELS = "model ~ $re$^(${model:regex})$$re$"
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


def rollups(pattern: str) -> str:
    """Sums by hour of every metric whose name matches an SQL literal; by day where the span is long."""
    long = "$__timeTo()::timestamptz - $__timeFrom()::timestamptz > interval '7 days'"
    return f"""(
  SELECT * FROM dashboards.hours({TENANT}, {pattern}, {SPAN}) WHERE NOT {long}
  UNION ALL SELECT * FROM dashboards.days({TENANT}, {pattern}, {SPAN}) WHERE {long}
) rollups"""


def points(pattern: str) -> str:
    """The points of every metric whose name matches an SQL literal."""
    return f"dashboards.points({TENANT}, {pattern}, {SPAN})"


ROLLUPS = (
    "if int(v: v.timeRangeStop) - int(v: v.timeRangeStart) > 604800000000000 "
    'then "${bucket:raw}_day" else "${bucket:raw}_hour"'
)
"""The bucket with sums by hour, or by day where the span is long."""


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
    sql = f"""WITH points AS (
  SELECT at, value, agent FROM {points(pattern)} WHERE {AGENTS}
), highest AS (
  SELECT agent FROM points GROUP BY agent ORDER BY avg(value) DESC, agent LIMIT {MOST_LINES}
)
SELECT {STEP}, agent AS metric, avg(value) AS value
FROM points JOIN highest USING (agent) GROUP BY 1, 2 ORDER BY 1, 2"""
    asked = f"""points = {flux(measurement)}
  |> group(columns: ["agent"])
highest = points |> mean() |> group() |> top(n: {MOST_LINES}) |> findColumn(fn: (key) => true, column: "agent")
points
  |> filter(fn: (r) => contains(value: r.agent, set: highest))
  |> aggregateWindow(every: v.windowPeriod, fn: mean, {WINDOW})
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
    "agent": (
        f"SELECT agent FROM dashboards.agents WHERE tenant_id = {TENANT} "
        "AND agent_type ~ $re$^(${agent_type:regex})$$re$ ORDER BY 1"
    ),
    "metric": f"SELECT DISTINCT metric FROM dashboards.series WHERE tenant_id = {TENANT} ORDER BY 1",
    "model": f"SELECT DISTINCT model FROM dashboards.series WHERE tenant_id = {TENANT} AND model <> '' ORDER BY 1",
    "environment": f"SELECT DISTINCT environment FROM dashboards.usage WHERE tenant_id = {TENANT} ORDER BY 1",
    "of_agents": (
        f"SELECT dashboards.agent_pattern({TENANT}, $re$^(${{agent_type:regex}})$$re$, $re$^(${{agent:regex}})$$re$)"
    ),
}
"""What fills each variable, asked of PostgreSQL on both dashboards."""
