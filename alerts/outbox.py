"""The outbox: what a transaction has to tell, grouped and worded, written beside the change that caused it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.grouping import Notice, NoticeGroup, group
from alerts.core.message import AlertLine
from alerts.core.targets import Target
from alerts.core.vocabulary import Reason
from alerts.heard import Told, told_to_json
from alerts.lines import line_to_json, read_lines
from monitor.ids import uuid7

_STRONGEST = (Reason.FIRST, Reason.ESCALATED, Reason.REPEAT, Reason.RESOLVED, Reason.TEST)
_AFTER = timedelta(microseconds=1)

_INSERT_GROUPS = text("""
    INSERT INTO notification_groups (tenant_id, id, channel, target, secret, alert_ids, created_at)
    SELECT t, i, c, a, s, ARRAY(SELECT x::uuid FROM jsonb_array_elements_text(m::jsonb) AS x), :now
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:channels AS text[]),
                CAST(:targets AS text[]), CAST(:secrets AS text[]), CAST(:members AS text[])) AS g (t, i, c, a, s, m)
""")
_READ_GROUPS = text("""
    SELECT g.id, g.alert_ids
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[])) AS wanted (tenant_id, id)
    JOIN notification_groups g ON g.tenant_id = wanted.tenant_id AND g.id = wanted.id
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
    SET heard = coalesce((
            SELECT jsonb_agg(old.entry) FROM jsonb_array_elements(a.heard) AS old (entry)
            WHERE NOT EXISTS (
                SELECT 1 FROM jsonb_array_elements(told.entries::jsonb) AS new (entry)
                WHERE new.entry->>'tenant' = old.entry->>'tenant' AND new.entry->>'channel' = old.entry->>'channel'
                  AND new.entry->>'target' = old.entry->>'target')
        ), '[]'::jsonb) || told.entries::jsonb,
        last_notified_at = :now
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:entries AS text[]))
        AS told (tenant_id, id, entries)
    WHERE a.tenant_id = told.tenant_id AND a.id = told.id
""")
_INSERT_EVENTS = text("""
    INSERT INTO alert_events (tenant_id, id, alert_id, kind, actor, at, details)
    SELECT t, i, a, k, w, :now, d::jsonb
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:alerts AS uuid[]), CAST(:kinds AS text[]),
                CAST(:actors AS text[]), CAST(:details AS text[])) AS e (t, i, a, k, w, d)
""")


@dataclass(frozen=True, slots=True)
class Telling:
    """A notice with the tenant that the alert belongs to, and one sentence that says why it is sent now.

    `after`: when this target was last told; the message sorts after that one even if clocks differ.
    """

    notice: Notice
    home: UUID
    why: str
    after: datetime | None = None


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of an alert's timeline."""

    tenant_id: UUID
    alert_id: UUID
    kind: str
    details: dict[str, Any]
    actor: str = "system"


@dataclass(frozen=True, slots=True)
class _Queued:
    group: NoticeGroup
    id: UUID
    group_id: UUID
    at: datetime
    reason: Reason
    why: str


async def queue(connection: AsyncConnection, tellings: Sequence[Telling], *, now: datetime, public_url: str) -> int:
    """Write one notification for each group of what is to be told; returns how many. Commits with the caller.

    What a message says is fixed here: all alerts of its group as they stand now. Each alert remembers who was
    told, and its timeline says so.
    """
    if not tellings:
        return 0
    queued = _plan(tellings, now)
    homes = {telling.notice.alert_id: telling.home for telling in tellings}
    await _insert_groups(connection, [one for one in queued if one.group.group_id is None], now)
    members = await _members(connection, queued)
    wanted = {
        # A group is all of its own tenant's alerts or all of the platform's: any member tells which.
        (homes[one.group.notices[0].alert_id], alert_id)
        for one in queued
        for alert_id in members[one.group_id]
    }
    lines = await read_lines(connection, sorted(wanted), public_url=public_url)
    await _insert_notifications(connection, queued, members, lines, now)
    await _remember(connection, queued, homes, now)
    return len(queued)


async def insert_events(connection: AsyncConnection, entries: Sequence[TimelineEntry], *, now: datetime) -> None:
    """Add lines to timelines, in this order."""
    if not entries:
        return
    await connection.execute(
        _INSERT_EVENTS,
        {
            "now": now,
            "tenants": [entry.tenant_id for entry in entries],
            "ids": [uuid7(now + index * _AFTER) for index in range(len(entries))],
            "alerts": [entry.alert_id for entry in entries],
            "kinds": [entry.kind for entry in entries],
            "actors": [entry.actor for entry in entries],
            "details": [json.dumps(entry.details) for entry in entries],
        },
    )


