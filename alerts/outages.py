"""When the alerter or a tenant's history was away last: what opens just after that settles before it is told."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.due import Touched
from alerts.leases import shard_of
from monitor.ids import PLATFORM_TENANT

HISTORY = "history"

# A shard that nobody worked on for longer than `at_most`. One that was never worked on has nothing to settle.
_PASS = text("""
    INSERT INTO outages AS o (tenant_id, what, seen_at)
    SELECT :platform, what, :now FROM unnest(CAST(:whats AS text[])) AS what ORDER BY what
    ON CONFLICT (tenant_id, what) DO UPDATE SET
        began_at = CASE WHEN o.seen_at < :away THEN o.seen_at ELSE o.began_at END,
        ended_at = CASE WHEN o.seen_at < :away THEN :now ELSE o.ended_at END,
        seen_at = greatest(o.seen_at, :now)
""")
_FAILED = text("""
    INSERT INTO outages AS o (tenant_id, what, began_at)
    SELECT tenant_id, :what, :now FROM unnest(CAST(:tenants AS uuid[])) AS tenant_id ORDER BY tenant_id
    ON CONFLICT (tenant_id, what) DO UPDATE SET
        began_at = CASE WHEN o.ended_at IS NULL THEN o.began_at ELSE :now END, ended_at = NULL
""")
_READ_AGAIN = text("""
    UPDATE outages SET ended_at = :now
    WHERE tenant_id = ANY (:tenants) AND what = :what AND ended_at IS NULL
""")
_BLIND = text("""
    SELECT EXISTS (
        SELECT 1 FROM outages o JOIN tenants t ON t.id = o.tenant_id
        WHERE o.what = :what AND o.ended_at IS NULL AND t.status = 'active'
          AND EXISTS (SELECT 1 FROM alert_targets a WHERE a.tenant_id = o.tenant_id AND a.reads & :metric <> 0))
""")
_ENDED = text("""
    SELECT tenant_id, what, ended_at FROM outages
    WHERE ended_at IS NOT NULL AND (tenant_id = ANY (:tenants) OR tenant_id = :platform)
""")


async def note_pass(connection: AsyncConnection, shards: Collection[int], *, now: datetime, at_most: timedelta) -> None:
    """These shards are worked on; where the last time is longer ago than `at_most`, an outage has just ended."""
    whats = [_alerter(shard) for shard in sorted(shards)]
    given = {"platform": PLATFORM_TENANT, "whats": whats, "now": now, "away": now - at_most}
    await connection.execute(_PASS, given)


async def note_history(
    connection: AsyncConnection, *, failed: Collection[UUID], read: Collection[UUID], now: datetime
) -> None:
    """Whose history could not be read in this pass, and whose could."""
    if failed:
        await connection.execute(_FAILED, {"tenants": sorted(failed), "what": HISTORY, "now": now})
    if well := sorted(set(read) - set(failed)):
        await connection.execute(_READ_AGAIN, {"tenants": well, "what": HISTORY, "now": now})


async def blind(connection: AsyncConnection) -> bool:
    """Whether anybody's history cannot be read now, of those who have rules that read it, whichever alerter's it is."""
    given = {"what": HISTORY, "metric": int(Touched.METRIC)}
    return bool((await connection.execute(_BLIND, given)).scalar())


async def read_ends(connection: AsyncConnection, tenants: Iterable[UUID]) -> dict[tuple[UUID, bool], datetime]:
    """When the last outage ended, by tenant and whether it was the tenant's history (or the alerter)."""
    wanted = sorted(set(tenants))
    rows = await connection.execute(_ENDED, {"tenants": wanted, "platform": PLATFORM_TENANT})
    found = {(row.tenant_id, row.what): row.ended_at for row in rows}
    ends: dict[tuple[UUID, bool], datetime] = {}
    for tenant_id in wanted:
        if (tenant_id, HISTORY) in found:
            ends[tenant_id, True] = found[tenant_id, HISTORY]
        if (back := found.get((PLATFORM_TENANT, _alerter(shard_of(tenant_id))))) is not None:
            ends[tenant_id, False] = back
    return ends


def _alerter(shard: int) -> str:
    return f"alerter {shard}"
