"""Rotations that nobody will be on call in: told ahead of time, as an alert about each schedule."""

from collections import defaultdict
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.vocabulary import Severity
from alerts.people import read_people
from alerts.system import SystemFault, report
from monitor.calendar.model import CalendarEvent, EventKind
from monitor.calendar.rotation import gaps, shifts
from monitor.calendar.store import read_events
from monitor.db import Database
from monitor.ids import PLATFORM_TENANT

AHEAD = timedelta(hours=48)
"""How long before it begins a gap is told."""

_TENANTS = text("""
    SELECT t.id, t.slug FROM tenants t
    WHERE t.status = 'active'
      AND EXISTS (SELECT 1 FROM calendar_events e WHERE e.tenant_id = t.id AND e.kind = 'on_call')
""")
_OPEN = text("""
    SELECT labels FROM alerts WHERE tenant_id = :platform AND config_id IS NULL AND rule = :rule AND resolved_at IS NULL
""")


async def run_once(db: Database, now: datetime, *, public_url: str) -> int:
    """Open an alert for each schedule with a gap that begins soon, end those that have none; returns how many have.

    Belongs to the platform; the tenant's fallback channel is told once.
    """
    async with db.alerter() as connection:
        tenants = {row.id: row.slug for row in await connection.execute(_TENANTS)}
        found = await _first_gaps(connection, tenants, now)
        for (tenant_id, schedule), detail in found.items():
            await report(
                connection,
                SystemFault.ON_CALL_GAP,
                active=True,
                detail=detail,
                tenants=[tenant_id],
                now=now,
                public_url=public_url,
                labels={"tenant": tenants[tenant_id], "schedule": schedule},
                severity=Severity.WARNING,
            )
        there = {(tenants[tenant_id], schedule) for tenant_id, schedule in found}
        given = {"platform": PLATFORM_TENANT, "rule": str(SystemFault.ON_CALL_GAP)}
        for row in (await connection.execute(_OPEN, given)).all():
            if (row.labels.get("tenant"), row.labels.get("schedule")) not in there:
                await report(
                    connection,
                    SystemFault.ON_CALL_GAP,
                    active=False,
                    detail="",
                    tenants=(),
                    now=now,
                    public_url=public_url,
                    labels=row.labels,
                )
    return len(found)


async def _first_gaps(
    connection: AsyncConnection, tenants: dict[UUID, str], now: datetime
) -> dict[tuple[UUID, str], str]:
    """What to say of the first gap that begins within AHEAD, for each schedule that has one."""
    rotations: dict[tuple[UUID, str], list[CalendarEvent]] = defaultdict(list)
    for event in await read_events(connection, tenants, EventKind.ON_CALL, since=now):
        rotations[event.tenant_id, event.schedule or ""].append(event)
    people = await read_people(connection, tenants)
    said = {}
    for (tenant_id, schedule), events in rotations.items():
        # Far enough to tell when it ends, where that is known.
        missing = gaps(shifts(events, now, now + 7 * AHEAD), people.get(tenant_id, {}).keys())
        first = next((one for one in missing if one.start < now + AHEAD), None)
        if first is not None:
            since = "now" if first.start == now else f"{first.start:%Y-%m-%d %H:%M} UTC"
            said[tenant_id, schedule] = (
                f"nobody is on call for {schedule} from {since} to {first.end:%Y-%m-%d %H:%M} UTC; "
                "until somebody is, the fallback channel is told instead"
            )
    return said
