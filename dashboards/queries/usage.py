"""Tokens, money and calls, from sums by the hour."""

from dashboards.queries.base import AGENTS, ENVIRONMENTS, IN_SPAN, MODELS, STEP, TENANT, Format, Query

_USAGE = f"dashboards.usage WHERE {IN_SPAN} AND {AGENTS} AND {MODELS} AND {ENVIRONMENTS}"


def _top(what: str, meaning: str) -> Query:
    """What each of the biggest came to."""
    return Query(
        meaning,
        f"""SELECT CASE WHEN {what} = '' THEN 'not told' ELSE {what} END AS name, sum(cost_usd)::float8 AS cost
FROM {_USAGE} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 15""",
        format=Format.TABLE,
    )


SPENT = Query(
    "What was spent in all",
    f"SELECT sum(cost_usd)::float8 AS cost FROM {_USAGE}",
    format=Format.TABLE,
)
CALLS = Query(
    "Calls of models: all, failed, and those that nobody knows the price of",
    f"""SELECT sum(calls)::float8 AS calls, sum(failed)::float8 AS failed, sum(unpriced)::float8 AS unpriced
FROM {_USAGE}""",
    format=Format.TABLE,
)
CACHED = Query(
    "The share of the tokens read that came from the cache",
    f"SELECT sum(cache_read_tokens)::float8 / nullif(sum(input_tokens), 0)::float8 AS cached FROM {_USAGE}",
    format=Format.TABLE,
)
TOKENS_BY_HOUR = Query(
    "Tokens read and written",
    f"""SELECT {STEP}, sum(input_tokens)::float8 AS input, sum(output_tokens)::float8 AS output
FROM {_USAGE} GROUP BY 1 ORDER BY 1""",
)
COST_BY_MODEL = Query(
    "What was spent, by model",
    f"""SELECT {STEP}, CASE WHEN model = '' THEN 'no model' ELSE model END AS metric, sum(cost_usd)::float8 AS value
FROM {_USAGE} GROUP BY 1, 2 ORDER BY 1, 2""",
)
FAILED_CALLS = Query(
    "The share of calls that failed",
    f"""SELECT {STEP}, 'failed' AS metric, sum(failed)::float8 / nullif(sum(calls), 0)::float8 AS value
FROM {_USAGE} GROUP BY 1 ORDER BY 1""",
)
BY_AGENT = _top("agent", "The agents that cost most")
BY_ENVIRONMENT = _top("environment", "What each environment costs")
BY_WORKFLOW = _top("workflow", "What each workflow costs")
BUDGETS = Query(
    "Budgets, and how much of each is spent in its current period",
    f"""SELECT name, scope, period, unit, coalesce(spent, 0)::float8 AS spent, limit_amount::float8 AS "limit",
  (coalesce(spent, 0) / nullif(limit_amount, 0))::float8 AS share
FROM dashboards.budgets WHERE tenant_id = {TENANT} ORDER BY share DESC NULLS LAST, name LIMIT 100""",
    format=Format.TABLE,
)
