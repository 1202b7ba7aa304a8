"""What makes a replay differ from what the alerter did, whatever agents sent, in sentences."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.wording import moment
from alerts.settings_bodies import AlertSettings

_RULE = text("""
    SELECT (SELECT max(v.changed_at) FROM alert_config_versions v
            WHERE v.tenant_id = :tenant_id AND v.config_id = :rule AND v.version > 1
              AND v.changed_at BETWEEN :start AND :end) AS changed_at,
           (SELECT count(*) FROM alerts a
            WHERE a.tenant_id = :tenant_id AND a.config_id = :rule AND a.triggered_at < :start
              AND (a.resolved_at IS NULL OR a.resolved_at >= :start)) AS open
""")


async def read_caveats(
    connection: AsyncConnection,
    tenant_id: UUID,
    rule: UUID,
    settings: AlertSettings | None,
    *,
    outages: Mapping[tuple[UUID, bool], datetime],
    resting: Iterable[str],
    start: datetime,
    end: datetime,
) -> list[str]:
    """`outages`: when the last ones ended, by tenant and kind; `resting`: agents that are set to maintenance now."""
    said = []
    given = {"tenant_id": tenant_id, "rule": rule, "start": start, "end": end}
    row = (await connection.execute(_RULE, given)).one()
    if row.changed_at is not None:
        said.append(f"the rule was last changed at {moment(row.changed_at)}: here it is all along as it is now")
    if row.open:
        said.append(f"alerts that were open at the start: {row.open}; here they open anew, if at all")
    for history, what in ((False, "no alerter was at work"), (True, "history could not be read")):
        ended = outages.get((tenant_id, history))
        if ended is not None and start <= ended <= end:
            said.append(f"{what} for a time up to {moment(ended)}: here rules were judged all along")
    names = sorted(resting)
    if names:
        said.append(f"set to maintenance now, and so all along here: {', '.join(names[:10])}")
    if settings is not None and settings.paced:
        said.append("messages of other rules share groups, digests and budgets with this one's; here it is alone")
    return said
