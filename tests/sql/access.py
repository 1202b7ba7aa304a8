"""Who may do what to which table: the whole of it, said once, and held against a real server by test_access.py.

A role that is not named in a line may do nothing there. Verbs are letters, S(elect), I(nsert), U(pdate), D(elete), of
all columns; words in small letters are columns that may be read, and no others. Nobody but the owner may truncate,
refer to or put triggers on a table, and nobody else but the operator may maintain one (from PostgreSQL 17 on).
"""

from collections.abc import Mapping
from dataclasses import dataclass

OWNER = "agent_monitor_owner"
ACROSS: Mapping[str, str] = {
    OWNER: "retention, partitions, rollups and administrative commands are about every tenant",
    "agent_monitor_alerter": "a tick reads the rules and what was touched of all tenants in one statement",
    "agent_monitor_doorman": "it finds out whose a key, a session or a ping token is: nobody knows the tenant before",
    "agent_monitor_grafana": "the operator's dashboards show the fleet; they have the views and no table",
    "agent_monitor_operator": "queues, sizes and limits are looked at tenant beside tenant; no column has contents",
}
"""Roles that see rows of more than one tenant, and why."""
WITHIN = "agent_monitor_app"
"""The one that serves people and agents: it sees the tenant that is set, and without one nothing."""
NOTHING = "agent_monitor_backup"
"""It copies files by replication, and reads no table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class May:
    """What each role may do to one table or view: verbs, or columns that it may read."""

    app: str = ""
    alerter: str = ""
    doorman: str = ""
    grafana: str = ""
    operator: str = ""
    backup: str = ""

    def verbs(self, role: str) -> set[str]:
        """Of all columns: a subset of S, I, U and D."""
        said = self._said(role)
        return set(said) if said.isupper() else set()

    def columns(self, role: str) -> set[str]:
        """Those that may be read, where not all may be."""
        said = self._said(role)
        return set() if said.isupper() else set(said.split())

    def _said(self, role: str) -> str:
        said: str = getattr(self, role.removeprefix("agent_monitor_"))
        return said


VIEWS, TENANTS = "agent_monitor_views", "agent_monitor_tenants"
"""Whose the views of the schema `dashboards` are, and what tenants' own roles in Grafana may: to look through them.
Nobody logs in as either; what somebody sees there, policies decide that look at `current_user`."""


SECRETS = frozenset(
    {
        "users.password_hash", "api_keys.key_hash", "user_sessions.token_hash", "used_tokens.digest",
        "agents.ping_token", "channels.target", "channels.secret", "contact_methods.target", "contact_methods.secret",
        "notification_groups.secret", "notification_groups.target", "notifications.target", "paces.target",
        "paces.secret", "mcp_server_configs.config", "mcp_server_configs.environment", "tenants.fallback_channel",
    }
)  # fmt: skip
"""Columns with secrets, sealed or hashed or as they are: neither the operator nor Grafana ever reads one."""

TABLES: Mapping[str, May] = {
    "agent_configurations": May(app="SIUD"),
    "agent_counts": May(app="SI", alerter="SIUD"),
    "agent_interactions": May(app="SIUD", alerter="SIUD"),
    "agent_live": May(
        app="SIUD",
        alerter="SU",
        operator="tenant_id agent_id last_seen_at last_heartbeat_at heartbeat_status consecutive_failures",
    ),
    "agent_log_ids": May(app="SIUD", alerter="S"),
    "agent_logs": May(app="SID", alerter="S"),
    "agent_schedules": May(app="SIUD", alerter="SU", operator="tenant_id agent_id since next_run_at"),
    "agent_states": May(app="SIUD"),
    "agent_totals": May(app="S", alerter="SIU"),
    "agent_types": May(app="SIUD"),
    "agent_versions": May(app="SIUD"),
    "agents": May(
        app="SIUD",
        alerter="S",
        doorman="tenant_id id external_id status ping_token deleted_at",
        operator="tenant_id id status ephemeral schedule retired_at deleted_at created_at",
    ),
    "alembic_version": May(operator="S"),
    "alert_config_versions": May(app="SI", alerter="S"),
    "alert_configs": May(app="SIUD", alerter="SU"),
    "alert_events": May(app="SI", alerter="SI"),
    "alert_settings": May(app="SIUD", alerter="S"),
    "alert_states": May(app="SIUD", alerter="SIUD"),
    "alert_targets": May(app="SIUD", alerter="SIUD"),
    "alerts": May(app="SIUD", alerter="SIU"),
    "api_keys": May(app="SIUD", doorman="tenant_id id user_id agent_id key_hash scopes status expires_at last_used_at"),
    "audit_logs": May(app="SI", alerter="I"),
    "billing_records": May(app="S"),
    "bounces": May(app="SIU", alerter="SIUD"),
    "budget_reservations": May(app="SIUD", alerter="SU"),
    "budget_spending": May(app="SID", alerter="SID"),
    "budgets": May(app="SIUD", alerter="S"),
    "calendar_events": May(app="SIUD", alerter="S"),
    "channels": May(app="SIUD", alerter="S"),
    "chunks": May(app="SIUD"),
    "collections": May(app="SIUD"),
    "contact_methods": May(app="SIUD", alerter="S"),
    "conversations": May(app="SIUD"),
    "cross_region_sync_logs": May(
        app="S",
        alerter="SIU",
        operator=(
            "tenant_id id application_name source_region_id target_region_id kind status lag_bytes lag_seconds "
            "started_at completed_at"
        ),
    ),
    "data_requests": May(app="SIU"),
    "deployments": May(app="SIUD", alerter="SIUD"),
    "documents": May(app="SIUD"),
    "drills": May(app="S", alerter="SIUD"),
    "effective_quotas": May(app="S", alerter="S", operator="S"),
    "error_groups": May(app="SU", alerter="SIUD"),
    "error_occurrences": May(app="S", alerter="SIUD"),
    "escalations": May(app="SIUD", alerter="S"),
    "exemplars": May(app="SI"),
    "idempotency_keys": May(app="SIUD"),
    "imports": May(
        app="S",
        operator="tenant_id document source_table rows_read rows_kept completed_at created_at updated_at",
    ),
    "inhibitions": May(app="SIUD", alerter="S"),
    "leases": May(alerter="SIUD", operator="S"),
    "maintenance_runs": May(operator="S"),
    "mcp_server_configs": May(app="SIUD"),
    "mcp_servers": May(app="SIUD"),
    "memberships": May(
        app="SIUD",
        alerter="tenant_id user_id status quiet_hours",
        doorman="tenant_id user_id role status permissions",
    ),
    "message_edits": May(app="SIUD"),
    "message_names": May(app="SIUD"),
    "messages": May(app="SIUD"),
    "model_calls": May(app="SIUD", alerter="SIUD"),
    "model_prices": May(app="SIUD", alerter="S"),
    "notification_groups": May(app="SIUD", alerter="SIU"),
    "notifications": May(
        app="SIU",
        alerter="SIU",
        operator=(
            "tenant_id id reason status attempts first_attempt_at next_attempt_at claimed_by claimed_until "
            "sent_at created_at"
        ),
    ),
    "outages": May(app="S", alerter="SIUD", operator="tenant_id what seen_at began_at ended_at"),
    "paces": May(app="SIUD", alerter="SIUD"),
    "price_changes": May(app="SI", alerter="SIUD", operator="tenant_id id since done"),
    "rag_queries": May(app="SIUD"),
    "received_alerts": May(app="SIU", alerter="SIUD"),
    "regions": May(
        app="S",
        alerter="S",
        operator="tenant_id id slug name jurisdiction provider endpoint is_primary application_name",
    ),
    "replication_status": May(
        app="S",
        alerter="SIUD",
        operator=(
            "tenant_id application_name region_id state sync_state sent_lsn replay_lsn lag_bytes lag_seconds "
            "advanced_at seen_at checked_at"
        ),
    ),
    "request_counts": May(app="SIU", alerter="SIU", operator="tenant_id day requests"),
    "retention_policies": May(app="SIUD", operator="tenant_id kind keep_days max_bytes enabled"),
    "retention_runs": May(app="S", operator="tenant_id id kind status rows_removed before started_at completed_at"),
    "rollup_dirty": May(app="SIU", alerter="S", operator="tenant_id series_id hour"),
    "rollup_progress": May(app="S", alerter="S", operator="S"),
    "rollups_day": May(app="S", alerter="S"),
    "rollups_hour": May(app="S", alerter="S"),
    "rollups_minute": May(app="S", alerter="S"),
    "rule_packs": May(app="SIUD", alerter="S"),
    "run_names": May(app="SIUD"),
    "run_news": May(app="SI", alerter="SID", operator="tenant_id id kind"),
    "sample_chunks": May(app="S", alerter="S"),
    "samples": May(app="SIUD", alerter="S"),
    "scheduled_runs": May(
        app="SI",
        alerter="SIU",
        operator=(
            "tenant_id id agent_id due_at status attempts claimed_until next_attempt_at started_at finished_at "
            "http_status"
        ),
    ),
    "scores": May(app="SIUD", alerter="S"),
    "series": May(app="SIUD", alerter="S"),
    "series_copies": May(app="S", operator="tenant_id day"),
    "silences": May(app="SIUD", alerter="S"),
    "spans": May(app="SIUD", alerter="S"),
    "spool": May(app="SI", alerter="S", operator="tenant_id id created_at points"),
    "subscription_plans": May(
        app="S",
        alerter="S",
        operator="tenant_id slug name price_usd included_usd max_agents daily_requests monthly_tokens source",
    ),
    "tasks": May(app="SIUD", alerter="SIUD"),
    "tenant_quotas": May(app="S", alerter="S", operator="tenant_id resource limit_amount enforced warn_at"),
    "tenant_regions": May(app="S", alerter="S", operator="tenant_id region_id region_tenant_id residency"),
    "tenants": May(
        app="SU",
        alerter="S",
        doorman="id slug name status",
        operator=(
            "id slug name status plan max_agents daily_requests monthly_tokens created_at deleted_at suspended_at "
            "purge_at"
        ),
    ),
    "tool_executions": May(app="SIUD", alerter="SIUD"),
    "tool_patience": May(app="SIUD", alerter="S"),
    "touched": May(app="SI", alerter="SID", operator="tenant_id id"),
    "touched_traces": May(app="SID", alerter="SID", operator="tenant_id id trace_id due_at tries"),
    "traces": May(app="S", alerter="SIUD"),
    "unmapped_names": May(app="SIUD"),
    "usage_by_month": May(app="S"),
    "usage_hours": May(app="SID", alerter="SID"),
    "usage_metrics": May(
        app="SIU",
        operator="tenant_id metric_type metric_value agent_id recorded_at period_start period_end",
    ),
    "usage_months": May(),
    "used_tokens": May(app="SI"),
    "user_identities": May(app="SID", doorman="issuer subject user_id"),
    "user_sessions": May(
        app="SIUD",
        doorman="tenant_id id user_id token_hash started_at last_activity_at expires_at revoked_at",
    ),
    "users": May(
        app="SIUD",
        alerter="id email name deleted_at",
        doorman="id email name password_hash deleted_at username email_verified_at password_changed_at",
    ),
    "workflow_executions": May(app="SIUD", alerter="SIUD"),
    "workflows": May(app="SIUD", alerter="S"),
    "dashboards.agents": May(grafana="S"),
    "dashboards.alerts": May(grafana="S"),
    "dashboards.budgets": May(grafana="S"),
    "dashboards.collections": May(grafana="S"),
    "dashboards.handoffs": May(grafana="S"),
    "dashboards.leases": May(grafana="S"),
    "dashboards.logs": May(grafana="S"),
    "dashboards.notifications": May(grafana="S"),
    "dashboards.outages": May(grafana="S"),
    "dashboards.progress": May(grafana="S"),
    "dashboards.quotas": May(grafana="S"),
    "dashboards.requests": May(grafana="S"),
    "dashboards.rollups_day": May(grafana="S"),
    "dashboards.rollups_hour": May(grafana="S"),
    "dashboards.rules": May(grafana="S"),
    "dashboards.runs": May(grafana="S"),
    "dashboards.sample_chunks": May(grafana="S"),
    "dashboards.samples": May(grafana="S"),
    "dashboards.scores": May(grafana="S"),
    "dashboards.searches": May(grafana="S"),
    "dashboards.series": May(grafana="S"),
    "dashboards.tasks": May(grafana="S"),
    "dashboards.tenants": May(grafana="S"),
    "dashboards.tools": May(grafana="S"),
    "dashboards.transitions": May(grafana="S"),
    "dashboards.usage": May(grafana="S"),
    "dashboards.waiting": May(grafana="S"),
}
