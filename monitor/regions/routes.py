"""`/api/v1/regions` and `/api/v1/tenant/regions`: which regions there are, and which the tenant belongs to."""

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel

from monitor.http.deps import Given, Reader
from monitor.regions import store

router = APIRouter(prefix="/api/v1", tags=["regions"])


class RegionBody(BaseModel):
    """A region. `jurisdiction`: whose law holds there; `endpoint`: where its collectors answer."""

    slug: str
    name: str
    jurisdiction: str
    provider: str | None
    endpoint: str | None
    is_primary: bool


class PlaceBody(BaseModel):
    """A region that the tenant belongs to. With `residency` what it sends is taken in such regions alone."""

    slug: str
    name: str
    jurisdiction: str
    endpoint: str | None
    residency: bool


@router.get("/regions")
async def list_regions(deps: Given, principal: Reader) -> dict[str, list[RegionBody]]:
    """The regions there are."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await store.list_regions(connection)
    shown = RegionBody.model_fields
    return {"items": [RegionBody(**{name: getattr(row, name) for name in shown}) for row in rows]}


@router.get("/tenant/regions")
async def list_places(deps: Given, principal: Reader) -> dict[str, list[PlaceBody]]:
    """The regions that the tenant belongs to. What it sends elsewhere is answered 421, with the right endpoint."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await store.places_of(connection, principal.tenant_id)
    return {"items": [PlaceBody(**asdict(row)) for row in rows]}
