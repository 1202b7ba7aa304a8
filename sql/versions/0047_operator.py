"""What the operator reads, who looks into trouble: how things stand by tenant, never what is in them, and no secret.
The index by which deleted tenants are found.
"""

from alembic import op

from sql.protect import watch

revision = "0047"
down_revision = "0046"

# Tables of the platform's alone, without row-level security.
OPEN = ("alembic_version", "leases", "maintenance_runs", "rollup_progress")
# Names, addresses, texts, payloads and the words of errors are left out: they may say what a tenant's data say.
COLUMNS = {
    "tenants": (
        "id, slug, name, status, plan, max_agents, daily_requests, monthly_tokens, created_at, deleted_at, "
        "suspended_at, purge_at"
    ),
    "agents": "tenant_id, id, status, ephemeral, schedule, retired_at, deleted_at, created_at",
    "agent_live": "tenant_id, agent_id, last_seen_at, last_heartbeat_at, heartbeat_status, consecutive_failures",
    "agent_schedules": "tenant_id, agent_id, since, next_run_at",
    "scheduled_runs": (
        "tenant_id, id, agent_id, due_at, status, attempts, claimed_until, next_attempt_at, started_at, finished_at, "
        "http_status"
    ),
    "touched": "tenant_id, id",
    "touched_traces": "tenant_id, id, trace_id, due_at, tries",
    "run_news": "tenant_id, id, kind",
    "rollup_dirty": "tenant_id, series_id, hour",
    "spool": "tenant_id, id, created_at, points",
    "series_copies": "tenant_id, day",
    "price_changes": "tenant_id, id, since, done",
    "notifications": (
        "tenant_id, id, reason, status, attempts, first_attempt_at, next_attempt_at, claimed_by, claimed_until, "
        "sent_at, created_at"
    ),
    "outages": "tenant_id, what, seen_at, began_at, ended_at",
    "request_counts": "tenant_id, day, requests",
    "tenant_quotas": "tenant_id, resource, limit_amount, enforced, warn_at",
    "subscription_plans": (
        "tenant_id, slug, name, price_usd, included_usd, max_agents, daily_requests, monthly_tokens, source"
    ),
    "usage_metrics": "tenant_id, metric_type, metric_value, agent_id, recorded_at, period_start, period_end",
    "retention_policies": "tenant_id, kind, keep_days, max_bytes, enabled",
    "retention_runs": "tenant_id, id, kind, status, rows_removed, before, started_at, completed_at",
    "imports": "tenant_id, document, source_table, rows_read, rows_kept, completed_at, created_at, updated_at",
    "regions": "tenant_id, id, slug, name, jurisdiction, provider, endpoint, is_primary, application_name",
    "tenant_regions": "tenant_id, region_id, region_tenant_id, residency",
    "replication_status": (
        "tenant_id, application_name, region_id, state, sync_state, sent_lsn, replay_lsn, lag_bytes, lag_seconds, "
        "advanced_at, seen_at, checked_at"
    ),
    "cross_region_sync_logs": (
        "tenant_id, id, application_name, source_region_id, target_region_id, kind, status, lag_bytes, lag_seconds, "
        "started_at, completed_at"
    ),
}


def upgrade() -> None:
    """Show the operator what it needs. The role is made by sql/roles.sql, which is run again before this."""
    op.execute("GRANT USAGE ON SCHEMA public TO agent_monitor_operator")
    for table in OPEN:
        op.execute(f"GRANT SELECT ON {table} TO agent_monitor_operator")
    for table, columns in COLUMNS.items():
        for statement in watch(table, columns):
            op.execute(statement)
    op.execute("GRANT SELECT ON effective_quotas TO agent_monitor_operator")
    op.execute("CREATE INDEX tenants_deleted_at_idx ON tenants (deleted_at) WHERE deleted_at IS NOT NULL")


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP INDEX tenants_deleted_at_idx")
    op.execute("REVOKE SELECT ON effective_quotas FROM agent_monitor_operator")
    for table, columns in COLUMNS.items():
        op.execute(f"DROP POLICY operator ON {table}")
        op.execute(f"REVOKE SELECT ({columns}) ON {table} FROM agent_monitor_operator")
    for table in OPEN:
        op.execute(f"REVOKE SELECT ON {table} FROM agent_monitor_operator")
    op.execute("REVOKE USAGE ON SCHEMA public FROM agent_monitor_operator")
