"""`GET /api/v1/unmapped`: what agents say that no dialect understands."""

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel

from monitor.http.deps import Given, Reader
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.runs.unmapped import list_unmapped

router = APIRouter(prefix="/api/v1", tags=["runs"])


class UnmappedBody(BaseModel):
    """A name in a dialect's namespace. `unknown`: no table knows it, it is kept as an attribute of its span;
    `misfit`: its value was of no use. `seen`: about how often."""

    dialect: str
    name: str
    kind: Literal["unknown", "misfit"]
    seen: int
    first_seen_at: datetime
    last_seen_at: datetime


@router.get("/unmapped")
async def list_names(deps: Given, principal: Reader, limit: Limit = 100, cursor: Cursor = None) -> Page[UnmappedBody]:
    """By dialect and name."""
    after = decode(cursor, parts=3)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await list_unmapped(connection, principal.tenant_id, after=after, limit=limit + 1)
    made: dict[str, Any] = page(rows, limit, lambda row: [row["dialect"], row["name"], row["kind"]])
    return Page[UnmappedBody].model_validate(made)
