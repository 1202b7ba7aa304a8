"""What the panels ask, each question once: in SQL for PostgreSQL and, where it reads history, in Flux for InfluxDB.

Both are templates that Grafana fills in. SQL: `$__timeFrom()`, `$__timeTo()`, `$__timeGroupAlias(at, $__interval)`
and `$__interval_ms`. Flux: `v.timeRangeStart`, `v.timeRangeStop` and `v.windowPeriod`. Variables stand as
`${name:format}`, with a format that cannot end the literal it stands in: `sqlstring` doubles quotes, `regex` puts a
backslash before every `$`, so that nothing chosen closes `$re$…$re$`, and before every `/`.

A line of a chart is named by `metric` in SQL and by `_field` in Flux.
"""

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
MODELS = "model ~ $re$^(${model:regex})$$re$"
METRIC = "$re$^(${metric:regex})$$re$"
STEP = "$__timeGroupAlias(at, $__interval)"
EXECUTIONS = f"dashboards.executions({TENANT}, {SPAN})"
MOST_LINES = 20


def _points(pattern: str) -> str:
    """The points of every metric whose name matches an SQL literal."""
    return f"dashboards.points({TENANT}, {pattern}, {SPAN})"


def _flux(bucket: str, measurement: str, *, field: str = 'r._field == "value"') -> str:
    """The chosen agents' points of one tenant and metric: what the server filters before it reads."""
    return f"""from(bucket: "${{bucket:raw}}_{bucket}")
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> filter(fn: (r) => r.tenant == ${{tenant:doublequote}})
  |> filter(fn: (r) => r._measurement {measurement})
  |> filter(fn: (r) => {field})
  |> filter(fn: (r) => r.agent =~ /^(${{of_agents:raw}})$/)"""


_HOURLY = " or ".join(f'r._field == "{name}"' for name in ("count", "sum", "min", "max"))
_WINDOW = 'createEmpty: false, timeSrc: "_start"'
_MODEL = 'if exists r.model then r.model else ""'
_FLUX_MODELS = f"  |> filter(fn: (r) => ({_MODEL}) =~ /^(${{model:regex}})$/)"


def _line(name: str) -> str:
    """Name the lines by an expression over `r`, each in a table of its own."""
    return (
        f'  |> map(fn: (r) => ({{_time: r._time, _value: r._value, _measurement: "line", _field: {name}}}))\n'
        '  |> group(columns: ["_measurement", "_field"])'
    )


def _by_agent(pattern: str, measurement: str, meaning: str) -> Query:
    """The mean of a metric for each agent, of the agents where it is highest."""
    sql = f"""WITH points AS (
  SELECT at, value, agent FROM {_points(pattern)} WHERE {AGENTS}
), highest AS (
  SELECT agent FROM points GROUP BY agent ORDER BY avg(value) DESC, agent LIMIT {MOST_LINES}
)
SELECT {STEP}, agent AS metric, avg(value) AS value
FROM points JOIN highest USING (agent) GROUP BY 1, 2 ORDER BY 1, 2"""
    flux = f"""points = {_flux("raw", measurement)}
  |> group(columns: ["agent"])
highest = points |> mean() |> group() |> top(n: {MOST_LINES}) |> findColumn(fn: (key) => true, column: "agent")
points
  |> filter(fn: (r) => contains(value: r.agent, set: highest))
  |> aggregateWindow(every: v.windowPeriod, fn: mean, {_WINDOW})
{_line("r.agent")}"""
    return Query(meaning, sql, flux)


STATES = Query(
    "How many agents are in each state now",
    f"""SELECT count(*) FILTER (WHERE state = 'working') AS working,
  count(*) FILTER (WHERE state = 'idle') AS idle,
  count(*) FILTER (WHERE state = 'blocked') AS blocked,
  count(*) FILTER (WHERE state = 'stalled') AS stalled,
  count(*) FILTER (WHERE state = 'error') AS error,
  count(*) FILTER (WHERE state = 'dead') AS dead,
  count(*) FILTER (WHERE state = 'unknown') AS unknown
FROM dashboards.agents WHERE tenant_id = {TENANT} AND {AGENTS}""",
    format=Format.TABLE,
)

OPEN_ALERTS = Query(
    "How many alerts are open, by severity",
    f"""SELECT count(*) FILTER (WHERE severity = 'critical') AS critical,
  count(*) FILTER (WHERE severity = 'warning') AS warning,
  count(*) FILTER (WHERE severity = 'info') AS info
FROM dashboards.alerts WHERE tenant_id = {TENANT} AND resolved_at IS NULL AND {AGENTS}""",
    format=Format.TABLE,
)

