"""`/api/v1/data-requests`: what is stored about a member, handed out or erased; for administrators."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from monitor.errors import Conflict, Unreadable
from monitor.http.deps import Admin, Deps, Given
from monitor.http.described import MISSING
from monitor.http.paging import NOT_OURS, Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.identity import inviting, members
from monitor.ids import uuid7
from monitor.principal import Principal
from monitor.subjects import erasing, requests
from monitor.subjects.export import export
from monitor.subjects.person import Person, read
from monitor.subjects.requests import Kind, Request, Status

MEDIA = "application/x-ndjson"

Name = Annotated[str, Field(min_length=1, max_length=200)]


class AskBody(BaseModel):
    """What is asked for. `user`: a member's id or email address; `also`: what callers of the API call them beside."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    user: Name
    also: Annotated[list[Name], Field(max_length=20)] = []


class RequestBody(BaseModel):
    """A request and how far it is. `user`: whose data; null when it is erased. `report`: rows by table."""

    id: UUID
    kind: Kind
    status: Status
    user: UUID | None
    requested_by: str
    report: dict[str, int]
    error: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


router = APIRouter(prefix="/api/v1/data-requests", tags=["identity"])


@router.post("", status_code=201, responses=MISSING)
async def ask(deps: Given, principal: Admin, body: AskBody) -> RequestBody:
    """Ask for what is stored about a member, to be fetched at `/export`, or that it be erased, which cannot be undone.

    Whoever is erased is shut out at once and gone within minutes. Refused for the last owner, and for whom a rotation
    names.
    """
    tenant_id, now = principal.tenant_id, deps.clock()
    ended: list[str] = []
    async with deps.db.tenant(tenant_id) as connection:
        member = await members.get_member(connection, tenant_id, body.user)
        if body.kind is Kind.ERASURE:
            part = await inviting.part_of(connection, tenant_id, member.id)
            await inviting.refuse_owners(connection, principal, part.role)
            await erasing.check(connection, tenant_id, member.id)
        made = await requests.add(
            connection, tenant_id, uuid7(now), kind=body.kind, user_id=member.id, also=body.also,
            actor=principal.actor, now=now,
        )  # fmt: skip
        if body.kind is Kind.ERASURE:
            ended = await erasing.shut_out(connection, tenant_id, member.id, made, now=now)
        await deps.audit(
            connection, principal, "data_request.created", resource=("data_request", str(made.id)),
            new={"kind": body.kind.value, "user": str(member.id)},
        )  # fmt: skip
    for digest in ended:
        deps.authenticator.forget_session(digest)
    return _body(made)


@router.get("")
async def list_requests(deps: Given, principal: Admin, limit: Limit = 100, cursor: Cursor = None) -> Page[RequestBody]:
    """The tenant's requests, newest first."""
    key = decode(cursor, parts=1)
    before = None if key is None else uuid_of(key[0])
    if key is not None and before is None:
        raise Unreadable(NOT_OURS)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await requests.newest(connection, principal.tenant_id, limit=limit, before=before)
    found = page(rows, limit, lambda row: [str(row.id)])
    return Page[RequestBody](items=[_body(row) for row in found["items"]], next=found["next"])


@router.get("/{request_id}", responses=MISSING)
async def get_request(deps: Given, principal: Admin, request_id: UUID) -> RequestBody:
    """One of them: how far it is."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return _body(await requests.get(connection, principal.tenant_id, request_id))


@router.get(
    "/{request_id}/export",
    response_class=StreamingResponse,
    responses={**MISSING, 200: {"content": {MEDIA: {"schema": {"type": "string"}}}}},
)
async def fetch(deps: Given, principal: Admin, request_id: UUID) -> StreamingResponse:
    """Everything that the tenant stores about the person: an object a line, with the table and the row."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        found = await requests.get(connection, tenant_id, request_id)
        if found.kind is not Kind.EXPORT:
            raise Conflict("an erasure hands nothing out")
        if found.user_id is None:
            raise Conflict("the person is gone")
        person = await read(connection, found.user_id, tenant=tenant_id, also=found.also)
        await requests.begin(connection, found, now=deps.clock())
        await deps.audit(
            connection, principal, "data_request.exported", resource=("data_request", str(request_id)),
            new={"user": str(person.id)},
        )  # fmt: skip
    return StreamingResponse(
        _written(deps, principal, found, person),
        media_type=MEDIA,
        headers={"Content-Disposition": f'attachment; filename="person-{person.id}.ndjson"'},
    )


async def _written(deps: Deps, principal: Principal, request: Request, person: Person) -> AsyncIterator[str]:
    """The export; that it is done is said when all of it was taken."""
    count: dict[str, int] = {}
    async for piece in export(deps.db.tenant, [principal.tenant_id], person, count):
        yield piece
    async with deps.db.tenant(principal.tenant_id) as connection:
        await requests.finish(connection, request, now=deps.clock(), report=count)


def _body(request: Request) -> RequestBody:
    return RequestBody(
        id=request.id,
        kind=request.kind,
        status=request.status,
        user=request.user_id,
        requested_by=request.requested_by,
        report=dict(request.report),
        error=request.error,
        created_at=request.created_at,
        started_at=request.started_at,
        completed_at=request.completed_at,
    )
