"""Drills: a synthetic alert, marked DRILL, through every channel of a tenant; one that does not arrive is an alert."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts import system
from alerts.core.condition import ConditionError
from alerts.core.message import AlertLine
from alerts.core.targets import Target, parse_channels
from alerts.core.vocabulary import ChannelKind, Reason, Severity
from alerts.directory import read_directory
from alerts.lines import PLATFORM_AGENT
from alerts.outbox import queue_copy
from alerts.settings import read_settings
from monitor.db import Database
from monitor.ids import uuid7

LATE = timedelta(minutes=5)
"""A drill that has not arrived after this time is reported."""

KEPT = timedelta(days=400)

_ALONE = text("SELECT pg_advisory_xact_lock(hashtext('drills'))")
_TENANTS = text("""
    SELECT s.tenant_id, (SELECT max(d.started_at) FROM drills d WHERE d.tenant_id = s.tenant_id) AS last
    FROM alert_settings s JOIN tenants t ON t.id = s.tenant_id
    WHERE t.status = 'active' AND s.settings ? 'drill'
""")
_CHANNELS = text("""
    SELECT DISTINCT channels FROM alert_configs WHERE tenant_id = :tenant_id AND enabled AND deleted_at IS NULL
""")
_INSERT = text("""
    INSERT INTO drills (tenant_id, id, group_id, channel, target, started_at)
    VALUES (:tenant_id, :id, :group_id, :channel, :target, :now)
""")
_ARRIVED = text("""
    UPDATE drills d SET delivered_at = n.sent_at FROM notifications n
    WHERE n.tenant_id = d.tenant_id AND n.group_id = d.group_id AND n.status = 'sent' AND d.delivered_at IS NULL
    RETURNING d.tenant_id, d.channel, d.target, d.late_at
""")
_LATE = text("""
    UPDATE drills SET late_at = :now
    WHERE delivered_at IS NULL AND late_at IS NULL AND started_at <= :before
    RETURNING tenant_id, channel, target
""")
_SLUG = text("SELECT slug FROM tenants WHERE id = :tenant_id")
_FORGET = text("DELETE FROM drills WHERE started_at < :before")
_RESULTS = text("""
    SELECT d.channel, d.target, d.started_at, coalesce(d.delivered_at, n.sent_at) AS delivered_at
    FROM drills d
    LEFT JOIN notifications n ON n.tenant_id = d.tenant_id AND n.group_id = d.group_id AND n.status = 'sent'
    WHERE d.tenant_id = :tenant_id AND d.id = ANY (:ids) ORDER BY d.channel, d.target
""")


@dataclass(frozen=True, slots=True)
class Arrival:
    """One channel of a drill: how many seconds it took from the alert to its delivery; None: it is on its way."""

    channel: str
    target: str
    seconds: float | None


async def start(connection: AsyncConnection, tenant_id: UUID, *, now: datetime, public_url: str) -> list[UUID]:
    """Queue a synthetic alert for each of a tenant's targets; returns the drills' ids. Commits with the caller."""
    targets = await targets_of(connection, tenant_id, now=now)
    line = AlertLine(
        alert_id=uuid7(now),
        rule="DRILL",
        agent=PLATFORM_AGENT,
        severity=Severity.INFO,
        summary="nothing is wrong: a drill, to see that alerts arrive",
        since=now,
        url=f"{public_url.rstrip('/')}/alerts",
    )
    ids = []
    for target in targets:
        group_id = await queue_copy(
            connection,
            tenant_id=tenant_id,
            target=target,
            reason=Reason.TEST,
            why="DRILL: whether alerts arrive is tried, and how long they take",
            alert_ids=(),
            payload=[line],
            now=now,
        )
        given: dict[str, Any] = {"tenant_id": tenant_id, "id": uuid7(now), "group_id": group_id}
        given |= {"channel": str(target.kind), "target": target.address, "now": now}
        await connection.execute(_INSERT, given)
        ids.append(given["id"])
    return ids


async def targets_of(connection: AsyncConnection, tenant_id: UUID, *, now: datetime) -> list[Target]:
    """Every target that a tenant's rules, named channels and fallback can reach, each once."""
    directory = await read_directory(connection, [tenant_id], now=now)
    targets = [*directory.fallback(tenant_id)]
    targets += [target for (tenant, _), target in sorted(directory.named.items()) if tenant == tenant_id]
    for row in await connection.execute(_CHANNELS, {"tenant_id": tenant_id}):
        try:
            targets += parse_channels(row.channels).targets if row.channels else ()
        except ConditionError:
            continue
    by_address: dict[tuple[ChannelKind, str], Target] = {}
    for target in targets:
        by_address.setdefault((target.kind, target.address), target)
    return list(by_address.values())


async def results(connection: AsyncConnection, tenant_id: UUID, ids: Sequence[UUID]) -> list[Arrival]:
    """How some drills went so far."""
    rows = await connection.execute(_RESULTS, {"tenant_id": tenant_id, "ids": list(ids)})
    return [
        Arrival(
            row.channel,
            row.target,
            None if row.delivered_at is None else (row.delivered_at - row.started_at).total_seconds(),
        )
        for row in rows
    ]


class Drills:
    """The job: starts what is due, notes what has arrived, reports what has not. Any number of alerters may run it."""

    def __init__(self, db: Database, *, public_url: str) -> None:
        self._db = db
        self._public_url = public_url

    async def run_once(self, now: datetime) -> None:
        """One look at all tenants."""
        async with self._db.alerter() as connection:
            await connection.execute(_ALONE)
            due = (await connection.execute(_TENANTS)).all()
            settings = await read_settings(connection, [row.tenant_id for row in due])
            for row in due:
                every = settings[row.tenant_id].drill
                if every is not None and (row.last is None or now - row.last >= every):
                    await start(connection, row.tenant_id, now=now, public_url=self._public_url)
            for row in (await connection.execute(_ARRIVED)).all():
                await self._report(connection, row, now, active=False)
            for row in (await connection.execute(_LATE, {"now": now, "before": now - LATE})).all():
                await self._report(connection, row, now, active=True)
            await connection.execute(_FORGET, {"before": now - KEPT})

    async def _report(self, connection: AsyncConnection, row: Any, now: datetime, *, active: bool) -> None:
        """One alert for each channel through which a drill did not arrive; the next that does arrive ends it."""
        slug = (await connection.execute(_SLUG, {"tenant_id": row.tenant_id})).scalar_one()
        target = Target(ChannelKind(row.channel), row.target)
        minutes = int(LATE.total_seconds() // 60)
        await system.report(
            connection,
            system.SystemFault.DRILL_LOST,
            active=active,
            detail=f"a drill through {target.kind} {target.address} has not arrived after {minutes} minutes",
            tenants=[row.tenant_id],
            labels={"tenant": slug, "channel": str(target.kind), "target": target.address},
            never=target,
            now=now,
            public_url=self._public_url,
        )
