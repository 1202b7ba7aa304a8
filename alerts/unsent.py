"""What was never sent needs no resolve: a first message that nobody tried to send yet and its resolve cancel out."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.vocabulary import Reason
from alerts.paces import Addressed
from alerts.timelines import TimelineEntry, insert_events

# An attempt may have arrived whatever became of it: what was tried once is never taken back. Who is claiming a row
# right now is waited for, and then it was tried. A digest tells of what is over, too.
_LOCK = text("""
    SELECT 1 FROM notifications n
    WHERE (n.tenant_id, n.group_id) IN (SELECT * FROM unnest(CAST(:tenants AS uuid[]), CAST(:groups AS uuid[])))
      AND n.status = 'pending'
    ORDER BY n.id FOR UPDATE
""")
_CANCEL = text("""
    WITH untried AS (
        SELECT r.tenant_id, r.group_id, r.alert_id
        FROM unnest(CAST(:tenants AS uuid[]), CAST(:groups AS uuid[]), CAST(:alerts AS uuid[]))
            AS r (tenant_id, group_id, alert_id)
        WHERE NOT EXISTS (
            SELECT 1 FROM notifications n
            WHERE n.tenant_id = r.tenant_id AND n.group_id = r.group_id AND r.alert_id = ANY (n.alert_ids)
              AND (n.attempts > 0 OR n.reason = 'DIGEST'))),
    left_over AS (
        SELECT n.tenant_id, n.id, array_agg(u.alert_id) AS gone
        FROM notifications n JOIN untried u ON u.tenant_id = n.tenant_id AND u.group_id = n.group_id
        WHERE n.status = 'pending' AND n.attempts = 0
        GROUP BY n.tenant_id, n.id)
    UPDATE notifications n
    SET alert_ids = ARRAY(SELECT x FROM unnest(n.alert_ids) AS x WHERE x <> ALL (l.gone)),
        payload = coalesce((
            SELECT jsonb_agg(line.said ORDER BY line.place)
            FROM jsonb_array_elements(n.payload) WITH ORDINALITY AS line (said, place)
            WHERE (line.said->>'alert_id')::uuid <> ALL (l.gone)), '[]'),
        status = CASE WHEN n.alert_ids <@ l.gone THEN 'withheld' ELSE n.status END,
        last_error = CASE WHEN n.alert_ids <@ l.gone THEN 'it was over before it was sent' END
    FROM left_over l
    WHERE n.tenant_id = l.tenant_id AND n.id = l.id AND n.status = 'pending' AND n.attempts = 0
    RETURNING n.group_id, to_json(l.gone) AS gone
""")
_LEAVE = text("""
    UPDATE notification_groups g
    SET alert_ids = ARRAY(SELECT x FROM unnest(g.alert_ids) AS x WHERE NOT l.gone::jsonb ? x::text)
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:groups AS uuid[]), CAST(:gone AS text[])) AS l (tenant_id, id, gone)
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
    given = {
        "tenants": [tenant_id for tenant_id, _, _ in resolved],
        "groups": [group_id for _, group_id, _ in resolved],
        "alerts": [alert_id for _, _, alert_id in resolved],
    }
    await connection.execute(_LOCK, {"tenants": given["tenants"], "groups": given["groups"]})
    gone: dict[UUID, set[UUID]] = defaultdict(set)
    for row in await connection.execute(_CANCEL, given):
        gone[row.group_id].update(map(UUID, row.gone))
    if not gone:
        return list(going)
    tenants = {group_id: tenant_id for tenant_id, group_id, _ in resolved}
    await connection.execute(
        _LEAVE,
        {
            "tenants": [tenants[group_id] for group_id in gone],
            "groups": list(gone),
            "gone": [json.dumps(sorted(map(str, alerts))) for alerts in gone.values()],
        },
    )
    return await _without(connection, going, gone, now)


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
