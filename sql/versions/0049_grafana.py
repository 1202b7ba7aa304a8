"""What more dashboards ask, and a role for each tenant that is let into Grafana with SQL of its own.

The views belong to `agent_monitor_views`, which is no table's owner: its policies hold whoever looks through them, and
compare each row's tenant with `current_user`. Grafana's own role sees every tenant; a tenant's is called by a digest
of the tenant's id, so that no list says whose it is; anybody else sees nothing. Free SQL changes none of that.
"""

from alembic import op

revision = "0049"
down_revision = "0048"

_SELF = "deleted_at IS NULL AND 'agent_monitor_grafana_' || md5(id::text) = current_user::text"
_ALL = "(SELECT current_user = 'agent_monitor_grafana')"
OWN = f"tenant_id = (SELECT id FROM public.tenants WHERE {_SELF})"

# Tables that the views read; of those where some columns are nobody's business, the others.
READ = {
    "agents": "tenant_id, id, external_id, name, agent_type, status, version, ephemeral, patience, deleted_at, retired_at",
    "agent_live": (
        "tenant_id, agent_id, last_seen_at, last_active_at, last_heartbeat_at, heartbeat_interval, heartbeat_status, "
        "expected, last_status, consecutive_failures"
    ),
    "tool_patience": "*",
    "tool_executions": (
        "tenant_id, id, agent_id, tool_name, status, error_code, started_at, completed_at, duration_ms, trace_id, "
        "created_at"
    ),
    "tasks": (
        "tenant_id, id, agent_id, task_type, status, error_type, retry_count, model, environment, started_at, "
        "completed_at, duration_ms, trace_id, source, created_at"
    ),
    "alerts": (
        "tenant_id, id, config_id, agent_id, rule, severity, status, value, labels, triggered_at, acknowledged_at, "
        "resolved_at"
    ),
    "alert_events": "tenant_id, id, alert_id, kind, at",
    "alert_configs": ("tenant_id, id, agent_id, selector, name, conditions, severity, enabled, deleted_at, last_error"),
    "notifications": "tenant_id, id, channel, reason, status, attempts, sent_at, created_at",
    "agent_logs": ("tenant_id, agent_id, id, received_at, started_at, completed_at, duration, kind, status, level"),
    "series": "tenant_id, id, agent_id, metric, kind, unit, tags",
    "samples": "*",
    "sample_chunks": "*",
    "rollups_hour": "*",
    "rollups_day": "*",
    "usage_hours": (
        "tenant_id, hour, agent_id, model, provider, workflow, environment, calls, failed, unpriced, input_tokens, "
        "output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd"
    ),
    "budgets": "tenant_id, id, name, scope, unit, period, limit_amount, warn_at, enabled",
    "budget_spending": "tenant_id, budget_id, period_start, amount",
    "agent_interactions": "tenant_id, id, from_agent_id, to_agent_id, interaction_type, at, trace_id",
    "traces": (
        "tenant_id, trace_id, name, status, agent_ids, tasks, failed_tasks, tokens, cost_usd, started_at, ended_at, "
        "duration_ms"
    ),
    "collections": "tenant_id, id, slug, name, document_count, chunk_count, status, deleted_at",
    "rag_queries": (
        "tenant_id, id, collection_id, agent_id, top_score, strategy, latency_ms, feedback_rating, created_at"
    ),
    "scores": "tenant_id, id, source, name, value, label, agent_id, trace_id, at",
    "tenant_quotas": "*",
    "request_counts": "*",
    "touched": "tenant_id, id",
    "touched_traces": "tenant_id, id, due_at",
    "rollup_dirty": "*",
    "spool": "tenant_id, id, created_at, points",
    "outages": "*",
}
# Tables of the platform's alone, which have no policies: their views show them to Grafana's own role only.
PLATFORM = {"leases": "*", "rollup_progress": "*"}
# Rows of the platform's tenant that say what plans contain; everybody may know.
PLANS = "subscription_plans"

_WHO = "a.external_id AS agent, a.agent_type"
_OF = "JOIN public.agents a ON a.tenant_id = x.tenant_id AND a.id = x.agent_id"

