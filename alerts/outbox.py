"""The outbox: what a transaction has to tell, worded and written beside the change that caused it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.grouping import Telling
from alerts.core.message import AlertLine
from alerts.core.targets import Target
from alerts.core.vocabulary import Reason
from alerts.episode import Episode
from alerts.heard import Told, told_to_json
from alerts.lines import read_lines
from alerts.outgoings import Outgoings, Queued, prepare
from alerts.paces import Muted
from alerts.timelines import TimelineEntry, insert_events
from monitor import arrays
from monitor.ids import uuid7

__all__ = ["Muted", "Telling", "TimelineEntry", "insert_events", "prepare", "queue", "queue_copy", "remember", "send"]

_INSERT_GROUPS = text("""
    INSERT INTO notification_groups (tenant_id, id, channel, target, secret, alert_ids, created_at)
    SELECT t, i, c, a, s, ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(m::jsonb) AS x), :now
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:channels AS text[]),
                CAST(:targets AS text[]), CAST(:secrets AS text[]), CAST(:members AS text[])) AS g (t, i, c, a, s, m)
""")
_JOIN_GROUPS = text("""
    UPDATE notification_groups g
    SET alert_ids = g.alert_ids || ARRAY(
        SELECT x::uuid FROM jsonb_array_elements_text(j.members::jsonb) AS x WHERE x::uuid <> ALL (g.alert_ids))
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:members AS text[])) AS j (tenant_id, id, members)
    WHERE g.tenant_id = j.tenant_id AND g.id = j.id
    RETURNING g.id, g.alert_ids
""")
_INSERT_NOTIFICATIONS = text("""
    INSERT INTO notifications (tenant_id, id, group_id, channel, target, reason, why, alert_ids, payload,
                               next_attempt_at, created_at)
    SELECT t, i, g, c, a, r, w, ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(m::jsonb) AS x), p::jsonb,
           :now, :now
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:groups AS uuid[]), CAST(:channels AS text[]),
                CAST(:targets AS text[]), CAST(:reasons AS text[]), CAST(:whys AS text[]), CAST(:members AS text[]),
                CAST(:payloads AS text[])) AS n (t, i, g, c, a, r, w, m, p)
""")
_REMEMBER = text("""
    UPDATE alerts a
    SET heard = CASE WHEN a.heard = '[]' THEN '[]' ELSE coalesce((
            SELECT jsonb_agg(old.entry) FROM jsonb_array_elements(a.heard) AS old (entry)
            WHERE NOT EXISTS (
                SELECT 1 FROM jsonb_array_elements(told.entries::jsonb) AS new (entry)
                WHERE new.entry->>'tenant' = old.entry->>'tenant' AND new.entry->>'channel' = old.entry->>'channel'
                  AND new.entry->>'target' = old.entry->>'target')
        ), '[]'::jsonb) END || told.entries::jsonb,
        last_notified_at = :now
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:entries AS text[]))
        AS told (tenant_id, id, entries)
    WHERE a.tenant_id = told.tenant_id AND a.id = told.id
""")
_REMIND = text("""
    UPDATE alerts a
    SET heard = (
        SELECT jsonb_agg(CASE
            WHEN old.entry->>'tenant' = l.of AND old.entry->>'channel' = l.channel AND old.entry->>'target' = l.target
            THEN old.entry || jsonb_build_object('at', l.at) ELSE old.entry END ORDER BY old.place)
        FROM jsonb_array_elements(a.heard) WITH ORDINALITY AS old (entry, place))
    FROM (
        SELECT x.tenant_id, x.id, told.of, told.channel, told.target, told.at
        FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:of AS text[]), CAST(:channels AS text[]),
                    CAST(:targets AS text[]), CAST(:at AS text[])) AS told (tenant_id, id, of, channel, target, at)
        JOIN alerts x ON x.tenant_id = told.tenant_id AND x.id = told.id
        WHERE x.resolved_at IS NULL AND x.heard <> '[]'
        FOR UPDATE OF x SKIP LOCKED) AS l
    WHERE a.tenant_id = l.tenant_id AND a.id = l.id
