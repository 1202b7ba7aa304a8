"""Runs, tasks, tools, and who hands over to whom."""

from dashboards.queries.base import AGENTS, BY_ID, IN_SPAN, MOST_LINES, STEP, Format, Query

_RUNS = f"dashboards.runs WHERE {IN_SPAN}"
_TASKS = f"dashboards.tasks WHERE {BY_ID} AND {AGENTS}"
_TOOLS = f"dashboards.tools WHERE {BY_ID} AND {AGENTS}"
_FAILED = "CASE WHEN status IN ('error', 'timeout') THEN 1.0 ELSE 0.0 END"

RUNS = Query(
    "Runs that began, by how they ended",
    f"SELECT {STEP}, status AS metric, count(*) AS value FROM {_RUNS} GROUP BY 1, 2 ORDER BY 1, 2",
)
RUN_TIMES = Query(
    "How long runs take: percentiles by nearest rank",
    f"""SELECT {STEP}, percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_ms) AS p50,
  percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_ms) AS p95
FROM {_RUNS} AND duration_ms IS NOT NULL GROUP BY 1 ORDER BY 1""",
)
LONGEST_RUNS = Query(
    "The runs that took longest",
    f"""SELECT name, status, at, duration_ms AS duration, tasks, failed_tasks, tokens,
  cost_usd::float8 AS cost, trace_id
FROM {_RUNS} ORDER BY duration_ms DESC NULLS LAST, trace_id LIMIT 50""",
    format=Format.TABLE,
)
TASKS = Query(
    "Tasks that began, by how they ended",
    f"SELECT {STEP}, status AS metric, count(*) AS value FROM {_TASKS} GROUP BY 1, 2 ORDER BY 1, 2",
)
RETRIES = Query(
    "How often tasks were tried again, by agent",
    f"""SELECT agent, sum(retry_count)::float8 AS retries FROM {_TASKS}
GROUP BY 1 HAVING sum(retry_count) > 0 ORDER BY 2 DESC, 1 LIMIT 15""",
    format=Format.TABLE,
)
TOOL_CALLS = Query(
    "How many calls of tools there were, and how many failed",
    f"""SELECT count(*) AS calls, count(*) FILTER (WHERE status = 'error') AS errors,
  count(*) FILTER (WHERE status = 'timeout') AS timeouts FROM {_TOOLS}""",
    format=Format.TABLE,
)
TOOLS = Query(
    "Tools: calls, failures, how long they take",
    f"""SELECT tool, count(*) AS calls, avg({_FAILED})::float8 AS failed, avg(duration_ms)::float8 AS mean,
  percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_ms) AS p95
FROM {_TOOLS} GROUP BY 1 ORDER BY failed DESC, calls DESC, 1 LIMIT 100""",
    format=Format.TABLE,
)
TOOL_ERRORS = Query(
    "The share of calls that failed, by tool, of the tools that fail most",
    f"""WITH calls AS (SELECT at, tool, {_FAILED} AS failed FROM {_TOOLS}), worst AS (
  SELECT tool FROM calls GROUP BY tool ORDER BY sum(failed) DESC, tool LIMIT {MOST_LINES}
)
SELECT {STEP}, tool AS metric, avg(failed)::float8 AS value FROM calls JOIN worst USING (tool)
GROUP BY 1, 2 ORDER BY 1, 2""",
)
TOOL_FAULTS = Query(
    "Why calls of tools failed",
    f"""SELECT coalesce(nullif(error_code, ''), status) AS reason, count(*) AS failures FROM {_TOOLS}
AND status IN ('error', 'timeout') GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 15""",
    format=Format.TABLE,
)
HANDOFFS = Query(
    "What passes between agents, by kind",
    f"""SELECT {STEP}, kind AS metric, count(*) AS value FROM dashboards.handoffs WHERE {IN_SPAN} AND {AGENTS}
GROUP BY 1, 2 ORDER BY 1, 2""",
)
HANDOFF_PAIRS = Query(
    "Who hands over to whom",
    f"""SELECT agent, to_agent, kind, count(*) AS times FROM dashboards.handoffs WHERE {IN_SPAN} AND {AGENTS}
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT 100""",
    format=Format.TABLE,
)
