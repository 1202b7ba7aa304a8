"""`agent-monitor doctor`: looks at everything that must be right, and says what is not."""

import shutil
from datetime import timedelta

from sqlalchemy import text

from monitor import capacity, clock, compose, inspection, partitions
from monitor.db import Database, Role
from monitor.errors import MonitorError
from monitor.inspection import Check, Finding
from monitor.live import Live
from monitor.partitions import LAYOUTS, partition
from monitor.series import choice
from monitor.settings import Settings
from sql import migrate

AHEAD = timedelta(days=1)


async def examine(settings: Settings) -> list[Finding]:
    """All findings. A check that cannot be made is one that failed."""
    findings = []
    async with compose.database(settings) as db:
        checks: dict[str, Check] = {f"role {role}": _role(role) for role in Role}
        checks |= {"revision": _revision, "partitions": _partitions, "connections": _connections(settings)}
        checks |= inspection.CHECKS
        for subject, check in checks.items():
            try:
                findings.append(await check(db))
            except MonitorError as fault:
                findings.append(Finding(subject, well=False, detail=fault.message))
    if settings.influx_url is not None:
        findings.append(await _influx(settings))
    if settings.redis_url is not None:
        findings.append(await _redis(settings))
    return [*findings, _disk(settings), *_channels(settings), _keys(settings)]


def _role(role: Role) -> Check:
    async def check(db: Database) -> Finding:
        async with db.role(role) as connection:
            row = (
                await connection.execute(
                    text("SELECT rolsuper, rolbypassrls, version() FROM pg_roles WHERE rolname = current_user")
                )
            ).one()
        too_much = [word for word, held in zip(("superuser", "BYPASSRLS"), row[:2], strict=True) if held]
        if too_much:
            return Finding(f"role {role}", well=False, detail=f"has {' and '.join(too_much)}: tenants are not apart")
        return Finding(f"role {role}", well=True, detail=" ".join(row[2].split()[:2]))

    return check


async def _revision(db: Database) -> Finding:
    found, newest = await migrate.current(db)
    detail = (
        f"at {found}" if found == newest else f"at {found or 'none'}, the newest is {newest}: agent-monitor migrate"
    )
    return Finding("revision", well=found == newest, detail=detail)


async def _partitions(db: Database) -> Finding:
    async with db.owner() as connection:
        existing = set(await partitions.existing_names(connection))
    at = clock.now() + AHEAD
    missing = [layout.table for layout in LAYOUTS if partition(layout, at).name not in existing]
    detail = f"tomorrow's are missing for {', '.join(missing)}: is the alerter running?" if missing else "ready"
    return Finding("partitions", well=not missing, detail=detail)


async def _influx(settings: Settings) -> Finding:
    try:
        faults = await choice.faults(settings)
    except MonitorError as fault:
        return Finding("influxdb", well=False, detail=fault.message)
    detail = f"{'; '.join(faults)}: agent-monitor migrate" if faults else "answers; its buckets are as they should be"
    return Finding("influxdb", well=not faults, detail=detail)


async def _redis(settings: Settings) -> Finding:
    """Nothing is lost without it, but whoever names one wants it used."""
    live = Live(settings.redis_url)
    try:
        return Finding("redis", well=True, detail=f"Redis {await live.version()}")
    except MonitorError as fault:
        return Finding("redis", well=False, detail=fault.message)
    finally:
        await live.close()


def _connections(settings: Settings) -> Check:
    async def check(db: Database) -> Finding:
        found = await capacity.look(settings, db)
        detail, well = "; ".join(map(str, found)), all(room.enough for room in found)
        if not capacity.FEWEST <= settings.database_pool_size <= capacity.MOST:
            well = False
            detail += f"; a process should have {capacity.FEWEST} to {capacity.MOST} (AGENT_MONITOR_DATABASE_POOL_SIZE)"
        return Finding("connections", well=well, detail=detail)

    return check


def _disk(settings: Settings) -> Finding:
    path = settings.data_dir.expanduser()
    if not path.exists():
        return Finding("disk", well=True, detail="the database is elsewhere")
    free = shutil.disk_usage(path).free
    well = free > settings.disk_reserve
    return Finding(
        "disk", well=well, detail=f"{free >> 20} MiB free, {settings.disk_reserve >> 20} MiB kept in reserve"
    )


def _channels(settings: Settings) -> list[Finding]:
    """A channel that is not set up is no fault: a rule that uses it says so."""
    email = settings.smtp_url.partition("://")[0] if settings.smtp_url else "not set up (AGENT_MONITOR_SMTP_URL)"
    slack = "a token is set" if settings.slack_bot_token else "not set up (AGENT_MONITOR_SLACK_BOT_TOKEN)"
    return [Finding("email", well=True, detail=email), Finding("slack", well=True, detail=slack)]


def _keys(settings: Settings) -> Finding:
    well = bool(settings.secret_keys)
    return Finding("secret keys", well=well, detail="set" if well else "AGENT_MONITOR_SECRET_KEYS is not set")