""")


async def queue(
    connection: AsyncConnection,
    tellings: Sequence[Telling],
    *,
    now: datetime,
    public_url: str,
    muted: Sequence[Muted] = (),
    due_of: Iterable[UUID] = (),
) -> int:
    """`prepare` and `send` in one, where all alerts are stored already; returns how many messages go out."""
    prepared = await prepare(connection, tellings, now=now, muted=muted, due_of=due_of)
    await insert_events(connection, prepared.events, now=now)
    return await send(connection, prepared, now=now, public_url=public_url)


async def send(
    connection: AsyncConnection,
    prepared: Outgoings,
    *,
    now: datetime,
    public_url: str,
    opened: Iterable[Episode] = (),
) -> int:
    """Write one notification for each message; returns how many. Commits with the caller, who writes the timelines.

    What a message says is fixed here: all alerts of its group as they stand now. Each alert remembers who was told;
    those in `opened` were stored with that.
    """
    queued, homes = prepared.queued, prepared.homes
    if not queued:
        return 0
    await _insert_groups(connection, [one for one in queued if one.message.new], now)
    members = await _members(connection, queued)
    wanted = {
        # A group is all of its own tenant's alerts or all of the platform's: any member tells which.
        (homes[one.told[0]], alert_id)
        for one in queued
        for alert_id in members[one.message.group_id]
    }
    lines = await read_lines(connection, list(wanted), public_url=public_url)
    await _insert_notifications(connection, queued, members, lines, now)
    stored = {one.id for one in opened}
    await _remember(connection, {one: told for one, told in prepared.heard.items() if one not in stored}, homes, now)
    await _remind(connection, queued)
    return len(queued)


async def _insert_groups(connection: AsyncConnection, queued: Sequence[Queued], now: datetime) -> None:
    if queued:
        await connection.execute(
            _INSERT_GROUPS,
            {
                "now": now,
                "tenants": arrays.uuids([one.tenant_id for one in queued]),
                "ids": arrays.uuids([one.message.group_id for one in queued]),
                "channels": arrays.texts([one.target.kind for one in queued]),
                "targets": arrays.texts([one.target.address for one in queued]),
                "secrets": arrays.texts([one.target.secret for one in queued]),
                "members": arrays.jsons(one.told for one in queued),
            },
        )


async def _members(connection: AsyncConnection, queued: Sequence[Queued]) -> Mapping[UUID, Sequence[UUID]]:
    """All alerts of each message's group. What joins an earlier one is added to it."""
    members: dict[UUID, Sequence[UUID]] = {one.message.group_id: one.told for one in queued}
    old = [one for one in queued if not one.message.new]
    if old:
        given = {
            "tenants": arrays.uuids([one.tenant_id for one in old]),
            "ids": arrays.uuids([one.message.group_id for one in old]),
            "members": arrays.jsons(one.told for one in old),
        }
        members |= {row.id: row.alert_ids for row in await connection.execute(_JOIN_GROUPS, given)}
    return members


async def _insert_notifications(
    connection: AsyncConnection,
    queued: Sequence[Queued],
    members: Mapping[UUID, Sequence[UUID]],
    lines: Mapping[UUID, AlertLine],
    now: datetime,
) -> None:
    payloads = [[lines[alert_id] for alert_id in members[one.message.group_id] if alert_id in lines] for one in queued]
    await connection.execute(
        _INSERT_NOTIFICATIONS,
        {
            "now": now,
            "tenants": arrays.uuids([one.tenant_id for one in queued]),
            "ids": arrays.uuids([one.id for one in queued]),
            "groups": arrays.uuids([one.message.group_id for one in queued]),
            "channels": arrays.texts([one.target.kind for one in queued]),
            "targets": arrays.texts([one.target.address for one in queued]),
            "reasons": arrays.texts([one.message.reason for one in queued]),
            "whys": arrays.texts([one.message.why for one in queued]),
            "members": arrays.jsons(one.told for one in queued),
            "payloads": arrays.jsons(payloads),
        },
    )


async def _remember(
    connection: AsyncConnection,
    heard: Mapping[UUID, Sequence[Mapping[str, Any]]],
    homes: Mapping[UUID, UUID],
    now: datetime,
) -> None:
    if heard:
        await connection.execute(
            _REMEMBER,
            {
                "now": now,
                "tenants": arrays.uuids([homes[alert_id] for alert_id in heard]),
                "ids": arrays.uuids(list(heard)),
                "entries": arrays.jsons(heard.values()),
            },
        )


async def _remind(connection: AsyncConnection, queued: Sequence[Queued]) -> None:
    """The other open alerts of a group stand in its message: they count as told again, and repeat together."""
    also = [(one, alert_id) for one in queued for alert_id in sorted(one.message.also)]
    if also:
        await connection.execute(
            _REMIND,
            {
                "tenants": arrays.uuids([one.tenant_id for one, _ in also]),
                "ids": arrays.uuids([alert_id for _, alert_id in also]),
                "of": arrays.texts([str(one.tenant_id) for one, _ in also]),
                "channels": arrays.texts([one.target.kind for one, _ in also]),
                "targets": arrays.texts([one.target.address for one, _ in also]),
                "at": arrays.texts([one.at.isoformat() for one, _ in also]),
            },
        )


async def queue_copy(
    connection: AsyncConnection,
    *,
    tenant_id: UUID,
    target: Target,
    reason: Reason,
    why: str,
    alert_ids: Sequence[UUID],
    payload: Sequence[AlertLine],
    now: datetime,
) -> UUID:
    """Write one notification that says exactly `payload`, as a group of its own; returns that group."""
    row = {"now": now, "tenants": [tenant_id], "channels": [str(target.kind)], "targets": [target.address]}
    members = arrays.jsons([alert_ids])
    group_id = uuid7(now)
    await connection.execute(_INSERT_GROUPS, row | {"ids": [group_id], "secrets": [target.secret], "members": members})
    said = {"reasons": [str(reason)], "whys": [why], "members": members, "payloads": arrays.jsons([payload])}
    await connection.execute(_INSERT_NOTIFICATIONS, row | said | {"ids": [uuid7(now)], "groups": [group_id]})
    return group_id


async def remember(connection: AsyncConnection, told: Sequence[tuple[UUID, UUID, Told]], *, now: datetime) -> None:
    """Record on alerts, as (tenant, alert, record), that a target was told of them."""
    heard: dict[UUID, list[dict[str, Any]]] = {}
    for _, alert, record in told:
        heard.setdefault(alert, []).append(told_to_json(record))
    await _remember(connection, heard, {alert: tenant for tenant, alert, _ in told}, now)
