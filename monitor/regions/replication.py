"""Standbys watched: what the primary's view of replication says, kept with what it was, and times of trouble logged."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.ids import PLATFORM_TENANT, uuid7
from monitor.regions.lag import Seen, Standing, judge
from monitor.regions.store import RegionRow, list_regions
from monitor.regions.tables import CrossRegionSyncLog, ReplicationStatus, State, SyncStatus

_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('replication', 0))")
# What copies the database or keeps its log has no position of replay: it is no standby.
_SEEN = text("""
    SELECT DISTINCT ON (application_name) application_name, state, sync_state, sent_lsn::text, replay_lsn::text,
           pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint AS lag_bytes,
           extract(epoch FROM replay_lag)::float8 AS replay_lag
    FROM pg_stat_replication WHERE state IS NOT NULL AND replay_lsn IS NOT NULL
    ORDER BY application_name, replay_lsn DESC
""")
_PRIMARY = text("SELECT NOT pg_is_in_recovery()")
_STANDING = [
    ReplicationStatus.application_name, ReplicationStatus.state, ReplicationStatus.checked_at,
    ReplicationStatus.advanced_at, ReplicationStatus.sync_state, ReplicationStatus.sent_lsn,
    ReplicationStatus.replay_lsn, ReplicationStatus.lag_bytes, ReplicationStatus.lag_seconds,
    ReplicationStatus.seen_at,
]  # fmt: skip


async def watch(db: Database, now: datetime) -> list[Standing]:
    """Look at every standby, keep how it stands and log trouble; empty where another process does that now.

    Standbys are those that were ever seen, and those that a region names.
    """
    async with db.alerter() as connection:
        if not (await connection.execute(_ALONE)).scalar() or not (await connection.execute(_PRIMARY)).scalar():
            return []
        before = {one.application_name: one for one in await list_standings(connection)}
        seen = {one.application_name: one for one in await _seen(connection)}
        known = await list_regions(connection)
        regions = {one.application_name: one for one in known}
        expected = {*before, *seen, *(name for name in regions if name is not None)}
        standings = [judge(name, seen.get(name), before.get(name), now) for name in sorted(expected)]
        for one in standings:
            region = regions.get(one.application_name)
            await _keep(connection, one, None if region is None else region.id)
        source = next((one for one in known if one.is_primary), None)
        await _log(connection, standings, source, regions, now)
    return standings


async def list_standings(connection: AsyncConnection) -> list[Standing]:
    """How every standby stood last, by name."""
    query = select(*_STANDING).where(ReplicationStatus.tenant_id == PLATFORM_TENANT)
    rows = (await connection.execute(query.order_by(ReplicationStatus.application_name))).mappings()
    return [Standing(**{**row, "state": State(row["state"])}) for row in rows]


async def forget(owner: AsyncConnection, application_name: str) -> bool:
    """Expect a standby no more that no region names; whether it was known."""
    whose = (ReplicationStatus.tenant_id == PLATFORM_TENANT, ReplicationStatus.application_name == application_name)
    return bool((await owner.execute(delete(ReplicationStatus).where(*whose))).rowcount)


async def _seen(connection: AsyncConnection) -> list[Seen]:
    rows = (await connection.execute(_SEEN)).mappings()
    return [Seen(**{**row, "state": State(row["state"])}) for row in rows]


async def _keep(connection: AsyncConnection, one: Standing, region_id: UUID | None) -> None:
    values = asdict(one) | {"region_id": region_id}
    made = upsert(ReplicationStatus).values(tenant_id=PLATFORM_TENANT, **values)
    await connection.execute(made.on_conflict_do_update(index_elements=["tenant_id", "application_name"], set_=values))


async def _log(
    connection: AsyncConnection,
    standings: Sequence[Standing],
    source: RegionRow | None,
    regions: dict[str | None, RegionRow],
    now: datetime,
) -> None:
    """Begin, keep and end the times in which copies were not up to date."""
    table = CrossRegionSyncLog
    query = select(table.id, table.application_name, table.kind, table.lag_bytes, table.lag_seconds)
    running = {
        row.application_name: row
        for row in await connection.execute(
            query.where(table.tenant_id == PLATFORM_TENANT, table.completed_at.is_(None))
        )
    }
    for one in standings:
        row, trouble = running.get(one.application_name), one.trouble
        if row is not None and trouble == row.kind:
            values: dict[str, Any] = {
                "lag_bytes": _largest(row.lag_bytes, one.lag_bytes),
                "lag_seconds": _largest(row.lag_seconds, one.lag_seconds),
            }
            await _change(connection, row.id, values)
            continue
        if row is not None:
            await _change(connection, row.id, {"status": SyncStatus.COMPLETED, "completed_at": now})
        if trouble is not None:
            target = regions.get(one.application_name)
            await connection.execute(
                insert(table).values(
                    tenant_id=PLATFORM_TENANT, id=uuid7(now), application_name=one.application_name, kind=trouble,
                    status=SyncStatus.RUNNING, source_region_id=None if source is None else source.id,
                    target_region_id=None if target is None else target.id, lag_bytes=one.lag_bytes,
                    lag_seconds=one.lag_seconds, started_at=one.advanced_at,
                )
            )  # fmt: skip


async def _change(connection: AsyncConnection, log_id: UUID, values: dict[str, Any]) -> None:
    table = CrossRegionSyncLog
    query = update(table).where(table.tenant_id == PLATFORM_TENANT, table.id == log_id)
    await connection.execute(query.values(**values))


def _largest(*given: float | None) -> float | None:
    return max((one for one in given if one is not None), default=None)
