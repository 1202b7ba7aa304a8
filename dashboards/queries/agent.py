"""One agent: how it stands, how its executions end and how long they take."""

from dashboards.queries.base import AGENTS, EXECUTIONS, STEP, TENANT, WINDOW, Format, Query, flux, line, points

BOUNDS = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 9_999_999)
"""Ends of what the heatmap counts, in milliseconds; written with as many digits each, so that they sort as numbers."""
_NAMES = [f"{bound:07}" for bound in BOUNDS]
_CHOICE = " else ".join(
    f'if r._value < {float(bound)} then "{name}"' for bound, name in zip(BOUNDS[:-1], _NAMES[:-1], strict=True)
)

STATE = Query(
    "How the agent stands now",
    f"SELECT state FROM dashboards.agents WHERE tenant_id = {TENANT} AND {AGENTS} ORDER BY agent LIMIT 1",
    format=Format.TABLE,
)
OUTCOMES = Query(
    "How executions ended: the worst in each step",
    f"""SELECT {STEP}, 'executions' AS metric, min(value) AS value FROM {points("'^execution_status$'")} WHERE {AGENTS}
GROUP BY 1 ORDER BY 1""",
    f"""{flux('== "execution_status"')}
  |> group()
  |> aggregateWindow(every: v.windowPeriod, fn: min, {WINDOW})
{line('"executions"')}""",
)
DURATIONS = Query(
    "How many executions took up to how long",
    f"""SELECT {STEP}, (ARRAY{_NAMES})[1 + width_bucket(value, ARRAY{list(BOUNDS[:-1])}::float8[])] AS metric,
  count(*) AS value
FROM {points("'^execution_duration_ms$'")} WHERE {AGENTS} GROUP BY 1, 2 ORDER BY 1, 2""",
    f"""{flux('== "execution_duration_ms"')}
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, le: {_CHOICE} else "{_NAMES[-1]}"}}))
  |> group(columns: ["le"])
  |> aggregateWindow(every: v.windowPeriod, fn: count, {WINDOW})
{line("r.le")}""",
)
LOAD = Query(
    "The processor's use, the newest value",
    f"""SELECT at AS time, value AS cpu FROM {points("'^cpu_percent$'")} WHERE {AGENTS}
ORDER BY at DESC, value LIMIT 1""",
    f"""{flux('== "cpu_percent"')}
  |> group()
  |> sort(columns: ["_time"])
  |> last()
{line('"cpu"')}""",
)
LOG = Query(
    "Executions, newest first",
    f"""SELECT at AS time, status || coalesce(' in ' || duration || ' ms', '') || ' (' || agent || ')' AS body,
  CASE status WHEN 'success' THEN 'info' ELSE status END AS level
FROM {EXECUTIONS} WHERE {AGENTS} ORDER BY at DESC LIMIT 500""",
    format=Format.TABLE,
)
