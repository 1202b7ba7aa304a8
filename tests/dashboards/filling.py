"""Rows of everything that dashboards show, in the span that the fleet's view shows."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from monitor.db import Database
from monitor.ids import uuid7
from tests.dashboards.conftest import MINUTE, Fleet

_TASK = (
    "INSERT INTO tasks (tenant_id, id, agent_id, task_type, status, retry_count, started_at, completed_at, created_at) "
    "VALUES (:tenant, :id, :agent, 'review', 'completed', 2, :at, :later, :at)"
)
_TOOL = (
    "INSERT INTO tool_executions (tenant_id, id, agent_id, tool_name, status, error_code, started_at, completed_at, "
    "duration_ms, created_at) VALUES (:tenant, :id, :agent, :word, :status, :code, :at, :later, 120, :at)"
)
_ROWS: tuple[str, ...] = (
    "INSERT INTO traces (tenant_id, trace_id, name, status, agent_ids, models, tasks, failed_tasks, tokens, cost_usd, "
    "started_at, ended_at, duration_ms, words, first_id, last_id) VALUES (:tenant, :word, 'run', 'completed', "
    "ARRAY[CAST(:agent AS uuid)], '{}', 2, 1, 10, 0.5, :at, :later, 60000, '', :id, :id)",
    _TASK,
    "INSERT INTO agent_interactions (tenant_id, id, from_agent_id, to_agent_id, interaction_type, at) "
    "VALUES (:tenant, :id, :agent, :other, 'handoff', :at)",
    "INSERT INTO usage_hours (tenant_id, hour, key, agent_id, model, workflow, environment, calls, failed, unpriced, "
    "input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd) VALUES "
    "(:tenant, :hour, :id, :agent, 'opus', :word, 'prod', 4, 1, 2, 1000, 100, 250, 0, 0, 1.5)",
    "INSERT INTO budgets (tenant_id, id, name, scope, unit, period, limit_amount) "
    "VALUES (:tenant, :id, :word, 'tenant', 'cost_usd', 'month', 10)",
    "INSERT INTO budget_spending (tenant_id, budget_id, period_start, slot, last_at, amount) "
    "VALUES (:tenant, :id, :hour, :hour, :at, 2.5)",
    "INSERT INTO alert_configs (tenant_id, id, agent_id, name, conditions, channels, severity) VALUES (:tenant, :id, "
    ":agent, :word, '{\"all\": [{\"metric\": \"execution_duration_ms\", \"op\": \">=\", \"threshold\": 750}, "
    "{\"metric\": \"memory_bytes\", \"threshold\": 5e9}, {\"metric\": \"cpu_percent\", \"threshold\": 90}, "
    "{\"status\": \"error\"}]}', '{}', 'critical')",
    "INSERT INTO alerts (tenant_id, id, agent_id, rule, fingerprint, severity, status, triggered_at, acknowledged_at, "
    "resolved_at) VALUES (:tenant, :id, :agent, :word, 'f', 'critical', 'resolved', :at, :later, :later)",
    "INSERT INTO alerts (tenant_id, id, agent_id, rule, fingerprint, severity, triggered_at) "
    "VALUES (:tenant, :second, :agent, :word, 'g', 'warning', :at)",
    "INSERT INTO alert_events (tenant_id, id, alert_id, kind, at) VALUES (:tenant, :id, :id, 'acknowledged', :later)",
    "INSERT INTO notification_groups (tenant_id, id, channel, target, alert_ids) "
    "VALUES (:tenant, :id, 'email', :word, ARRAY[CAST(:id AS uuid)])",
    "INSERT INTO notifications (tenant_id, id, group_id, channel, target, reason, why, alert_ids, status, attempts, "
    "created_at, sent_at) VALUES (:tenant, :id, :id, 'email', :word, 'FIRST', :word, ARRAY[CAST(:id AS uuid)], 'sent', "
    "1, :at, :later)",
    "INSERT INTO notifications (tenant_id, id, group_id, channel, target, reason, why, alert_ids, status, attempts, "
    "created_at) VALUES (:tenant, :second, :id, 'slack', :word, 'FIRST', :word, ARRAY[CAST(:id AS uuid)], 'dead', 9, "
    ":at)",
    "INSERT INTO collections (tenant_id, id, slug, name, embedding_model) VALUES (:tenant, :id, :word, :word, 'small')",
    "INSERT INTO rag_queries (tenant_id, id, collection_id, agent_id, query_text, top_score, latency_ms, "
    "feedback_rating, created_at) VALUES (:tenant, :id, :id, :agent, :word, 0.42, 35, 1, :at)",
    "INSERT INTO scores (tenant_id, id, source, name, value, agent_id, at) "
    "VALUES (:tenant, :id, 'evaluation', :word, 0.9, :agent, :at)",
    "INSERT INTO request_counts (tenant_id, day, requests) VALUES (:tenant, :at, 1234)",
    "INSERT INTO tenant_quotas (tenant_id, resource, limit_amount) VALUES (:tenant, 'agents', 10)",
    "INSERT INTO outages (tenant_id, what, began_at) VALUES (:tenant, :word, :at)",
    "INSERT INTO touched (tenant_id, agent_ids, kinds) VALUES (:tenant, ARRAY[CAST(:agent AS uuid)], '{1}')",
)  # fmt: skip
_PLATFORM = (
    "INSERT INTO leases (name, holder, expires_at) VALUES ('alerts', 'somebody', now() + interval '1 minute') "
    "ON CONFLICT (name) DO NOTHING",
    "INSERT INTO rollup_progress (level, until) VALUES ('hour', now() - interval '2 hours') ON CONFLICT DO NOTHING",
)


async def fill(db: Database, fleet: Fleet, word: str = "word") -> None:
    """A row or two of each kind, ten minutes into the span, of the agent akira-001; `word` is in every text."""
    tenant, agent = fleet.grafana.tenant.id, fleet.agents["akira-001"]
    at = fleet.start + 10 * MINUTE
    given: dict[str, Any] = {
        "tenant": tenant, "agent": agent, "other": fleet.agents["shop"], "at": at, "later": at + timedelta(minutes=2),
        "hour": fleet.start, "id": uuid7(at), "second": uuid7(at), "word": word,
    }  # fmt: skip
    tools = [{**given, "id": uuid7(at), "status": status, "code": code}
             for status, code in (("success", None), ("error", "E42"), ("timeout", None))]  # fmt: skip
    async with db.owner() as owner:
        for statement in (*_ROWS, *_PLATFORM):
            known = {name: value for name, value in given.items() if f":{name}" in statement}
            await owner.execute(text(statement.replace('": ', '"\\: ')), known)
        await owner.execute(text(_TOOL), tools)