ERROR_SHARE = Query(
    "The share of executions that failed, of all in the span",
    f"""SELECT avg(CASE WHEN status = 'error' THEN 1.0 ELSE 0.0 END) AS failed
FROM {EXECUTIONS} WHERE {AGENTS}""",
    format=Format.TABLE,
)

EXECUTIONS_PER_MINUTE = Query(
    "Executions per minute by status",
    f"""SELECT {STEP}, status AS metric, count(*) * 60000.0 / $__interval_ms AS value
FROM {EXECUTIONS} WHERE {AGENTS} GROUP BY 1, 2 ORDER BY 1, 2""",
)

ERROR_RATE = Query(
    "The share of executions that failed, over time",
    f"""SELECT {STEP}, 'failed' AS metric, avg(CASE WHEN status = 'error' THEN 1.0 ELSE 0.0 END) AS value
FROM {EXECUTIONS} WHERE {AGENTS} GROUP BY 1 ORDER BY 1""",
)

_LATENCY = _points("'^execution_duration_ms$'")
LATENCY = Query(
    "Percentiles of execution_duration_ms, by nearest rank",
    f"""SELECT {STEP},
  percentile_disc(0.50) WITHIN GROUP (ORDER BY value) AS p50,
  percentile_disc(0.95) WITHIN GROUP (ORDER BY value) AS p95,
  percentile_disc(0.99) WITHIN GROUP (ORDER BY value) AS p99
FROM {_LATENCY} WHERE {AGENTS} GROUP BY 1 ORDER BY 1""",
    f"""points = {_flux("raw", '== "execution_duration_ms"')}
  |> group()
percentile = (q, name) => points
  |> aggregateWindow(every: v.windowPeriod,
    fn: (column, tables=<-) => tables |> quantile(q: q, column: column, method: "exact_selector"), {_WINDOW})
  |> set(key: "_field", value: name)
union(tables: [percentile(q: 0.5, name: "p50"), percentile(q: 0.95, name: "p95"), percentile(q: 0.99, name: "p99")])
{_line("r._field")}""",
)

_P95 = "percentile_disc(0.95) WITHIN GROUP (ORDER BY value)"
_FLUX_P95 = f"""  |> aggregateWindow(every: v.windowPeriod,
    fn: (column, tables=<-) => tables |> quantile(q: 0.95, column: column, method: "exact_selector"), {_WINDOW})"""
LATENCY_BY_AGENT = Query(
    "The 95th percentile of execution_duration_ms, of the agents with the greatest value",
    f"""WITH points AS (
  SELECT at, value, agent FROM {_LATENCY} WHERE {AGENTS}
), highest AS (
  SELECT agent FROM points GROUP BY agent ORDER BY max(value) DESC, agent LIMIT {MOST_LINES}
)
SELECT {STEP}, agent AS metric, {_P95} AS value
FROM points JOIN highest USING (agent) GROUP BY 1, 2 ORDER BY 1, 2""",
    f"""points = {_flux("raw", '== "execution_duration_ms"')}
  |> group(columns: ["agent"])
highest = points |> max() |> group() |> top(n: {MOST_LINES}) |> findColumn(fn: (key) => true, column: "agent")
points
  |> filter(fn: (r) => contains(value: r.agent, set: highest))
{_FLUX_P95}
{_line("r.agent")}""",
)

LATENCY_BY_MODEL = Query(
    "The 95th percentile of execution_duration_ms, by model",
    f"""SELECT {STEP}, CASE WHEN model = '' THEN 'no model' ELSE model END AS metric, {_P95} AS value
FROM {_LATENCY} WHERE {AGENTS} AND {MODELS} GROUP BY 1, 2 ORDER BY 1, 2""",
    f"""{_flux("raw", '== "execution_duration_ms"')}
{_FLUX_MODELS}
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, model: if exists r.model then r.model else "no model"}}))
  |> group(columns: ["model"])
{_FLUX_P95}
{_line("r.model")}""",
)

SLOWEST = Query(
    "The agents with the highest 95th percentile of the time an execution takes",
    f"""SELECT agent, percentile_disc(0.95) WITHIN GROUP (ORDER BY duration) AS p95
FROM {EXECUTIONS} WHERE {AGENTS} AND duration IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10""",
    format=Format.TABLE,
)

BUSIEST = Query(
    "The agents with the most executions",
    f"""SELECT agent, count(*) AS executions
FROM {EXECUTIONS} WHERE {AGENTS} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10""",
    format=Format.TABLE,
)

FAILING = Query(
    "The agents with the most failed executions",
    f"""SELECT agent, count(*) AS failed
FROM {EXECUTIONS} WHERE {AGENTS} AND status = 'error' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10""",
    format=Format.TABLE,
)

