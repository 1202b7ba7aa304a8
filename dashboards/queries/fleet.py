"""The fleet now and over time: states, executions, usage, any metric, alerts."""

from dashboards.queries.base import (
    AGENTS,
    EXECUTIONS,
    FLUX_MODELS,
    HOURLY,
    METRIC,
    MODELS,
    ROLLUPS,
    STEP,
    SUM,
    SUMS,
    TENANT,
    WINDOW,
    Format,
    Query,
    by_agent,
    flux,
    line,
    rollups,
    sums,
)

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

_TOKENS = sums("'^tokens_(input|output)$'")
TOKENS = Query(
    "Tokens that agents reported, by direction",
    f"""SELECT {STEP}, metric, sum(sum) AS value
FROM {_TOKENS} WHERE {AGENTS} AND {MODELS} GROUP BY 1, 2 ORDER BY 1, 2""",
    f"""{flux("=~ /^tokens_(input|output)$/", bucket=SUMS, field=SUM)}
{FLUX_MODELS}
  |> group(columns: ["_measurement"])
  |> aggregateWindow(every: v.windowPeriod, fn: sum, {WINDOW})
{line("r._measurement")}""",
)

_COST = sums("'^cost_usd$'")
COST = Query(
    "Cost that agents reported, by model",
    f"""SELECT {STEP}, CASE WHEN model = '' THEN 'no model' ELSE model END AS metric, sum(sum) AS value
FROM {_COST} WHERE {AGENTS} AND {MODELS} GROUP BY 1, 2 ORDER BY 1, 2""",
    f"""{flux('== "cost_usd"', bucket=SUMS, field=SUM)}
{FLUX_MODELS}
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, model: if exists r.model then r.model else "no model"}}))
  |> group(columns: ["model"])
  |> aggregateWindow(every: v.windowPeriod, fn: sum, {WINDOW})
{line("r.model")}""",
)

MEMORY = by_agent("'^memory_bytes$'", '== "memory_bytes"', "Memory in use, of the agents that use most")
CPU = by_agent("'^cpu_percent$'", '== "cpu_percent"', "Use of the processor, of the agents that use most")
EXPLORER = by_agent(
    METRIC, "=~ /^(${metric:regex})$/", "The mean of the chosen metric, of the agents where it is highest"
)

HISTORY = Query(
    "The chosen metric by hour, from rollups: least, mean and greatest",
    f"""SELECT {STEP}, min(min) AS min, sum(sum) / sum(count) AS mean, max(max) AS max
FROM {rollups(METRIC)} WHERE {AGENTS} AND {MODELS} GROUP BY 1 ORDER BY 1""",
    f"""hours = {flux("=~ /^(${metric:regex})$/", bucket=ROLLUPS, field=HOURLY)}
{FLUX_MODELS}
total = (name) => hours
  |> filter(fn: (r) => r._field == name)
  |> group()
  |> aggregateWindow(every: v.windowPeriod, fn: sum, {WINDOW})
mean = join(tables: {{sum: total(name: "sum"), count: total(name: "count")}}, on: ["_time"])
  |> map(fn: (r) => ({{_time: r._time, _value: r._value_sum / r._value_count, _field: "mean"}}))
least = hours
  |> filter(fn: (r) => r._field == "min")
  |> group()
  |> aggregateWindow(every: v.windowPeriod, fn: min, {WINDOW})
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, _field: "min"}}))
greatest = hours
  |> filter(fn: (r) => r._field == "max")
  |> group()
  |> aggregateWindow(every: v.windowPeriod, fn: max, {WINDOW})
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, _field: "max"}}))
union(tables: [least, mean, greatest])
{line("r._field")}""",
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
