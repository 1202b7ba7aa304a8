"""What people do about an alert shows at once where its message can be edited: in Slack, and in PagerDuty."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.json import encode
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.vocabulary import Reason
from alerts.lines import read_lines
from monitor.ids import uuid7, uuid7_time

_AFTER = timedelta(microseconds=1)

# Incoming webhooks cannot edit.
_GROUPS = text("""
    SELECT g.id, g.channel, g.target, g.alert_ids, (
        SELECT n.id FROM notifications n WHERE n.tenant_id = g.tenant_id AND n.group_id = g.id
        ORDER BY n.id DESC LIMIT 1) AS newest
    FROM notification_groups g
    WHERE g.tenant_id = :tenant_id AND g.alert_ids @> ARRAY[CAST(:alert_id AS uuid)]
      AND (g.channel = 'pagerduty' OR g.channel = 'slack' AND g.target NOT LIKE 'http%')
""")
_INSERT = text("""
    INSERT INTO notifications (tenant_id, id, group_id, channel, target, reason, why, alert_ids, payload,
                               next_attempt_at, created_at)
    VALUES (:tenant_id, :id, :group_id, :channel, :target, :reason, :why, ARRAY[CAST(:alert_id AS uuid)],
            CAST(:payload AS jsonb), :now, :now)
""")
# A tick that began before this and ends later must sort what it tells after this: it says more.
_REMEMBER = text("""
    UPDATE alerts SET heard = (
        SELECT coalesce(jsonb_agg(CASE WHEN entry->>'group' = ANY (CAST(:groups AS text[]))
                                       THEN entry || jsonb_build_object('edited', CAST(:at AS text)) ELSE entry END
                                  ORDER BY place), '[]'::jsonb)
        FROM jsonb_array_elements(heard) WITH ORDINALITY AS told (entry, place))
    WHERE tenant_id = :tenant_id AND id = :alert_id
""")


async def queue_edits(
    connection: AsyncConnection, tenant_id: UUID, alert_id: UUID, *, why: str, now: datetime, public_url: str
) -> None:
    """Have the messages about a locked alert edited. Nobody is told anew, and no repeat is put off."""
    given: dict[str, Any] = {"tenant_id": tenant_id, "alert_id": alert_id}
    groups = (await connection.execute(_GROUPS, given)).all()
    if not groups:
        return
    members = sorted({(tenant_id, member) for group in groups for member in group.alert_ids})
    lines = await read_lines(connection, members, public_url=public_url)
    newest = [uuid7_time(group.newest) for group in groups if group.newest is not None]
    at = max([now, *(one + _AFTER for one in newest)])
    said = {"reason": str(Reason.RESPONDED), "why": why, "now": now}
    for group in groups:
        payload = [lines[member] for member in group.alert_ids if member in lines]
        to = {"group_id": group.id, "channel": group.channel, "target": group.target}
        await connection.execute(_INSERT, given | said | to | {"id": uuid7(at), "payload": encode(payload).decode()})
    marks = {"groups": [str(group.id) for group in groups], "at": at.isoformat()}
    await connection.execute(_REMEMBER, given | marks)
