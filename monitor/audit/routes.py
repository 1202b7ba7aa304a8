"""`GET /api/v1/audit-logs`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from monitor.audit import store
from monitor.errors import Unreadable
from monitor.http.deps import Admin, Given
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of


class EntryBody(BaseModel):
    """One mutation."""

    id: UUID
    at: datetime
    actor: str
    action: str
    resource_type: str
    resource_id: str | None
    old_values: dict[str, Any] | None
    new_values: dict[str, Any] | None
    status: str


router = APIRouter(prefix="/api/v1", tags=["audit"])


@router.get("/audit-logs")
async def list_entries(deps: Given, principal: Admin, limit: Limit = 100, cursor: Cursor = None) -> Page[EntryBody]:
    """The audit trail, newest first."""
    key = decode(cursor, parts=1)
    before = None if key is None else uuid_of(key[0])
    if key is not None and before is None:
        raise Unreadable("cursor is not one that was given out")
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await store.list_entries(connection, principal.tenant_id, limit=limit, before=before)
    return Page[EntryBody](**page(rows, limit, lambda row: [str(row["id"])]))
