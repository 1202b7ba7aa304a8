"""Alerts about Agent Monitor itself: they belong to the platform tenant, and affected tenants' fallbacks hear once."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.grouping import Notice, fingerprint
from alerts.core.targets import Target
from alerts.core.vocabulary import AlertStatus, CloseReason, Reason, Severity
from alerts.directory import Directory, read_directory
from alerts.episode import Episode, episode_of
from alerts.muting import HISTORY_BLIND
from alerts.outbox import Telling, TimelineEntry, insert_events, queue
from alerts.store import insert_alerts, update_alerts
from alerts.telling import tell_closed
from monitor.db import Database
from monitor.ids import PLATFORM_TENANT, uuid7

_OPEN = text("""
    SELECT * FROM alerts
    WHERE tenant_id = :tenant_id AND coalesce(config_id::text, rule) = :rule AND coalesce(agent_id::text, '') = ''
      AND fingerprint = :fingerprint AND resolved_at IS NULL
    FOR UPDATE
""")
# Two jobs may see the same fault in the same second: one opens the alert, the other finds it.
_ALONE = text("SELECT pg_advisory_xact_lock(hashtext(:rule))")
_ACTIVE_TENANTS = text("SELECT id FROM tenants WHERE status = 'active'")


class SystemFault(StrEnum):
    """What can be wrong with the installation; the text is the alert's rule."""

    HISTORY_BLIND = HISTORY_BLIND
    UNDELIVERABLE = "notification undeliverable"
    DISK_FULL = "disk nearly full"


async def report(
    connection: AsyncConnection,
    fault: SystemFault,
    *,
    active: bool,
    detail: str,
    tenants: Collection[UUID] | None,
    now: datetime,
    public_url: str,
    labels: Mapping[str, str] | None = None,
    never: Target | None = None,
) -> Episode | None:
    """Open, keep or end the one alert about a fault; returns it where it is open or has just ended.

    `tenants` are affected: the fallback channel of each, and of the platform, is told once; None: every tenant.
    `labels` tell faults of one kind apart. `never` is a target that must not be used: it is what is broken.
    """
    given = {"tenant_id": PLATFORM_TENANT, "rule": str(fault), "fingerprint": fingerprint(labels or {})}
    await connection.execute(_ALONE, {"rule": str(fault)})
    row = (await connection.execute(_OPEN, given)).first()
    episode = None if row is None else episode_of(row)
    if not active:
        if episode is not None:
            await _end(connection, episode, now, public_url)
        return episode
    if tenants is None:
        tenants = list((await connection.execute(_ACTIVE_TENANTS)).scalars())
    if episode is None:
        episode = await _open(connection, fault, detail, dict(labels or {}), now)
    heard = {one.tenant_id for one in episode.told}
    affected = {PLATFORM_TENANT, *tenants} - heard
    directory = await read_directory(connection, affected) if affected else Directory()
    tellings = [
        Telling(
            Notice(tenant_id, target, episode.id, Reason.FIRST, episode.severity),
            home=PLATFORM_TENANT,
            why=f"Agent Monitor itself needs attention: {fault}",
        )
        for tenant_id, target in _fallbacks(directory, affected, never)
    ]
    await queue(connection, tellings, now=now, public_url=public_url)
    return episode


async def report_disk(db: Database, *, active: bool, free_bytes: int, now: datetime, public_url: str) -> Episode | None:
    """The disk guard's page, to every tenant: it goes out while it still can. `free_bytes` is what is left."""
    async with db.alerter() as connection:
        return await report(
            connection,
            SystemFault.DISK_FULL,
            active=active,
            detail=f"{free_bytes >> 20} MiB free: new data is refused until there is more",
            tenants=None,
            now=now,
            public_url=public_url,
        )


def _fallbacks(directory: Directory, tenants: Iterable[UUID], never: Target | None) -> list[tuple[UUID, Target]]:
    return [
        (tenant_id, target)
        for tenant_id in sorted(tenants)
        if tenant_id in directory.active
        for target in directory.fallback(tenant_id)
        if never is None or (target.kind, target.address) != (never.kind, never.address)
    ]


async def _open(
    connection: AsyncConnection, fault: SystemFault, detail: str, labels: dict[str, str], now: datetime
) -> Episode:
    episode = Episode(
        tenant_id=PLATFORM_TENANT,
        id=uuid7(now),
        config_id=None,
        agent_id=None,
        severity=Severity.CRITICAL,
        status=AlertStatus.OPEN,
        triggered_at=now,
        value=None,
        details={"summary": detail},
        rule=str(fault),
        labels=labels,
        fingerprint=fingerprint(labels),
    )
    await insert_alerts(connection, [episode], now=now)
    fired = TimelineEntry(PLATFORM_TENANT, episode.id, "fired", {"detail": detail})
    await insert_events(connection, [fired], now=now)
    return episode


async def _end(connection: AsyncConnection, episode: Episode, now: datetime, public_url: str) -> None:
    episode.status, episode.resolved_at = AlertStatus.RESOLVED, now
    episode.reason = str(CloseReason.RECOVERED)
    await update_alerts(connection, [episode])
    await insert_events(connection, [TimelineEntry(PLATFORM_TENANT, episode.id, "resolved", {})], now=now)
    await queue(connection, tell_closed(episode, now=now), now=now, public_url=public_url)
