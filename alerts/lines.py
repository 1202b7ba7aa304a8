"""Alerts as lines of a message: read from their rows, kept as JSON in the outbox, and back."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.message import AlertLine
from alerts.core.vocabulary import AlertStatus, CloseReason, Severity
from monitor import arrays

PLATFORM_AGENT = "agent-monitor"
"""What stands in the place of the agent's name in an alert about this installation itself."""

_READ = text("""
    SELECT a.tenant_id, a.id, a.rule, a.severity, a.labels, a.value, a.triggered_at, a.resolved_at, a.reason,
           a.details, a.status, a.acknowledged_by, a.acknowledged_until, a.snoozed_by, a.snoozed_until,
           g.external_id AS agent, c.runbook, c.owner
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS wanted (tenant_id, id)
    JOIN alerts a ON a.tenant_id = wanted.tenant_id AND a.id = wanted.id
    LEFT JOIN agents g ON g.tenant_id = a.tenant_id AND g.id = a.agent_id
    LEFT JOIN alert_configs c ON c.tenant_id = a.tenant_id AND c.id = a.config_id
""")


async def read_lines(
    connection: AsyncConnection, alerts: Sequence[tuple[UUID, UUID]], *, public_url: str
) -> dict[UUID, AlertLine]:
    """The lines of these (tenant, alert) pairs as they stand now, by the alert's id."""
    if not alerts:
        return {}
    tenants, ids = (arrays.uuids(column) for column in zip(*alerts, strict=True))
    rows = await connection.execute(_READ, {"tenants": tenants, "ids": ids})
    return {row.id: _of_row(row, public_url) for row in rows}


def _of_row(row: Any, public_url: str) -> AlertLine:
    details: Mapping[str, Any] = row.details
    acknowledged = row.status == AlertStatus.ACKNOWLEDGED
    return AlertLine(
        alert_id=row.id,
        rule=row.rule,
        agent=row.agent or details.get("source") or PLATFORM_AGENT,
        severity=Severity(row.severity),
        summary=details.get("summary", ""),
        since=row.triggered_at,
        url=f"{public_url.rstrip('/')}/alerts/{row.id}",
        labels=row.labels,
        value=row.value,
        threshold=details.get("threshold"),
        resolved_at=row.resolved_at,
        close_reason=CloseReason(row.reason) if row.reason else None,
        last_message=details.get("last_message"),
        runbook=row.runbook or details.get("runbook"),
        owner=row.owner,
        silent=details.get("stale_since") is not None,
        acknowledged=row.status == AlertStatus.ACKNOWLEDGED,
        tenant_id=row.tenant_id,
        closed_by=details.get("closed_by"),
        acknowledged_by=row.acknowledged_by if acknowledged else None,
        acknowledged_until=row.acknowledged_until if acknowledged else None,
        snoozed_by=row.snoozed_by,
        snoozed_until=row.snoozed_until,
    )


def line_from_json(raw: Mapping[str, Any]) -> AlertLine:
    """The line that a payload holds; msgspec writes one, without what is not there (`arrays.jsons`)."""
    return msgspec.convert(raw, AlertLine)
