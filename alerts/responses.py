"""What people do with alerts: list them, read their timeline, acknowledge, snooze, resolve by hand, comment.

Each response is in the alert's timeline and in the audit trail, whichever way it came.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Select, and_, case, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.closing import close_episodes
from alerts.core.condition import ConditionError
from alerts.core.policy import ACK_LASTS
from alerts.core.rule import DEFAULT_REPEAT
from alerts.core.state import resolve_by_hand
from alerts.core.vocabulary import Action, AlertStatus, CloseReason
from alerts.core.wording import moment
from alerts.edits import queue_edits
from alerts.episode import Episode, episode_of
from alerts.offers import SNOOZE_LASTS
from alerts.outbox import TimelineEntry, insert_events
from alerts.rules import parse_stored
from alerts.store import lock_states, save_states, update_alerts
from alerts.tables import Alert, AlertConfig, AlertEvent
from alerts.targets import TargetKey
from monitor.agents.tables import Agent
from monitor.errors import Conflict, NotFound
from monitor.http.deps import Audit
from monitor.identity.store import get_tenant
from monitor.principal import Principal, Scope, TenantStatus

_ACKNOWLEDGE = text("""
    UPDATE alerts SET acknowledged_at = :now, acknowledged_by = :actor, acknowledged_until = :until
    WHERE tenant_id = :tenant_id AND id = :id
""")
_SNOOZE = text("""
    UPDATE alerts SET snoozed_until = :until, snoozed_by = :actor WHERE tenant_id = :tenant_id AND id = :id
""")

# Of one moment: what happened, what was said of it, what people said to that.
_RESPONSES = ("acknowledged", "snoozed", "snooze ended", "comment")
_RANK = case((AlertEvent.kind.in_(["notified", "withheld"]), 1), (AlertEvent.kind.in_(_RESPONSES), 2), else_=0)


async def list_alerts(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    limit: int,
    before: UUID | None,
    status: AlertStatus | None = None,
    agent_id: UUID | None = None,
    config_id: UUID | None = None,
    where: Sequence[ColumnElement[bool]] = (),
) -> Sequence[Any]:
    """Up to `limit + 1` alerts, newest first. `where`: more conditions on the alert and on its agent."""
    query: Select[Any] = _select(tenant_id).where(*where).order_by(Alert.id.desc()).limit(limit + 1)
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


@dataclass(frozen=True, slots=True)
class By:
    """Who responds, and when; with what records it and the address of links in what is told of it."""

    principal: Principal
    now: datetime
    audit: Audit
    public_url: str


async def comment(connection: AsyncConnection, by: By, alert_id: UUID, said: str) -> None:
    """Add a comment to an alert's timeline, also after its end. Raises NotFound."""
    await get_alert(connection, by.principal.tenant_id, alert_id)
    await _record(connection, by, alert_id, "comment", {"comment": said})
    await _audit(connection, by, alert_id, "alert.commented", new={"comment": said})


async def acknowledge(
    connection: AsyncConnection, by: By, alert_id: UUID, *, until: datetime | None = None, said: str | None = None
) -> None:
    """Stop repeats and escalation until `until` (24 hours from now unless said), or until the severity rises.

    What is acknowledged already stays as it is, by whom it was, unless something is said. Raises NotFound, and
    Conflict for an alert that has ended.
    """
    if until is not None and until <= by.now:
        raise Conflict("the acknowledgement would have ended already")
    episode = await _lock_open(connection, by.principal.tenant_id, alert_id)
    before = episode.acknowledgement
    if said is None and before is not None and before.holds(by.now, episode.severity) and until in (None, before.until):
        return
    until = until or by.now + ACK_LASTS
    status, episode.status = episode.status, AlertStatus.ACKNOWLEDGED
    episode.details["acknowledged_severity"] = str(episode.severity)
    await update_alerts(connection, [episode])
    await connection.execute(_ACKNOWLEDGE, _given(by, alert_id) | {"until": until})
    details = {"until": until.isoformat()} | ({"comment": said} if said else {})
    await _record(connection, by, alert_id, "acknowledged", details)
    old, new = {"status": str(status)}, {"status": str(episode.status), **details}
    await _audit(connection, by, alert_id, "alert.acknowledged", old=old, new=new)
    await _edit(connection, by, alert_id, f"{by.principal.actor} acknowledged it until {moment(until)}")


