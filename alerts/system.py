"""Alerts about Agent Monitor itself: they belong to the platform tenant, and affected tenants' fallbacks hear once."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.grouping import Notice, fingerprint
from alerts.core.muting import Mute, Muting, labels_of
from alerts.core.targets import Target
from alerts.core.vocabulary import AlertStatus, ChannelKind, CloseReason, Reason, Severity
from alerts.directory import Directory, read_directory
from alerts.episode import Episode, episode_of, mute_to_json
from alerts.lines import PLATFORM_AGENT
from alerts.muting import HISTORY_BLIND, read_scopes
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
# What one alerter tells now, another one need not wait for.
_WAITING = text("""
    SELECT * FROM alerts
    WHERE tenant_id = :tenant_id AND config_id IS NULL AND resolved_at IS NULL
      AND jsonb_typeof(details->'waiting') = 'object'
    ORDER BY id FOR UPDATE SKIP LOCKED
""")
# Two jobs may see the same fault in the same second: one opens the alert, the other finds it.
_ALONE = text("SELECT pg_advisory_xact_lock(hashtext(:rule))")
_ACTIVE_TENANTS = text("SELECT id FROM tenants WHERE status = 'active'")


class SystemFault(StrEnum):
    """What can be wrong with the installation; the text is the alert's rule."""

    HISTORY_BLIND = HISTORY_BLIND
    UNDELIVERABLE = "notification undeliverable"
    DISK_FULL = "disk nearly full"
    DRILL_LOST = "drill did not arrive"
    PULSE_LOST = "outbound heartbeat not sent"
    ON_CALL_GAP = "nobody will be on call"


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
    severity: Severity = Severity.CRITICAL,
) -> Episode | None:
    """Open, keep or end the one alert about a fault; returns it where it is open or has just ended.

    `tenants` are affected: the fallback channel of each, and of the platform, is told once; None: every tenant.
    `labels` tell faults of one kind apart. `never` is a target that must not be used: it is what is broken. A tenant
    whose silence or maintenance window covers the alert is told when that ends (`tell_waiting`).
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
        episode = await _open(connection, fault, detail, dict(labels or {}), severity, now)
    heard = {one.tenant_id for one in episode.told}
    await _tell(connection, episode, {PLATFORM_TENANT, *tenants} - heard, never=never, now=now, public_url=public_url)
    return episode


async def tell_waiting(db: Database, *, now: datetime, public_url: str) -> None:
    """Tell tenants of system alerts that go on, once what withheld the notice to them is over."""
    async with db.alerter() as connection:
        for row in (await connection.execute(_WAITING, {"tenant_id": PLATFORM_TENANT})).all():
            episode = episode_of(row)
            tenants = {UUID(tenant) for tenant in episode.details["waiting"]}
            await _tell(connection, episode, tenants, never=_broken(episode.labels), now=now, public_url=public_url)


async def _tell(
    connection: AsyncConnection,
    episode: Episode,
    tenants: Collection[UUID],
    *,
    never: Target | None,
    now: datetime,
    public_url: str,
) -> None:
    """Tell the fallbacks of these tenants, except where a tenant's silence or window covers the alert."""
    if not tenants:
        return
    directory = await read_directory(connection, tenants, now=now)
    muting = Muting(now, scopes=await read_scopes(connection, sorted(tenants), now=now))
    labels = labels_of(
        episode.labels, agent=PLATFORM_AGENT, agent_type=None, rule=episode.rule, severity=episode.severity
    )
    before: dict[str, str] = episode.details.get("waiting") or {}
    waiting = {tenant: scope for tenant, scope in before.items() if UUID(tenant) not in tenants}
    tellings, events = [], []
    for tenant_id, target in _fallbacks(directory, tenants, never):
        scope = muting.scope(tenant_id, labels)
        if scope is None:
            notice = Notice(tenant_id, target, episode.id, Reason.FIRST, episode.severity)
            why = f"Agent Monitor itself needs attention: {episode.rule}"
            tellings.append(Telling(notice, home=PLATFORM_TENANT, why=why))
            continue
        waiting[str(tenant_id)] = scope.id
        if before.get(str(tenant_id)) != scope.id:
            mute = mute_to_json(Mute(scope.by, scope.id, scope.title, scope.until))
            said = {"reason": str(Reason.FIRST), "channel": str(target.kind), "target": target.address}
            events.append(TimelineEntry(PLATFORM_TENANT, episode.id, "withheld", mute | said))
    if waiting != before:
        episode.details["waiting"] = waiting or None
        await update_alerts(connection, [episode])
    await insert_events(connection, events, now=now)
    await queue(connection, tellings, now=now, public_url=public_url)


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


def _broken(labels: Mapping[str, str]) -> Target | None:
    """The target that an alert says cannot be reached."""
    if "channel" not in labels or "target" not in labels:
        return None
    return Target(ChannelKind(labels["channel"]), labels["target"])


async def _open(
    connection: AsyncConnection,
    fault: SystemFault,
    detail: str,
    labels: dict[str, str],
    severity: Severity,
    now: datetime,
) -> Episode:
    episode = Episode(
        tenant_id=PLATFORM_TENANT,
        id=uuid7(now),
        config_id=None,
        agent_id=None,
        severity=severity,
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
