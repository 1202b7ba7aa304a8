"""Ending episodes for another reason than recovery: the rule or the agent is gone or another, or a person says so."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.vocabulary import AlertStatus, CloseReason
from alerts.episode import Episode, episode_of
from alerts.outbox import TimelineEntry, insert_events, queue
from alerts.store import update_alerts
from alerts.targets import Dropped
from alerts.telling import tell_closed

# States first, then alerts: the order in which the tick locks them.
_FORGET_RULE = text("DELETE FROM alert_states WHERE tenant_id = :tenant_id AND config_id = :config_id")
_OPEN_OF_RULE = text("""
    SELECT * FROM alerts WHERE tenant_id = :tenant_id AND config_id = :config_id AND resolved_at IS NULL
    ORDER BY id FOR UPDATE
""")
_FORGET_TARGETS = text("""
    DELETE FROM alert_states s
    USING unnest(CAST(:tenants AS uuid[]), CAST(:rules AS uuid[]), CAST(:agents AS uuid[]))
        AS gone (tenant_id, config_id, agent_id)
    WHERE s.tenant_id = gone.tenant_id AND s.config_id = gone.config_id AND s.agent_id = gone.agent_id
""")
_OPEN_OF_TARGETS = text("""
    SELECT a.*
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:rules AS uuid[]), CAST(:agents AS uuid[]))
        AS gone (tenant_id, config_id, agent_id)
    JOIN alerts a ON a.tenant_id = gone.tenant_id AND a.config_id = gone.config_id AND a.agent_id = gone.agent_id
    WHERE a.resolved_at IS NULL
    ORDER BY a.tenant_id, a.id
    FOR UPDATE OF a
""")


async def close_rule(
    connection: AsyncConnection,
    tenant_id: UUID,
    config_id: UUID,
    reason: CloseReason,
    *,
    actor: str,
    now: datetime,
    public_url: str,
) -> int:
    """Close all alerts of a rule and forget its states; returns how many were open. The rule is locked already."""
    given = {"tenant_id": tenant_id, "config_id": config_id}
    await connection.execute(_FORGET_RULE, given)
    episodes = [episode_of(row) for row in await connection.execute(_OPEN_OF_RULE, given)]
    return await close_episodes(
        connection, [(one, reason) for one in episodes], actor=actor, now=now, public_url=public_url
    )


async def close_targets(
    connection: AsyncConnection, dropped: Sequence[Dropped], *, now: datetime, public_url: str
) -> int:
    """Close the alerts of targets that are no more; returns how many were open."""
    if not dropped:
        return 0
    given = {
        "tenants": [one.key.tenant_id for one in dropped],
        "rules": [one.key.config_id for one in dropped],
        "agents": [one.key.agent_id for one in dropped],
    }
    await connection.execute(_FORGET_TARGETS, given)
    reasons = {one.key: one.reason for one in dropped}
    by_target = {(key.tenant_id, key.config_id, key.agent_id): reason for key, reason in reasons.items()}
    ended = []
    for row in await connection.execute(_OPEN_OF_TARGETS, given):
        ended.append((episode_of(row), by_target[row.tenant_id, row.config_id, row.agent_id]))
    return await close_episodes(connection, ended, actor="system", now=now, public_url=public_url)


async def close_episodes(
    connection: AsyncConnection,
    ended: Sequence[tuple[Episode, CloseReason]],
    *,
    actor: str,
    now: datetime,
    public_url: str,
) -> int:
    """End locked episodes, add to their timelines, and tell whoever heard them fire; returns how many."""
    events = []
    for episode, reason in ended:
        episode.status, episode.resolved_at, episode.reason = AlertStatus.RESOLVED, now, str(reason)
        if reason is CloseReason.BY_HAND:
            episode.details["closed_by"] = actor
        events.append(TimelineEntry(episode.tenant_id, episode.id, "closed", {"reason": str(reason)}, actor))
    await update_alerts(connection, [episode for episode, _ in ended])
    await insert_events(connection, events, now=now)
    tellings = [telling for episode, _ in ended for telling in tell_closed(episode, now=now)]
    await queue(connection, tellings, now=now, public_url=public_url)
    return len(ended)
