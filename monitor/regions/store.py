"""Regions in SQL: which there are, and which tenants belong to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import NotFound
from monitor.ids import PLATFORM_TENANT
from monitor.regions.tables import Region, TenantRegion


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRow:
    """A region. See `Region`."""

    id: UUID
    slug: str
    name: str
    jurisdiction: str
    provider: str | None
    endpoint: str | None
    is_primary: bool
    application_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A region that a tenant belongs to. `residency`: what it sends is taken in such regions alone."""

    slug: str
    name: str
    jurisdiction: str
    endpoint: str | None
    residency: bool


_ROW = [
    Region.id, Region.slug, Region.name, Region.jurisdiction, Region.provider, Region.endpoint, Region.is_primary,
    Region.application_name,
]  # fmt: skip
_PLACES = text("""
    SELECT r.slug, r.name, r.jurisdiction, r.endpoint, t.residency
    FROM tenant_regions t JOIN regions r ON r.tenant_id = t.region_tenant_id AND r.id = t.region_id
    WHERE t.tenant_id = :tenant_id ORDER BY r.slug
""")


def _row(row: RowMapping) -> RegionRow:
    return RegionRow(**row)


async def list_regions(connection: AsyncConnection) -> list[RegionRow]:
    """All regions, by slug."""
    query = select(*_ROW).where(Region.tenant_id == PLATFORM_TENANT).order_by(Region.slug)
    return [_row(row) for row in (await connection.execute(query)).mappings()]


async def get_region(connection: AsyncConnection, slug: str) -> RegionRow:
    """One region. Raises NotFound."""
    query = select(*_ROW).where(Region.tenant_id == PLATFORM_TENANT, Region.slug == slug)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no region {slug!r}")
    return _row(row)


async def put_region(owner: AsyncConnection, region_id: UUID, slug: str, values: Mapping[str, Any]) -> None:
    """Make a region, or change the one of this slug. Raises Conflict for a second primary or standby of a name."""
    made = upsert(Region).values(tenant_id=PLATFORM_TENANT, id=region_id, slug=slug, **values)
    await owner.execute(made.on_conflict_do_update(index_elements=["tenant_id", "slug"], set_=dict(values)))


async def delete_region(owner: AsyncConnection, slug: str) -> None:
    """Forget a region. Raises NotFound, and Conflict while tenants belong to it."""
    query = delete(Region).where(Region.tenant_id == PLATFORM_TENANT, Region.slug == slug)
    if not (await owner.execute(query)).rowcount:
        raise NotFound(f"there is no region {slug!r}")


async def places_of(connection: AsyncConnection, tenant_id: UUID) -> list[Place]:
    """The regions that a tenant belongs to, by slug."""
    rows = await connection.execute(_PLACES, {"tenant_id": tenant_id})
    return [Place(**row) for row in rows.mappings()]


async def assign(owner: AsyncConnection, tenant_id: UUID, region_id: UUID, *, residency: bool) -> None:
    """Have a tenant belong to a region."""
    made = upsert(TenantRegion).values(tenant_id=tenant_id, region_id=region_id, residency=residency)
    await owner.execute(
        made.on_conflict_do_update(index_elements=["tenant_id", "region_id"], set_={"residency": residency})
    )


async def release(owner: AsyncConnection, tenant_id: UUID, region_id: UUID) -> bool:
    """The opposite; whether it did belong to it."""
    query = delete(TenantRegion).where(TenantRegion.tenant_id == tenant_id, TenantRegion.region_id == region_id)
    return bool((await owner.execute(query)).rowcount)