VIEWS = {
    "rollups_day": "SELECT tenant_id, series_id, at, count, sum, min, max FROM public.rollups_day",
    "rules": """
        SELECT x.tenant_id, x.id AS rule_id, x.name AS rule, x.severity, x.enabled, x.last_error IS NOT NULL AS failing,
               leaf ->> 'metric' AS metric, leaf ->> 'reduce' AS reduce, coalesce(leaf ->> 'op', '>') AS op,
               (leaf ->> 'threshold')::double precision AS threshold, coalesce(a.external_id, '') AS agent
        FROM public.alert_configs x
        LEFT JOIN public.agents a ON a.tenant_id = x.tenant_id AND a.id = x.agent_id
        LEFT JOIN LATERAL jsonb_path_query(x.conditions, 'strict $.** ? (@.threshold.type() == "number")') AS leaf ON true
        WHERE x.deleted_at IS NULL""",
    "transitions": """
        SELECT x.tenant_id, x.alert_id, x.id, x.at, x.kind, t.rule, t.severity, t.config_id AS rule_id,
               coalesce(a.external_id, '') AS agent, coalesce(a.agent_type, '') AS agent_type
        FROM public.alert_events x JOIN public.alerts t ON t.tenant_id = x.tenant_id AND t.id = x.alert_id
        LEFT JOIN public.agents a ON a.tenant_id = t.tenant_id AND a.id = t.agent_id""",
    "notifications": """
        SELECT tenant_id, id, channel, reason, status, attempts, created_at AS at, sent_at FROM public.notifications""",
    "usage": f"""
        SELECT x.tenant_id, x.hour AS at, {_WHO}, x.model, x.provider, x.workflow, x.environment, x.calls, x.failed,
               x.unpriced, x.input_tokens, x.output_tokens, x.cache_read_tokens, x.cost_usd
        FROM public.usage_hours x {_OF}""",
    "budgets": """
        SELECT b.tenant_id, b.name, b.scope, b.unit, b.period, b.limit_amount, b.warn_at, s.spent
        FROM public.budgets b LEFT JOIN LATERAL (
            SELECT sum(x.amount) AS spent FROM public.budget_spending x
            WHERE x.tenant_id = b.tenant_id AND x.budget_id = b.id
              AND x.period_start = (SELECT max(y.period_start) FROM public.budget_spending y
                                    WHERE y.tenant_id = b.tenant_id AND y.budget_id = b.id)) s ON true
        WHERE b.enabled""",
    "tasks": f"""
        SELECT x.tenant_id, x.id, coalesce(x.started_at, x.created_at) AS at, {_WHO}, x.task_type, x.status,
               x.error_type, x.retry_count, x.model, coalesce(x.environment, '') AS environment, x.duration_ms, x.trace_id
        FROM public.tasks x {_OF}""",
    "tools": f"""
        SELECT x.tenant_id, x.id, x.started_at AS at, {_WHO}, x.tool_name AS tool, x.status, x.error_code,
               x.duration_ms, x.trace_id
        FROM public.tool_executions x {_OF}""",
    "handoffs": """
        SELECT x.tenant_id, x.id, x.at, x.interaction_type AS kind, a.external_id AS agent, a.agent_type,
               b.external_id AS to_agent, x.trace_id
        FROM public.agent_interactions x JOIN public.agents a ON a.tenant_id = x.tenant_id AND a.id = x.from_agent_id
        JOIN public.agents b ON b.tenant_id = x.tenant_id AND b.id = x.to_agent_id""",
    "runs": """
        SELECT tenant_id, trace_id, name, status, tasks, failed_tasks, tokens, cost_usd, started_at AS at, duration_ms
        FROM public.traces""",
    "collections": """
        SELECT tenant_id, id AS collection_id, slug AS collection, name, document_count, chunk_count, status
        FROM public.collections WHERE deleted_at IS NULL""",
    "searches": """
        SELECT x.tenant_id, x.id, x.created_at AS at, c.slug AS collection, x.strategy, x.top_score, x.latency_ms,
               x.feedback_rating, coalesce(a.external_id, '') AS agent, coalesce(a.agent_type, '') AS agent_type
        FROM public.rag_queries x
        JOIN public.collections c ON c.tenant_id = x.tenant_id AND c.id = x.collection_id
        LEFT JOIN public.agents a ON a.tenant_id = x.tenant_id AND a.id = x.agent_id""",
    "scores": f"""
        SELECT x.tenant_id, x.id, x.at, {_WHO}, x.source, x.name AS score, x.value, x.label, x.trace_id
        FROM public.scores x {_OF}""",
    "quotas": """
        SELECT t.id AS tenant_id, t.name AS tenant, t.plan, r.resource,
               coalesce(q.limit_amount, r.of_tenant, r.of_plan) AS limit_amount
        FROM public.tenants t
        LEFT JOIN public.subscription_plans p
            ON p.tenant_id = '00000000-0000-7000-8000-000000000000' AND p.slug = t.plan
        CROSS JOIN LATERAL (VALUES ('agents', t.max_agents, p.max_agents),
            ('daily_requests', t.daily_requests, p.daily_requests),
            ('monthly_tokens', t.monthly_tokens, p.monthly_tokens)) AS r (resource, of_tenant, of_plan)
        LEFT JOIN public.tenant_quotas q ON q.tenant_id = t.id AND q.resource = r.resource
        WHERE t.deleted_at IS NULL""",
    "requests": "SELECT tenant_id, day AS at, requests FROM public.request_counts",
    "waiting": """
        SELECT tenant_id, 'rules to be judged' AS what, NULL::timestamptz AS since FROM public.touched
        UNION ALL SELECT tenant_id, 'runs to be put together', due_at FROM public.touched_traces WHERE due_at <= now()
        UNION ALL SELECT tenant_id, 'hours to be rolled up again', hour FROM public.rollup_dirty
        UNION ALL SELECT tenant_id, 'batches of points in the spool', created_at FROM public.spool
        UNION ALL SELECT tenant_id, 'messages to be sent', created_at FROM public.notifications
            WHERE status IN ('pending', 'sending')""",
    "outages": "SELECT tenant_id, what, seen_at, began_at, ended_at FROM public.outages",
    "leases": f"SELECT name, holder, expires_at FROM public.leases WHERE {_ALL}",
    "progress": f"SELECT level, until FROM public.rollup_progress WHERE {_ALL}",
}

