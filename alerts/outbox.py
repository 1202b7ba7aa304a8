"""The outbox: what a transaction has to tell, paced, grouped and worded, written beside the change that caused it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.grouping import Telling
from alerts.core.message import AlertLine
from alerts.core.pace import Held, Outgoing
from alerts.core.targets import Target
from alerts.core.vocabulary import Reason
from alerts.heard import Told, told_to_json
from alerts.lines import line_to_json, read_lines
from alerts.paces import Addressed, Muted, step_paces
from alerts.timelines import TimelineEntry, insert_events
from alerts.unsent import cancel
from monitor import arrays
from monitor.ids import uuid7

__all__ = ["Muted", "Telling", "TimelineEntry", "insert_events", "queue", "queue_copy", "remember"]

_AFTER = timedelta(microseconds=1)

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


@dataclass(frozen=True, slots=True)
class _Queued:
    """One message on its way into the table."""

    tenant_id: UUID
    target: Target
    message: Outgoing
    id: UUID
    at: datetime
    told: list[UUID]
    """The alerts that it tells of, each once."""


async def queue(
    connection: AsyncConnection,
    tellings: Sequence[Telling],
    *,
    now: datetime,
    public_url: str,
    muted: Sequence[Muted] = (),
    due_of: Iterable[UUID] = (),
) -> int:
    """Write one notification for each message that goes out now; returns how many. Commits with the caller.

    What is to be told goes the way of its target's pace (`alerts.paces`): it goes out, joins what is held back, or
    is held back itself, which its timeline says; what was held back for tenants in `due_of` is told when its time
    has come. What a message says is fixed here: all alerts of its group as they stand now. Each alert remembers who
    was told, and its timeline says so. `muted`: what is withheld now, and so is no longer owed.
    """
    due = sorted(set(due_of))
    if not tellings and not due:
        return 0
    going, held = await step_paces(connection, tellings, muted, now=now, due_of=due)
    await insert_events(connection, [_held_back(one) for one in held], now=now)
    queued = [_queued(one, now) for one in await cancel(connection, going, now=now)]
    if not queued:
        return 0
    homes = {one.notice.alert_id: one.home for each in queued for one in each.message.tellings}
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
    await _remember(connection, queued, homes, now)
    await _remind(connection, queued)
    return len(queued)


def _queued(going: Addressed, now: datetime) -> _Queued:
    after = [one.after + _AFTER for one in going.message.tellings if one.after is not None]
    at = max([now, *after])
    told = list(dict.fromkeys(one.notice.alert_id for one in going.message.tellings))
    return _Queued(going.tenant_id, going.target, going.message, uuid7(at), at, told)


def _held_back(held: Held) -> TimelineEntry:
    notice = held.telling.notice
    details = {
        "by": str(held.by),
        "reason": str(notice.reason),
        "channel": str(notice.target.kind),
        "target": notice.target.address,
        "until": held.until.isoformat(),
    }
    return TimelineEntry(held.telling.home, notice.alert_id, "withheld", details)


async def _insert_groups(connection: AsyncConnection, queued: Sequence[_Queued], now: datetime) -> None:
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


async def _members(connection: AsyncConnection, queued: Sequence[_Queued]) -> Mapping[UUID, Sequence[UUID]]:
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
    queued: Sequence[_Queued],
    members: Mapping[UUID, Sequence[UUID]],
    lines: Mapping[UUID, AlertLine],
    now: datetime,
) -> None:
    payloads = [
        [line_to_json(lines[alert_id]) for alert_id in members[one.message.group_id] if alert_id in lines]
        for one in queued
    ]
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
    connection: AsyncConnection, queued: Sequence[_Queued], homes: Mapping[UUID, UUID], now: datetime
) -> None:
    told: dict[UUID, list[dict[str, Any]]] = {}
    events = []
    for one in queued:
        said = {"channel": one.target.kind, "target": one.target.address, "notification_id": one.id}
        for notice in (telling.notice for telling in one.message.tellings):
            record = Told(one.tenant_id, one.target, one.at, notice.reason, one.message.group_id)
            told.setdefault(notice.alert_id, []).append(told_to_json(record))
            details = {**said, "reason": notice.reason}
            events.append(TimelineEntry(homes[notice.alert_id], notice.alert_id, "notified", details))
    await connection.execute(
        _REMEMBER,
        {
            "now": now,
            "tenants": arrays.uuids([homes[alert_id] for alert_id in told]),
            "ids": arrays.uuids(list(told)),
            "entries": arrays.jsons(told.values()),
        },
    )
    await insert_events(connection, events, now=now)


async def _remind(connection: AsyncConnection, queued: Sequence[_Queued]) -> None:
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
    payload: Sequence[dict[str, Any]],
    now: datetime,
) -> UUID:
    """Write one notification that says exactly `payload` (lines as JSON), as a group of its own; returns that group."""
    row = {"now": now, "tenants": [tenant_id], "channels": [str(target.kind)], "targets": [target.address]}
    members = arrays.jsons([alert_ids])
    group_id = uuid7(now)
    await connection.execute(_INSERT_GROUPS, row | {"ids": [group_id], "secrets": [target.secret], "members": members})
    said = {"reasons": [str(reason)], "whys": [why], "members": members, "payloads": arrays.jsons([payload])}
    await connection.execute(_INSERT_NOTIFICATIONS, row | said | {"ids": [uuid7(now)], "groups": [group_id]})
    return group_id


async def remember(connection: AsyncConnection, told: Sequence[tuple[UUID, UUID, Told]], *, now: datetime) -> None:
    """Record on alerts, as (tenant, alert, record), that a target was told of them."""
    if told:
        await connection.execute(
            _REMEMBER,
            {
                "now": now,
                "tenants": [tenant for tenant, _, _ in told],
                "ids": [alert for _, alert, _ in told],
                "entries": arrays.jsons([told_to_json(record)] for _, _, record in told),
            },
        )