def _plan(tellings: Sequence[Telling], now: datetime) -> list[_Queued]:
    by_notice = {telling.notice: telling for telling in tellings}
    queued = []
    for each in group(by_notice):
        told = [by_notice[notice] for notice in each.notices]
        at = max([now, *(one.after + _AFTER for one in told if one.after is not None)])
        reasons = {notice.reason for notice in each.notices}
        queued.append(
            _Queued(
                group=each,
                id=uuid7(at),
                group_id=each.group_id or uuid7(now),
                at=at,
                reason=next(reason for reason in _STRONGEST if reason in reasons),
                why=_why([one.why for one in told]),
            )
        )
    return queued


def _why(whys: Iterable[str]) -> str:
    different = list(dict.fromkeys(whys))
    more = f"; and {len(different) - 3} more reasons" if len(different) > 3 else ""
    return "; ".join(different[:3]) + more


async def _insert_groups(connection: AsyncConnection, queued: Sequence[_Queued], now: datetime) -> None:
    if queued:
        await connection.execute(
            _INSERT_GROUPS,
            {
                "now": now,
                "tenants": [one.group.tenant_id for one in queued],
                "ids": [one.group_id for one in queued],
                "channels": [str(one.group.target.kind) for one in queued],
                "targets": [one.group.target.address for one in queued],
                "secrets": [one.group.target.secret for one in queued],
                "members": [_ids(_told(one)) for one in queued],
            },
        )


async def _members(connection: AsyncConnection, queued: Sequence[_Queued]) -> dict[UUID, list[UUID]]:
    members = {one.group_id: _told(one) for one in queued}
    old = [one for one in queued if one.group.group_id is not None]
    if old:
        rows = await connection.execute(
            _READ_GROUPS,
            {"tenants": [one.group.tenant_id for one in old], "ids": [one.group_id for one in old]},
        )
        members |= {row.id: list(row.alert_ids) for row in rows}
    return members


async def _insert_notifications(
    connection: AsyncConnection,
    queued: Sequence[_Queued],
    members: dict[UUID, list[UUID]],
    lines: dict[UUID, AlertLine],
    now: datetime,
) -> None:
    payloads = [
        [line_to_json(lines[alert_id]) for alert_id in members[one.group_id] if alert_id in lines] for one in queued
    ]
    await connection.execute(
        _INSERT_NOTIFICATIONS,
        {
            "now": now,
            "tenants": [one.group.tenant_id for one in queued],
            "ids": [one.id for one in queued],
            "groups": [one.group_id for one in queued],
            "channels": [str(one.group.target.kind) for one in queued],
            "targets": [one.group.target.address for one in queued],
            "reasons": [str(one.reason) for one in queued],
            "whys": [one.why for one in queued],
            "members": [_ids(_told(one)) for one in queued],
            "payloads": [json.dumps(payload) for payload in payloads],
        },
    )


async def _remember(
    connection: AsyncConnection, queued: Sequence[_Queued], homes: dict[UUID, UUID], now: datetime
) -> None:
    told: dict[UUID, list[dict[str, str]]] = {}
    events = []
    for one in queued:
        for notice in one.group.notices:
            record = Told(notice.tenant_id, notice.target, one.at, notice.reason, one.group_id)
            told.setdefault(notice.alert_id, []).append(told_to_json(record))
            details = {
                "channel": str(notice.target.kind),
                "target": notice.target.address,
                "reason": str(notice.reason),
                "notification_id": str(one.id),
            }
            events.append(TimelineEntry(homes[notice.alert_id], notice.alert_id, "notified", details))
    await connection.execute(
        _REMEMBER,
        {
            "now": now,
            "tenants": [homes[alert_id] for alert_id in told],
            "ids": list(told),
            "entries": [json.dumps(entries) for entries in told.values()],
        },
    )
    await insert_events(connection, events, now=now)


def _told(one: _Queued) -> list[UUID]:
    return list(dict.fromkeys(notice.alert_id for notice in one.group.notices))


def _ids(members: Iterable[UUID]) -> str:
    return json.dumps([str(member) for member in members])


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
    members = [_ids(alert_ids)]
    group_id = uuid7(now)
    await connection.execute(_INSERT_GROUPS, row | {"ids": [group_id], "secrets": [target.secret], "members": members})
    said = {"reasons": [str(reason)], "whys": [why], "members": members, "payloads": [json.dumps(list(payload))]}
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
                "entries": [json.dumps([told_to_json(record)]) for _, _, record in told],
            },
        )