DAYS = """
    CREATE FUNCTION dashboards.days(of_tenant uuid, of_metric text, low timestamptz, high timestamptz)
    RETURNS TABLE (at timestamptz, count bigint, sum double precision, min double precision, max double precision,
                   agent text, agent_type text, model text)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT r.at, r.count, r.sum, r.min, r.max, s.agent, s.agent_type, s.model
        FROM dashboards.rollups_day r JOIN dashboards.series s ON s.tenant_id = r.tenant_id AND s.series_id = r.series_id
        WHERE r.tenant_id = of_tenant AND s.metric ~ of_metric AND r.at >= low AND r.at <= high
    $$
"""
OLD_VIEWS = ("agents", "alerts", "logs", "rollups_hour", "sample_chunks", "samples", "series", "tenants")


def upgrade() -> None:
    """Make the views, and give them and the older ones to whom the policies are about."""
    op.execute("GRANT USAGE ON SCHEMA public, dashboards TO agent_monitor_views")
    op.execute("GRANT CREATE ON SCHEMA dashboards TO agent_monitor_views")
    op.execute("GRANT USAGE ON SCHEMA dashboards TO agent_monitor_tenants")
    op.execute("GRANT SELECT (id, slug, name, status, plan, max_agents, daily_requests, monthly_tokens, deleted_at) "
               "ON tenants TO agent_monitor_views")  # fmt: skip
    op.execute(f"CREATE POLICY views ON tenants FOR SELECT TO agent_monitor_views USING ({_ALL} OR {_SELF})")
    for table, columns in READ.items():
        _show(table, columns, f"{_ALL} OR {OWN}")
    _show(PLANS, "tenant_id, slug, max_agents, daily_requests, monthly_tokens", "true")
    for table in PLATFORM:
        op.execute(f"GRANT SELECT ON {table} TO agent_monitor_views")
    for name, body in VIEWS.items():
        op.execute(f"CREATE VIEW dashboards.{name} AS {body}")
    op.execute(DAYS)
    for name in (*OLD_VIEWS, *VIEWS):
        op.execute(f"ALTER VIEW dashboards.{name} OWNER TO agent_monitor_views")
        op.execute(f"GRANT SELECT ON dashboards.{name} TO agent_monitor_grafana, agent_monitor_tenants")


def _show(table: str, columns: str, which: str) -> None:
    some = "" if columns == "*" else f" ({columns})"
    op.execute(f"GRANT SELECT{some} ON {table} TO agent_monitor_views")
    op.execute(f"CREATE POLICY views ON {table} FOR SELECT TO agent_monitor_views USING ({which})")


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP FUNCTION dashboards.days")
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW dashboards.{name}")
    for name in OLD_VIEWS:
        op.execute(f"REVOKE SELECT ON dashboards.{name} FROM agent_monitor_tenants")
        op.execute(f"ALTER VIEW dashboards.{name} OWNER TO agent_monitor_owner")
    for table in PLATFORM:
        op.execute(f"REVOKE SELECT ON {table} FROM agent_monitor_views")
    for table in ("tenants", *READ, PLANS):
        op.execute(f"DROP POLICY views ON {table}")
        op.execute(f"REVOKE SELECT ON {table} FROM agent_monitor_views")
    op.execute("REVOKE USAGE ON SCHEMA dashboards FROM agent_monitor_tenants")
    op.execute("REVOKE ALL ON SCHEMA public, dashboards FROM agent_monitor_views")
