"""What the pages read: alerts with their agents and rules, timelines, messages, the latest runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.tables import Alert, AlertConfig, Notification, NotificationGroup
from monitor.agents.tables import Agent
from monitor.errors import NotFound
from monitor.ids import uuid7_floor


@dataclass(frozen=True, slots=True)
class AlertView:
    """One episode as a page shows it. `summary` is what was read against what."""

    id: UUID
    rule: str
    agent: str | None
    severity: str
    status: str
    labels: Mapping[str, str]
    value: float | None
    triggered_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    reason: str | None
    details: Mapping[str, Any]
    runbook: str | None
    owner: str | None

    @property
    def summary(self) -> str:
        """Why it fired, in words."""
        return str(self.details.get("summary") or "")

    @property
    def last_message(self) -> str | None:
        """The last error text of the agent when it fired."""
        return self.details.get("last_message")


@dataclass(frozen=True, slots=True)
class OpenAlerts:
    """How many alerts are not resolved, how many of them are critical, and since when the oldest is open."""

    total: int
    critical: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message as the outbox keeps it: `payload` is all alerts of its group, `alert_ids` those it was sent for."""

    id: UUID
    at: datetime
    channel: str
    target: str
    reason: str
    why: str
    status: str
    attempts: int
    last_error: str | None
    sent_at: datetime | None
    payload: Sequence[Mapping[str, Any]]
    alert_ids: Sequence[UUID]

    @property
    def lines(self) -> list[Mapping[str, Any]]:
        """The alerts that it was sent for; the whole group, where it does not name them."""
        wanted = {str(alert_id) for alert_id in self.alert_ids}
        return [line for line in self.payload if line.get("alert_id") in wanted] or list(self.payload)


@dataclass(frozen=True, slots=True)
class RunView:
    """One execution: its outcome and how long it took, in milliseconds."""

    status: str
    duration: int | None


_SEVERITY = case((Alert.severity == "critical", 0), (Alert.severity == "warning", 1), else_=2)
_RUNS = text("""
    SELECT a.id, r.status, r.duration
    FROM unnest(CAST(:agents AS uuid[])) AS a (id)
    CROSS JOIN LATERAL (
        SELECT l.id, l.status, l.duration FROM agent_logs l
        WHERE l.tenant_id = :tenant AND l.agent_id = a.id AND l.id >= :since AND l.kind = 'execution'
        ORDER BY l.id DESC LIMIT :count
    ) r
    ORDER BY a.id, r.id
""")


def _alerts(tenant_id: UUID) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Alert.id, Alert.rule, Agent.external_id.label("agent"), Alert.severity, Alert.status, Alert.labels,
            Alert.value, Alert.triggered_at, Alert.acknowledged_at, Alert.acknowledged_by, Alert.resolved_at,
            Alert.reason, Alert.details, AlertConfig.runbook, AlertConfig.owner,
        )
        .outerjoin(Agent, and_(Agent.tenant_id == Alert.tenant_id, Agent.id == Alert.agent_id))
        .outerjoin(AlertConfig, and_(AlertConfig.tenant_id == Alert.tenant_id, AlertConfig.id == Alert.config_id))
        .where(Alert.tenant_id == tenant_id)
    )  # fmt: skip


async def list_open(connection: AsyncConnection, tenant_id: UUID, *, limit: int) -> list[AlertView]:
    """Alerts that are not resolved, the most urgent and then the newest first."""
    query = _alerts(tenant_id).where(Alert.status != "resolved").order_by(_SEVERITY, Alert.triggered_at.desc())
    return [AlertView(*row) for row in await connection.execute(query.limit(limit))]


async def count_open(connection: AsyncConnection, tenant_id: UUID) -> OpenAlerts:
    """All alerts that are not resolved, in numbers."""
    critical = func.count().filter(Alert.severity == "critical")
    query = select(func.count(), critical, func.min(Alert.triggered_at))
    found = await connection.execute(query.where(Alert.tenant_id == tenant_id, Alert.status != "resolved"))
    return OpenAlerts(*found.one())


async def count_by_agent(connection: AsyncConnection, tenant_id: UUID, agents: Sequence[UUID]) -> dict[UUID, int]:
    """How many alerts of each of these agents are not resolved; those that have none are left out."""
    query = select(Alert.agent_id, func.count()).group_by(Alert.agent_id)
    open_ = query.where(
        Alert.tenant_id == tenant_id, Alert.agent_id == func.any(list(agents)), Alert.status != "resolved"
    )
    return {agent_id: count for agent_id, count in await connection.execute(open_) if agent_id is not None}


async def list_resolved(
    connection: AsyncConnection, tenant_id: UUID, *, since: datetime, limit: int
) -> list[AlertView]:
    """Alerts that were resolved after `since`, the latest first."""
    query = (
        _alerts(tenant_id)
        .where(Alert.status == "resolved", Alert.resolved_at > since)
        .order_by(Alert.resolved_at.desc())
        .limit(limit)
    )
    return [AlertView(*row) for row in await connection.execute(query)]


async def get_alert(connection: AsyncConnection, tenant_id: UUID, alert_id: UUID) -> AlertView:
    """One alert. Raises NotFound."""
    row = (await connection.execute(_alerts(tenant_id).where(Alert.id == alert_id))).one_or_none()
    if row is None:
        raise NotFound("there is no such alert")
    return AlertView(*row)


async def list_messages(
    connection: AsyncConnection, tenant_id: UUID, *, limit: int, alert_id: UUID | None = None, reason: str | None = None
) -> list[MessageView]:
    """The latest messages, the newest first; of one alert or one reason, where it is given."""
    query: Select[*tuple[Any, ...]] = (
        select(
            Notification.id, Notification.created_at, Notification.channel, Notification.target, Notification.reason,
            Notification.why, Notification.status, Notification.attempts, Notification.last_error,
            Notification.sent_at, Notification.payload, Notification.alert_ids,
        )
        .where(Notification.tenant_id == tenant_id)
        .order_by(Notification.id.desc())
        .limit(limit)
    )  # fmt: skip
    if reason is not None:
        query = query.where(Notification.reason == reason)
    if alert_id is not None:
        # By their groups, of which there is an index by alert.
        groups = select(NotificationGroup.id).where(
            NotificationGroup.tenant_id == tenant_id, NotificationGroup.alert_ids.contains([alert_id])
        )
        query = query.where(Notification.group_id.in_(groups), Notification.alert_ids.contains([alert_id]))
    return [MessageView(*row) for row in await connection.execute(query)]


async def list_runs(
    connection: AsyncConnection, tenant_id: UUID, agents: Sequence[UUID], *, since: datetime, count: int
) -> dict[UUID, list[RunView]]:
    """Up to `count` of the latest executions of each agent since a time, the oldest first."""
    values = {"tenant": tenant_id, "agents": list(agents), "since": uuid7_floor(since), "count": count}
    found: dict[UUID, list[RunView]] = {}
    for agent_id, status, duration in await connection.execute(_RUNS, values):
        found.setdefault(agent_id, []).append(RunView(status, duration))
    return found