_TOKENS = _points("'^tokens_(input|output)$'")
TOKENS = Query(
    "Tokens that agents reported, by direction",
    f"""SELECT {STEP}, metric, sum(value) AS value
FROM {_TOKENS} WHERE {AGENTS} AND {MODELS} GROUP BY 1, 2 ORDER BY 1, 2""",
    f"""{_flux("raw", "=~ /^tokens_(input|output)$/")}
{_FLUX_MODELS}
  |> group(columns: ["_measurement"])
  |> aggregateWindow(every: v.windowPeriod, fn: sum, {_WINDOW})
{_line("r._measurement")}""",
)

_COST = _points("'^cost_usd$'")
COST = Query(
    "Cost that agents reported, by model",
    f"""SELECT {STEP}, CASE WHEN model = '' THEN 'no model' ELSE model END AS metric, sum(value) AS value
FROM {_COST} WHERE {AGENTS} AND {MODELS} GROUP BY 1, 2 ORDER BY 1, 2""",
    f"""{_flux("raw", '== "cost_usd"')}
{_FLUX_MODELS}
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, model: if exists r.model then r.model else "no model"}}))
  |> group(columns: ["model"])
  |> aggregateWindow(every: v.windowPeriod, fn: sum, {_WINDOW})
{_line("r.model")}""",
)

MEMORY = _by_agent("'^memory_bytes$'", '== "memory_bytes"', "Memory in use, of the agents that use most")
CPU = _by_agent("'^cpu_percent$'", '== "cpu_percent"', "Use of the processor, of the agents that use most")
EXPLORER = _by_agent(
    METRIC, "=~ /^(${metric:regex})$/", "The mean of the chosen metric, of the agents where it is highest"
)

HISTORY = Query(
    "The chosen metric by hour, from rollups: least, mean and greatest",
    f"""SELECT {STEP}, min(min) AS min, sum(sum) / sum(count) AS mean, max(max) AS max
FROM dashboards.hours({TENANT}, {METRIC}, {SPAN}) WHERE {AGENTS} AND {MODELS} GROUP BY 1 ORDER BY 1""",
    f"""hours = {_flux("hour", "=~ /^(${metric:regex})$/", field=_HOURLY)}
{_FLUX_MODELS}
total = (name) => hours
  |> filter(fn: (r) => r._field == name)
  |> group()
  |> aggregateWindow(every: v.windowPeriod, fn: sum, {_WINDOW})
mean = join(tables: {{sum: total(name: "sum"), count: total(name: "count")}}, on: ["_time"])
  |> map(fn: (r) => ({{_time: r._time, _value: r._value_sum / r._value_count, _field: "mean"}}))
least = hours
  |> filter(fn: (r) => r._field == "min")
  |> group()
  |> aggregateWindow(every: v.windowPeriod, fn: min, {_WINDOW})
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, _field: "min"}}))
greatest = hours
  |> filter(fn: (r) => r._field == "max")
  |> group()
  |> aggregateWindow(every: v.windowPeriod, fn: max, {_WINDOW})
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, _field: "max"}}))
union(tables: [least, mean, greatest])
{_line("r._field")}""",
)

ALERTS = Query(
    "The open alerts, worst and newest first",
    f"""SELECT severity, rule, agent, status, value, triggered_at, alert_id
FROM dashboards.alerts WHERE tenant_id = {TENANT} AND resolved_at IS NULL AND {AGENTS}
ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity), triggered_at DESC LIMIT 200""",
    format=Format.TABLE,
)

LAST_SEEN = Query(
    "When each agent was last heard of, the longest silent first",
    f"""SELECT agent, agent_type, state, last_seen_at, last_heartbeat_at,
  extract(epoch FROM now() - last_seen_at) AS silent, last_status, consecutive_failures
FROM dashboards.agents WHERE tenant_id = {TENANT} AND {AGENTS}
ORDER BY last_seen_at NULLS FIRST, agent LIMIT 500""",
    format=Format.TABLE,
)

ALERT_MARKS = Query(
    "Alerts, as marks across the charts",
    f"""SELECT triggered_at AS time, resolved_at AS timeend, rule AS text, severity || ',' || agent AS tags
FROM dashboards.alerts WHERE tenant_id = {TENANT} AND {AGENTS} AND $__timeFilter(triggered_at) ORDER BY 1 LIMIT 500""",
    format=Format.TABLE,
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
    "of_agents": (
        f"SELECT dashboards.agent_pattern({TENANT}, $re$^(${{agent_type:regex}})$$re$, $re$^(${{agent:regex}})$$re$)"
    ),
}
"""What fills each variable, asked of PostgreSQL on both dashboards."""
