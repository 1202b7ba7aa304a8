"""What the commands about regions do, against the database of the settings."""

from typing import Any

from monitor import administration, clock, compose
from monitor.audit.store import Recorder
from monitor.errors import NotFound
from monitor.ids import uuid7
from monitor.principal import Principal, Scope, TenantStatus
from monitor.regions import replication, store
from monitor.regions.lag import Standing
from monitor.regions.store import RegionRow
from monitor.settings import Settings


async def list_regions(settings: Settings) -> list[RegionRow]:
    """The regions there are."""
    async with compose.database(settings) as db, db.owner() as owner:
        return await store.list_regions(owner)


async def put_region(settings: Settings, slug: str, values: dict[str, Any]) -> None:
    """Make a region or change it. Raises Conflict for a second primary, or a standby of another region's."""
    async with compose.database(settings) as db, db.owner() as owner:
        await store.put_region(owner, uuid7(clock.now()), slug, values)


async def delete_region(settings: Settings, slug: str) -> None:
    """Forget a region. Raises NotFound, and Conflict while tenants belong to it."""
    async with compose.database(settings) as db, db.owner() as owner:
        await store.delete_region(owner, slug)


async def assign(settings: Settings, tenant_slug: str, slug: str, *, residency: bool) -> None:
    """Have a tenant belong to a region. Raises NotFound."""
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await administration.tenant_of(owner, tenant_slug)
        region = await store.get_region(owner, slug)
        await store.assign(owner, tenant.id, region.id, residency=residency)
        await _record(owner, tenant.id, "tenant_region.assigned", slug, {"region": slug, "residency": residency})


async def release(settings: Settings, tenant_slug: str, slug: str) -> None:
    """The opposite. Raises NotFound."""
    async with compose.database(settings) as db, db.owner() as owner:
        tenant = await administration.tenant_of(owner, tenant_slug)
        region = await store.get_region(owner, slug)
        if not await store.release(owner, tenant.id, region.id):
            raise NotFound(f"the tenant {tenant_slug!r} does not belong to the region {slug!r}")
        await _record(owner, tenant.id, "tenant_region.released", slug, None)


async def list_standings(settings: Settings) -> list[Standing]:
    """How every standby stood when the alerter last looked."""
    async with compose.database(settings) as db, db.alerter() as connection:
        return await replication.list_standings(connection)


async def forget(settings: Settings, application_name: str) -> None:
    """Expect a standby no more. Raises NotFound."""
    async with compose.database(settings) as db, db.owner() as owner:
        if not await replication.forget(owner, application_name):
            raise NotFound(f"there is no standby {application_name!r}")


async def _record(owner: Any, tenant_id: Any, action: str, slug: str, new: dict[str, Any] | None) -> None:
    system = Principal(tenant_id=tenant_id, tenant_status=TenantStatus.ACTIVE, scopes=frozenset({Scope.ADMIN}))
    await Recorder(clock.now)(owner, system, action, resource=("region", slug), new=new)
