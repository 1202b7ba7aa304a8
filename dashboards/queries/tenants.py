"""Tenants beside each other, and how much of their quotas they use. Of those that the asking role may see."""

from dashboards.queries.base import Format, Query

_MONTH = "date_trunc('month', now(), 'UTC')"
QUOTAS = Query(
    "What each tenant may use and what it has used: agents now, requests today, tokens this month, in UTC",
    f"""WITH used (tenant_id, resource, used) AS (
  SELECT tenant_id, 'agents', count(*)::float8 FROM dashboards.agents GROUP BY 1
  UNION ALL SELECT tenant_id, 'daily_requests', sum(requests)::float8 FROM dashboards.requests
    WHERE at >= date_trunc('day', now(), 'UTC') GROUP BY 1
  UNION ALL SELECT tenant_id, 'monthly_tokens', sum(input_tokens + output_tokens)::float8 FROM dashboards.usage
    WHERE at >= {_MONTH} GROUP BY 1
)
SELECT tenant, plan, resource, coalesce(used, 0) AS used, limit_amount::float8 AS "limit",
  coalesce(used, 0) / nullif(limit_amount, 0) AS share
FROM dashboards.quotas LEFT JOIN used USING (tenant_id, resource)
ORDER BY share DESC NULLS LAST, tenant, resource LIMIT 500""",
    format=Format.TABLE,
)
TENANTS = Query(
    "Tenants by their standing",
    """SELECT count(*) FILTER (WHERE status = 'active') AS active,
  count(*) FILTER (WHERE status = 'suspended') AS suspended FROM dashboards.tenants""",
    format=Format.TABLE,
)
AGENTS_BY_TENANT = Query(
    "How many agents each tenant has",
    """SELECT t.name AS tenant, count(*) AS agents
FROM dashboards.agents a JOIN dashboards.tenants t ON t.id = a.tenant_id
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 15""",
    format=Format.TABLE,
)
COST_BY_TENANT = Query(
    "What each tenant spent in the span",
    """SELECT t.name AS tenant, sum(u.cost_usd)::float8 AS cost
FROM dashboards.usage u JOIN dashboards.tenants t ON t.id = u.tenant_id
WHERE $__timeFilter(u.at) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 15""",
    format=Format.TABLE,
)