async def snooze(
    connection: AsyncConnection, by: By, alert_id: UUID, *, until: datetime | None, said: str | None = None
) -> None:
    """Withhold all messages about an alert until then; None ends a snooze now. Whoever heard hears again after it.

    Raises NotFound, and Conflict for an alert that has ended or a time that has passed.
    """
    if until is not None and until <= by.now:
        raise Conflict("the snooze would have ended already")
    episode = await _lock_open(connection, by.principal.tenant_id, alert_id)
    before = episode.snoozed_until
    snoozed = before is not None and by.now < before
    if said is None and (until == before if until is not None else not snoozed):
        return
    await connection.execute(_SNOOZE, _given(by, alert_id) | {"until": until or by.now})
    details = ({"until": until.isoformat()} if until else {}) | ({"comment": said} if said else {})
    await _record(connection, by, alert_id, "snoozed" if until else "snooze ended", details)
    old, new = {"snoozed_until": before.isoformat() if before and snoozed else None}, {"snoozed_until": None, **details}
    new |= {"snoozed_until": new.pop("until", None)}
    await _audit(connection, by, alert_id, "alert.snoozed" if until else "alert.snooze_ended", old=old, new=new)
    what = f"snoozed it until {moment(until)}" if until else "ended its snooze"
    await _edit(connection, by, alert_id, f"{by.principal.actor} {what}")


async def resolve(connection: AsyncConnection, by: By, alert_id: UUID, *, said: str | None = None) -> None:
    """Close an alert by hand. It opens again after one OK, or when it is still breached after the rule's `repeat`.

    Raises NotFound, and Conflict for an alert that has ended.
    """
    tenant_id = by.principal.tenant_id
    row = await get_alert(connection, tenant_id, alert_id)
    # The state first, then the alert: the order in which the tick locks them.
    if row.config_id is not None and row.agent_id is not None:
        key = TargetKey(tenant_id, row.config_id, row.agent_id)
        repeat = await _repeat_of(connection, key)
        for state in (await lock_states(connection, [key])).get(key, []):
            if state.alert_id == alert_id:
                closed, _ = resolve_by_hand(state.state, by.now, repeat=repeat)
                await save_states(connection, [replace(state, state=closed, alert_id=None)], now=by.now)
    episode = await _lock_open(connection, tenant_id, alert_id)
    status = episode.status
    if said:
        await _record(connection, by, alert_id, "comment", {"comment": said})
    ended = [(episode, CloseReason.BY_HAND)]
    await close_episodes(connection, ended, actor=by.principal.actor, now=by.now, public_url=by.public_url)
    new = {"status": str(episode.status)} | ({"comment": said} if said else {})
    await _audit(connection, by, alert_id, "alert.resolved", old={"status": str(status)}, new=new)


async def reached(connection: AsyncConnection, tenant_id: UUID, actor: str) -> Principal:
    """Who acts on a message that reached them: they may respond to alerts, while the tenant is active.

    Raises NotFound.
    """
    status = TenantStatus((await get_tenant(connection, tenant_id)).status)
    if status is TenantStatus.DELETED:
        raise NotFound("the tenant is gone")
    return Principal(tenant_id=tenant_id, tenant_status=status, scopes=frozenset({Scope.ALERTS}), reached=actor)


async def take(connection: AsyncConnection, by: By, alert_id: UUID, action: Action) -> None:
    """Do what a button or a link offers: an acknowledgement of 24 h, a snooze of an hour, the end by hand.

    Raises as these do.
    """
    match action:
        case Action.ACKNOWLEDGE:
            await acknowledge(connection, by, alert_id)
        case Action.SNOOZE:
            await snooze(connection, by, alert_id, until=by.now + SNOOZE_LASTS)
        case Action.RESOLVE:
            await resolve(connection, by, alert_id)


def _given(by: By, alert_id: UUID) -> dict[str, Any]:
    return {"tenant_id": by.principal.tenant_id, "id": alert_id, "actor": by.principal.actor, "now": by.now}


async def _record(connection: AsyncConnection, by: By, alert_id: UUID, kind: str, details: dict[str, Any]) -> None:
    entry = TimelineEntry(by.principal.tenant_id, alert_id, kind, details, by.principal.actor)
    await insert_events(connection, [entry], now=by.now)


async def _audit(
    connection: AsyncConnection,
    by: By,
    alert_id: UUID,
    action: str,
    *,
    new: dict[str, Any],
    old: dict[str, Any] | None = None,
) -> None:
    await by.audit(connection, by.principal, action, resource=("alert", str(alert_id)), old=old, new=new)


async def _edit(connection: AsyncConnection, by: By, alert_id: UUID, why: str) -> None:
    tenant_id = by.principal.tenant_id
    await queue_edits(connection, tenant_id, alert_id, why=why, now=by.now, public_url=by.public_url)


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
