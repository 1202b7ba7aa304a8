"""What people do with alerts: list them, read their timeline, acknowledge, resolve by hand, comment."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.closing import close_episodes
from alerts.core.condition import ConditionError
from alerts.core.policy import ACK_LASTS
from alerts.core.rule import DEFAULT_REPEAT
from alerts.core.state import resolve_by_hand
from alerts.core.vocabulary import AlertStatus, CloseReason
from alerts.episode import Episode, episode_of
from alerts.outbox import TimelineEntry, insert_events
from alerts.rules import parse_stored
from alerts.store import lock_states, save_states, update_alerts
from alerts.tables import Alert, AlertConfig, AlertEvent
from alerts.targets import TargetKey
from monitor.agents.tables import Agent
from monitor.errors import Conflict, NotFound

_ACKNOWLEDGE = text("""
    UPDATE alerts SET acknowledged_at = :now, acknowledged_by = :actor, acknowledged_until = :until
    WHERE tenant_id = :tenant_id AND id = :id
""")

# Of one moment: what happened, what was said of it, what people said to that.
_RANK = case(
    (AlertEvent.kind.in_(["notified", "withheld"]), 1), (AlertEvent.kind.in_(["acknowledged", "comment"]), 2), else_=0
)


async def list_alerts(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    limit: int,
    before: UUID | None,
    status: AlertStatus | None = None,
    agent_id: UUID | None = None,
    config_id: UUID | None = None,
) -> Sequence[Any]:
    """Up to `limit + 1` alerts, newest first."""
    query: Select[Any] = _select(tenant_id).order_by(Alert.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Alert.id < before)
    if status is not None:
        query = query.where(Alert.status == str(status))
    if agent_id is not None:
        query = query.where(Alert.agent_id == agent_id)
    if config_id is not None:
        query = query.where(Alert.config_id == config_id)
    rows: Sequence[Any] = (await connection.execute(query)).all()
    return rows


async def get_alert(connection: AsyncConnection, tenant_id: UUID, alert_id: UUID) -> Any:
    """A row of `alerts` with its agent's external id as `agent`. Raises NotFound."""
    row = (await connection.execute(_select(tenant_id).where(Alert.id == alert_id))).first()
    if row is None:
        raise NotFound("there is no such alert")
    return row


async def list_events(connection: AsyncConnection, tenant_id: UUID, alert_id: UUID) -> Sequence[Any]:
    """An alert's timeline, oldest first; of one moment, what happened before what was said of it. Raises NotFound."""
    await get_alert(connection, tenant_id, alert_id)
    query = (
        select(AlertEvent.id, AlertEvent.at, AlertEvent.kind, AlertEvent.actor, AlertEvent.details)
        .where(AlertEvent.tenant_id == tenant_id, AlertEvent.alert_id == alert_id)
        .order_by(AlertEvent.at, _RANK, AlertEvent.id)
    )
    return (await connection.execute(query)).all()


async def comment(
    connection: AsyncConnection, tenant_id: UUID, alert_id: UUID, said: str, *, actor: str, now: datetime
) -> None:
    """Add a comment to an alert's timeline, also after its end. Raises NotFound."""
    await get_alert(connection, tenant_id, alert_id)
    await insert_events(connection, [TimelineEntry(tenant_id, alert_id, "comment", {"comment": said}, actor)], now=now)


async def acknowledge(
    connection: AsyncConnection,
    tenant_id: UUID,
    alert_id: UUID,
    *,
    until: datetime | None,
    said: str | None,
    actor: str,
    now: datetime,
) -> None:
    """Stop repeats and escalation until `until` (24 hours from now unless said), or until the severity rises.

    Raises NotFound, and Conflict for an alert that has ended.
    """
    until = until or now + ACK_LASTS
    if until <= now:
        raise Conflict("the acknowledgement would have ended already")
    episode = await _lock_open(connection, tenant_id, alert_id)
    episode.status = AlertStatus.ACKNOWLEDGED
    episode.details["acknowledged_severity"] = str(episode.severity)
    given = {"tenant_id": tenant_id, "id": alert_id, "actor": actor, "until": until, "now": now}
    await update_alerts(connection, [episode])
    await connection.execute(_ACKNOWLEDGE, given)
    details = {"until": until.isoformat()} | ({"comment": said} if said else {})
    await insert_events(connection, [TimelineEntry(tenant_id, alert_id, "acknowledged", details, actor)], now=now)


async def resolve(
    connection: AsyncConnection,
    tenant_id: UUID,
    alert_id: UUID,
    *,
    said: str | None,
    actor: str,
    now: datetime,
    public_url: str,
) -> None:
    """Close an alert by hand. It opens again after one OK, or when it is still breached after the rule's `repeat`.

    Raises NotFound, and Conflict for an alert that has ended.
    """
    row = await get_alert(connection, tenant_id, alert_id)
    # The state first, then the alert: the order in which the tick locks them.
    if row.config_id is not None and row.agent_id is not None:
        key = TargetKey(tenant_id, row.config_id, row.agent_id)
        repeat = await _repeat_of(connection, key)
        for state in (await lock_states(connection, [key])).get(key, []):
            if state.alert_id == alert_id:
                closed, _ = resolve_by_hand(state.state, now, repeat=repeat)
                await save_states(connection, [replace(state, state=closed, alert_id=None)], now=now)
    episode = await _lock_open(connection, tenant_id, alert_id)
    if said:
        await comment(connection, tenant_id, alert_id, said, actor=actor, now=now)
    await close_episodes(connection, [(episode, CloseReason.BY_HAND)], actor=actor, now=now, public_url=public_url)


async def _lock_open(connection: AsyncConnection, tenant_id: UUID, alert_id: UUID) -> Episode:
    query = select(*Alert.__table__.columns).where(Alert.tenant_id == tenant_id, Alert.id == alert_id)
    row = (await connection.execute(query.with_for_update())).first()
    if row is None:
        raise NotFound("there is no such alert")
    if row.resolved_at is not None:
        raise Conflict("the alert has ended already")
    return episode_of(row)


async def _repeat_of(connection: AsyncConnection, key: TargetKey) -> Any:
    query = select(*AlertConfig.__table__.columns).where(
        AlertConfig.tenant_id == key.tenant_id, AlertConfig.id == key.config_id
    )
    row = (await connection.execute(query)).one()
    try:
        return parse_stored(row).repeat
    except ConditionError:
        # A rule that cannot be read must not keep a person from closing its alert.
        return DEFAULT_REPEAT


def _select(tenant_id: UUID) -> Select[Any]:
    agent = Agent.external_id.label("agent")
    return (
        select(*Alert.__table__.columns, agent)
        .outerjoin(Agent, and_(Agent.tenant_id == Alert.tenant_id, Agent.id == Alert.agent_id))
        .where(Alert.tenant_id == tenant_id)
    )
