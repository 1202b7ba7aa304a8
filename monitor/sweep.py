"""Removes rows that have had their time and do not go with a partition: answered requests, ids, runs, old alerts.

In small batches, each a transaction of its own, so that nobody waits for long. Open alerts are never removed.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from monitor.db import Database
from monitor.ids import uuid7_floor

BATCH = 5_000
IDEMPOTENCY = timedelta(hours=24)
USED = timedelta(hours=1)
"""What was used is remembered for longer than it is valid: clocks of processes differ."""
ALERTS = timedelta(days=396)
"""Closed alerts and what was sent about them live 13 months."""
USAGE = ALERTS
"""Sums of usage by hour, requests and metrics by day, and what was spent of budgets: as long."""

# Each takes away at most :batch rows older than :before.
_STATEMENTS = {
    "idempotency_keys": """
        DELETE FROM idempotency_keys WHERE (tenant_id, key) IN (
            SELECT tenant_id, key FROM idempotency_keys WHERE created_at < :before LIMIT :batch)
    """,
    "agent_log_ids": """
        DELETE FROM agent_log_ids WHERE (tenant_id, agent_id, external_id) IN (
            SELECT tenant_id, agent_id, external_id FROM agent_log_ids WHERE log_id < :before LIMIT :batch)
    """,
    "scheduled_runs": """
        DELETE FROM scheduled_runs WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM scheduled_runs WHERE due_at < :before LIMIT :batch)
    """,
    "agent_interactions": """
        DELETE FROM agent_interactions WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM agent_interactions WHERE at < :before LIMIT :batch)
    """,
    "workflow_executions": """
        DELETE FROM workflow_executions WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM workflow_executions WHERE created_at < :before LIMIT :batch)
    """,
    "run_names": """
        DELETE FROM run_names WHERE (tenant_id, kind, external_id) IN (
            SELECT tenant_id, kind, external_id FROM run_names WHERE id < :before LIMIT :batch)
    """,
    "traces": """
        DELETE FROM traces WHERE (tenant_id, trace_id) IN (
            SELECT tenant_id, trace_id FROM traces WHERE started_at < :before LIMIT :batch)
    """,
    "usage_hours": """
        DELETE FROM usage_hours WHERE (tenant_id, hour, id) IN (
            SELECT tenant_id, hour, id FROM usage_hours WHERE hour < :before LIMIT :batch)
    """,
    "request_counts": """
        DELETE FROM request_counts WHERE (tenant_id, day) IN (
            SELECT tenant_id, day FROM request_counts WHERE day < :before LIMIT :batch)
    """,
    "cross_region_sync_logs": """
        DELETE FROM cross_region_sync_logs WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM cross_region_sync_logs WHERE completed_at < :before LIMIT :batch)
    """,
    "budget_spending": """
        DELETE FROM budget_spending WHERE (tenant_id, budget_id, period_start, id) IN (
            SELECT tenant_id, budget_id, period_start, id FROM budget_spending
            WHERE period_start < :before LIMIT :batch)
    """,
    "used_tokens": """
        DELETE FROM used_tokens WHERE (tenant_id, digest) IN (
            SELECT tenant_id, digest FROM used_tokens WHERE expires_at < :before LIMIT :batch)
    """,
    "budget_reservations": """
        DELETE FROM budget_reservations WHERE (tenant_id, id, budget_id) IN (
            SELECT tenant_id, id, budget_id FROM budget_reservations WHERE expires_at < :before LIMIT :batch)
    """,
    "alerts": """
        DELETE FROM alerts WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM alerts WHERE resolved_at < :before LIMIT :batch)
    """,
    "notification_groups": """
        DELETE FROM notification_groups WHERE (tenant_id, id) IN (
            SELECT g.tenant_id, g.id FROM notification_groups g
            WHERE g.created_at < :before AND NOT EXISTS (
                SELECT FROM alerts a WHERE a.tenant_id = g.tenant_id AND a.id = ANY (g.alert_ids))
            LIMIT :batch)
    """,
}


async def run_once(db: Database, now: datetime, *, raw_retention: timedelta) -> Mapping[str, int]:
    """Remove what is due, as the owner; returns the number of rows by table."""
    before: dict[str, Any] = {
        "idempotency_keys": now - IDEMPOTENCY,
        "agent_log_ids": uuid7_floor(now - raw_retention),
        "scheduled_runs": now - raw_retention,
        "agent_interactions": now - raw_retention,
        "workflow_executions": now - raw_retention,
        "run_names": uuid7_floor(now - raw_retention),
        "traces": now - raw_retention,
        "usage_hours": now - USAGE,
        "request_counts": now - USAGE,
        "cross_region_sync_logs": now - ALERTS,
        "budget_spending": now - USAGE,
        "used_tokens": now - USED,
        "budget_reservations": now - raw_retention,
        "alerts": now - ALERTS,
        "notification_groups": now - ALERTS,
    }
    return {table: await _sweep(db, statement, before[table]) for table, statement in _STATEMENTS.items()}


async def _sweep(db: Database, statement: str, before: Any) -> int:
    total = 0
    while True:
        async with db.owner() as connection:
            done = await connection.execute(text(statement), {"before": before, "batch": BATCH})
        total += done.rowcount
        if done.rowcount < BATCH:
            return total
