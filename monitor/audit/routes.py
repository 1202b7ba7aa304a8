"""`GET /api/v1/audit-logs`, a page at a time or all of it in one stream."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from monitor.audit import store
from monitor.audit.bodies import EntryBody, Outcome
from monitor.audit.export import Format, export
from monitor.audit.store import Wanted
from monitor.errors import Unreadable
from monitor.http.deps import Admin, Given
from monitor.http.paging import NOT_OURS, Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of

MEDIA = {Format.NDJSON: "application/x-ndjson", Format.CSV: "text/csv; charset=utf-8"}

Word = Annotated[str | None, Query(max_length=200)]


def _wanted(
    actor: Word = None,
    action: Word = None,
    resource_type: Word = None,
    resource_id: Word = None,
    user: Annotated[UUID | None, Query()] = None,
    status: Outcome | None = None,
    since: Annotated[AwareDatetime | None, Query()] = None,
    until: Annotated[AwareDatetime | None, Query(description="not among them")] = None,
) -> Wanted:
    return Wanted(
        actor=actor, action=action, resource_type=resource_type, resource_id=resource_id, user_id=user, status=status,
        since=since, until=until,
    )  # fmt: skip


Filters = Annotated[Wanted, Depends(_wanted)]
router = APIRouter(prefix="/api/v1", tags=["audit"])


@router.get("/audit-logs")
async def list_entries(
    deps: Given, principal: Admin, wanted: Filters, limit: Limit = 100, cursor: Cursor = None
) -> Page[EntryBody]:
    """The audit trail, newest first."""
    key = decode(cursor, parts=1)
    before = None if key is None else uuid_of(key[0])
    if key is not None and before is None:
        raise Unreadable(NOT_OURS)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await store.list_entries(connection, principal.tenant_id, wanted, limit=limit, before=before)
    return Page[EntryBody](**page(rows, limit, lambda row: [str(row["id"])]))


@router.get(
    "/audit-logs/export",
    response_class=StreamingResponse,
    responses={200: {"content": {media.partition(";")[0]: {"schema": {"type": "string"}} for media in MEDIA.values()}}},
)
async def export_entries(
    deps: Given,
    principal: Admin,
    wanted: Filters,
    layout: Annotated[Format, Query(alias="format")] = Format.NDJSON,
) -> StreamingResponse:
    """The audit trail, newest first, as one file of any length."""
    return StreamingResponse(
        export(deps.db, principal.tenant_id, wanted, layout),
        media_type=MEDIA[layout],
        headers={"Content-Disposition": f'attachment; filename="audit-logs.{layout}"'},
    )
