"""How long executions take."""

from dashboards.queries.base import (
    AGENTS,
    EXECUTIONS,
    FLUX_MODELS,
    MODELS,
    MOST_LINES,
    STEP,
    WINDOW,
    Format,
    Query,
    flux,
    line,
    points,
)

_LATENCY = points("'^execution_duration_ms$'")
LATENCY = Query(
    "Percentiles of execution_duration_ms, by nearest rank",
    f"""SELECT {STEP},
  percentile_disc(0.50) WITHIN GROUP (ORDER BY value) AS p50,
  percentile_disc(0.95) WITHIN GROUP (ORDER BY value) AS p95,
  percentile_disc(0.99) WITHIN GROUP (ORDER BY value) AS p99
FROM {_LATENCY} WHERE {AGENTS} GROUP BY 1 ORDER BY 1""",
    f"""points = {flux('== "execution_duration_ms"')}
  |> group()
percentile = (q, name) => points
  |> aggregateWindow(every: v.windowPeriod,
    fn: (column, tables=<-) => tables |> quantile(q: q, column: column, method: "exact_selector"), {WINDOW})
  |> set(key: "_field", value: name)
union(tables: [percentile(q: 0.5, name: "p50"), percentile(q: 0.95, name: "p95"), percentile(q: 0.99, name: "p99")])
{line("r._field")}""",
)

_P95 = "percentile_disc(0.95) WITHIN GROUP (ORDER BY value)"
_FLUX_P95 = f"""  |> aggregateWindow(every: v.windowPeriod,
    fn: (column, tables=<-) => tables |> quantile(q: 0.95, column: column, method: "exact_selector"), {WINDOW})"""
LATENCY_BY_AGENT = Query(
    "The 95th percentile of execution_duration_ms, of the agents with the greatest value",
    f"""WITH points AS (
  SELECT at, value, agent FROM {_LATENCY} WHERE {AGENTS}
), highest AS (
  SELECT agent FROM points GROUP BY agent ORDER BY max(value) DESC, agent LIMIT {MOST_LINES}
)
SELECT {STEP}, agent AS metric, {_P95} AS value
FROM points JOIN highest USING (agent) GROUP BY 1, 2 ORDER BY 1, 2""",
    f"""points = {flux('== "execution_duration_ms"')}
  |> group(columns: ["agent"])
highest = points |> max() |> group() |> top(n: {MOST_LINES}) |> findColumn(fn: (key) => true, column: "agent")
points
  |> filter(fn: (r) => contains(value: r.agent, set: highest))
{_FLUX_P95}
{line("r.agent")}""",
)

LATENCY_BY_MODEL = Query(
    "The 95th percentile of execution_duration_ms, by model",
    f"""SELECT {STEP}, CASE WHEN model = '' THEN 'no model' ELSE model END AS metric, {_P95} AS value
FROM {_LATENCY} WHERE {AGENTS} AND {MODELS} GROUP BY 1, 2 ORDER BY 1, 2""",
    f"""{flux('== "execution_duration_ms"')}
{FLUX_MODELS}
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, model: if exists r.model then r.model else "no model"}}))
  |> group(columns: ["model"])
{_FLUX_P95}
{line("r.model")}""",
)

SLOWEST = Query(
    "The agents with the highest 95th percentile of the time an execution takes",
    f"""SELECT agent, percentile_disc(0.95) WITHIN GROUP (ORDER BY duration) AS p95
FROM {EXECUTIONS} WHERE {AGENTS} AND duration IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10""",
    format=Format.TABLE,
)
