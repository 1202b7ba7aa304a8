"""What is left of tenants that were deleted long enough ago goes, table by table, in small batches.

Killed in between, it goes on where it was: the tenant's own row goes last. The audit trail stays until its partitions
go, as nothing may be taken from it; what was purged is told in the platform's. History in InfluxDB ends with its
retention.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table, delete, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.audit.store import Recorder
from monitor.db import Database
from monitor.identity.tables import Membership, Tenant, User
from monitor.ids import PLATFORM_TENANT
from monitor.principal import Principal, TenantStatus
from sql.models import metadata

BATCH = 5_000
_STAYS = {"audit_logs"}
_SET_TENANT = text("SELECT set_config('app.current_tenant_id', :tenant, true)")


async def due(owner: AsyncConnection, now: datetime) -> list[tuple[UUID, str]]:
    """Tenants whose time has come: id and slug."""
    query = select(Tenant.id, Tenant.slug).where(
        Tenant.status == TenantStatus.DELETED, Tenant.purge_at <= now, Tenant.id != PLATFORM_TENANT
    )
    return [(row.id, row.slug) for row in await owner.execute(query.order_by(Tenant.purge_at))]


async def count(owner: AsyncConnection, tenant_id: UUID) -> Mapping[str, int]:
    """How many rows a purge would take, by table."""
    counts = {}
    for table in _tables():
        query = select(func.count()).select_from(table).where(table.c.tenant_id == tenant_id)
        counts[table.name] = int((await owner.execute(query)).scalar_one())
    return {name: rows for name, rows in counts.items() if rows}


async def purge(db: Database, tenant_id: UUID, slug: str, *, now: datetime) -> Mapping[str, int]:
    """Take everything of a tenant away, those people too who belong nowhere else; how many rows, by table."""
    removed = Counter[str]()
    # Taking rows out of one table may put some into another, as counts do: until there is nothing left.
    while True:
        taken = {table.name: await _empty(db, table, tenant_id) for table in _tables() if table.name != "memberships"}
        if not any(taken.values()):
            break
        removed.update({name: rows for name, rows in taken.items() if rows})
    async with db.owner() as owner:
        await owner.execute(_SET_TENANT, {"tenant": str(tenant_id)})
        theirs = select(Membership.user_id).where(Membership.tenant_id == tenant_id)
        people = list((await owner.execute(theirs)).scalars())
        gone = await owner.execute(delete(Membership).where(Membership.tenant_id == tenant_id))
        elsewhere = select(Membership.user_id).where(Membership.user_id.in_(people))
        alone = await owner.execute(delete(User).where(User.id.in_(people), User.id.not_in(elsewhere)))
        await owner.execute(delete(Tenant).where(Tenant.id == tenant_id, Tenant.status == TenantStatus.DELETED))
        removed.update({"memberships": gone.rowcount, "users": alone.rowcount})
        await _tell(owner, tenant_id, slug, removed, now)
    return removed


async def _empty(db: Database, table: Table, tenant_id: UUID) -> int:
    key = tuple_(*table.primary_key.columns)
    some = select(*table.primary_key.columns).where(table.c.tenant_id == tenant_id).limit(BATCH)
    total = 0
    while True:
        async with db.owner() as owner:
            await owner.execute(_SET_TENANT, {"tenant": str(tenant_id)})
            taken = (await owner.execute(delete(table).where(key.in_(some)))).rowcount
        total += taken
        if taken < BATCH:
            return total


async def _tell(owner: AsyncConnection, tenant_id: UUID, slug: str, removed: Mapping[str, int], now: datetime) -> None:
    await owner.execute(_SET_TENANT, {"tenant": str(PLATFORM_TENANT)})
    platform = Principal(tenant_id=PLATFORM_TENANT, tenant_status=TenantStatus.ACTIVE, scopes=frozenset())
    said = {"slug": slug, "rows": dict(removed)}
    await Recorder(lambda: now)(owner, platform, "tenant.purged", resource=("tenant", str(tenant_id)), old=said)


def _tables() -> list[Table]:
    """Those that have tenants, children before what they refer to."""
    return [
        table for table in reversed(metadata.sorted_tables) if "tenant_id" in table.columns and table.name not in _STAYS
    ]
