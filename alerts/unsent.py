"""What was never sent needs no resolve: a first message that nobody tried to send yet and its resolve cancel out."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.vocabulary import Reason
from alerts.paces import Addressed
from alerts.timelines import TimelineEntry, insert_events
from monitor import arrays

# An attempt may have arrived whatever became of it: what was tried once is never taken back. Who is claiming a row
# right now is waited for, and then it was tried. A digest tells of what is over, too. NOT IN looks up a hash of what is
# gone, where <> ALL would compare each with each.
_LOCK = text("""
    SELECT 1 FROM notifications n
    WHERE (n.tenant_id, n.group_id) IN (SELECT * FROM unnest(CAST(:tenants AS uuid[]), CAST(:groups AS uuid[])))
      AND n.status = 'pending'
    ORDER BY n.id FOR UPDATE
""")
_CANCEL = text("""
    WITH resolved AS (
        SELECT tenant_id, group_id, alert_id
        FROM unnest(CAST(:tenants AS uuid[]), CAST(:groups AS uuid[]), CAST(:alerts AS uuid[]))
            AS r (tenant_id, group_id, alert_id)),
    messages AS (
        SELECT tenant_id, id, group_id, alert_ids, status, attempts, reason FROM notifications
        WHERE (tenant_id, group_id) IN (SELECT DISTINCT tenant_id, group_id FROM resolved)),
    tried AS (
        SELECT tenant_id, group_id, unnest(alert_ids) FROM messages WHERE attempts > 0 OR reason = 'DIGEST'),
    untried AS (SELECT * FROM resolved EXCEPT SELECT * FROM tried),
    touched AS (
        SELECT m.tenant_id, m.id, array_agg(u.alert_id) AS gone
        FROM messages m JOIN untried u ON u.tenant_id = m.tenant_id AND u.group_id = m.group_id
        WHERE m.status = 'pending' AND m.attempts = 0
        GROUP BY m.tenant_id, m.id),
    left_over AS (
        SELECT t.*, ARRAY(SELECT x FROM unnest(m.alert_ids) AS x WHERE x NOT IN (SELECT unnest(t.gone))) AS alerts
        FROM touched t JOIN messages m ON m.tenant_id = t.tenant_id AND m.id = t.id)
    UPDATE notifications n
    SET alert_ids = l.alerts,
        payload = coalesce((
            SELECT jsonb_agg(line.said ORDER BY line.place)
            FROM jsonb_array_elements(n.payload) WITH ORDINALITY AS line (said, place)
            WHERE (line.said->>'alert_id')::uuid NOT IN (SELECT unnest(l.gone))), '[]'),
        status = CASE WHEN l.alerts = '{}' THEN 'withheld' ELSE n.status END,
        last_error = CASE WHEN l.alerts = '{}' THEN 'it was over before it was sent' END
    FROM left_over l
    WHERE n.tenant_id = l.tenant_id AND n.id = l.id AND n.status = 'pending' AND n.attempts = 0
    RETURNING n.group_id, to_json(l.gone) AS gone
""")
_LEAVE = text("""
    UPDATE notification_groups g
    SET alert_ids = ARRAY(SELECT x FROM unnest(g.alert_ids) AS x WHERE x NOT IN (SELECT unnest(l.gone)))
    FROM (
        SELECT tenant_id, id, array_agg(alert_id) AS gone
        FROM unnest(CAST(:tenants AS uuid[]), CAST(:groups AS uuid[]), CAST(:alerts AS uuid[]))
            AS left_over (tenant_id, id, alert_id)
        GROUP BY tenant_id, id) AS l
    WHERE g.tenant_id = l.tenant_id AND g.id = l.id
""")


async def cancel(connection: AsyncConnection, going: Sequence[Addressed], *, now: datetime) -> list[Addressed]:
    """Take from the outbox what is resolved before anybody tried to tell it; returns what is still to be told."""
    resolved = [
        (one.tenant_id, one.message.group_id, telling.notice.alert_id)
        for one in going
        if not one.message.new
        for telling in one.message.tellings
        if telling.notice.reason is Reason.RESOLVED
    ]
    if not resolved:
        return list(going)
    given = _columns(resolved)
    await connection.execute(_LOCK, {"tenants": given["tenants"], "groups": given["groups"]})
    gone: dict[UUID, set[UUID]] = defaultdict(set)
    for row in await connection.execute(_CANCEL, given):
        gone[row.group_id].update(map(UUID, row.gone))
    if not gone:
        return list(going)
    tenants = {group_id: tenant_id for tenant_id, group_id, _ in resolved}
    leaving = [(tenants[group_id], group_id, alert_id) for group_id, alerts in gone.items() for alert_id in alerts]
    await connection.execute(_LEAVE, _columns(leaving))
    return await _without(connection, going, gone, now)


def _columns(rows: Sequence[tuple[UUID, UUID, UUID]]) -> dict[str, arrays.Array]:
    """Tenants, groups and alerts as parameters."""
    tenants, groups, alerts = zip(*rows, strict=True)
    return {"tenants": arrays.uuids(tenants), "groups": arrays.uuids(groups), "alerts": arrays.uuids(alerts)}


async def _without(
    connection: AsyncConnection, going: Sequence[Addressed], gone: dict[UUID, set[UUID]], now: datetime
) -> list[Addressed]:
    left, events = [], []
    for one in going:
        over = gone.get(one.message.group_id, set())
        tellings = tuple(each for each in one.message.tellings if each.notice.alert_id not in over)
        if tellings:
            left.append(replace(one, message=replace(one.message, tellings=tellings)))
        for each in one.message.tellings:
            if each.notice.alert_id in over:
                details = {
                    "by": "over before it was sent",
                    "reason": str(each.notice.reason),
                    "channel": str(one.target.kind),
                    "target": one.target.address,
                }
                events.append(TimelineEntry(each.home, each.notice.alert_id, "withheld", details))
    await insert_events(connection, events, now=now)
    return left
