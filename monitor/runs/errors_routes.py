"""`/api/v1/errors`: what fails most, since when, since which version; and what people say of it."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from monitor.agents.store import get_agent
from monitor.errors import Unreadable
from monitor.http.deps import Given, Reader, Responder
from monitor.http.described import MISSING
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.http.window import window_of
from monitor.runs import errors_store as store
from monitor.runs.errors import Failing
from monitor.runs.errors_store import GroupStatus

router = APIRouter(prefix="/api/v1", tags=["runs"])

Window = Annotated[str, Query(description="how far back to count, as in 24h", max_length=20)]


class ErrorBody(BaseModel):
    """An error: all that failed alike. `count`, `agents` and `versions` are of the window, `total` and the times of
    all that was ever seen. `first_version`: the agent's version when it was seen first."""

    fingerprint: str
    error_type: str | None
    message: str | None
    status: GroupStatus
    status_by: str | None
    status_at: datetime | None
    count: int
    total: int
    agents: list[str]
    versions: list[str]
    first_seen_at: datetime
    last_seen_at: datetime
    first_version: str | None


class OccurrenceBody(BaseModel):
    """One failure: of a task, a tool execution or an execution that was told as a log, whose id is `id`."""

    id: UUID
    kind: Failing
    at: datetime
    agent: str
    agent_version: str | None
    task_id: UUID | None
    trace_id: str | None
    error_type: str | None
    message: str | None


class StatusBody(BaseModel):
    """What somebody says of an error. One that is resolved becomes `regressed` when it comes again."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["open", "resolved", "ignored"]


@router.get("/errors", responses=MISSING)
async def list_errors(
    deps: Given,
    principal: Reader,
    window: Window = "24h",
    agent: str | None = None,
    status: GroupStatus | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ErrorBody]:
    """Errors seen within the window, the most frequent first."""
    now = deps.clock()
    key = decode(cursor, parts=2)
    if key is not None and not (key[0].isascii() and key[0].isdigit() and len(key[0]) < 19):
        raise Unreadable("cursor is not one that was given out")
    since = now - window_of(window)
    async with deps.db.tenant(principal.tenant_id) as connection:
        agent_id = None
        if agent is not None:
            agent_id = (await get_agent(connection, principal.tenant_id, uuid_of(agent) or agent, now)).id
        rows = await store.list_groups(
            connection, principal.tenant_id, since=since, limit=limit, agent_id=agent_id, status=status,
            after=None if key is None else (int(key[0]), key[1]),
        )  # fmt: skip
    found = page(rows, limit, lambda row: [str(row.count), row.fingerprint])
    return Page[ErrorBody](items=[ErrorBody(**asdict(row)) for row in found["items"]], next=found["next"])


@router.get("/errors/{fingerprint}")
async def get_error(deps: Given, principal: Reader, fingerprint: str, window: Window = "24h") -> ErrorBody:
    """One error."""
    now = deps.clock()
    since = now - window_of(window)
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await store.get_group(connection, principal.tenant_id, fingerprint, since=since)
    return ErrorBody(**asdict(row))


@router.get("/errors/{fingerprint}/occurrences")
async def list_occurrences(
    deps: Given, principal: Reader, fingerprint: str, limit: Limit = 100, cursor: Cursor = None
) -> Page[OccurrenceBody]:
    """Its failures, newest first, with the task and the trace of each."""
    key = decode(cursor, parts=1)
    before = None if key is None else uuid_of(key[0])
    if key is not None and before is None:
        raise Unreadable("cursor is not one that was given out")
    now = deps.clock()
    async with deps.db.tenant(principal.tenant_id) as connection:
        await store.get_group(connection, principal.tenant_id, fingerprint, since=now)
        rows = await store.list_occurrences(connection, principal.tenant_id, fingerprint, limit=limit, before=before)
    found = page(rows, limit, lambda row: [str(row.id)])
    return Page[OccurrenceBody](items=[OccurrenceBody(**asdict(row)) for row in found["items"]], next=found["next"])


@router.post("/errors/{fingerprint}/status")
async def set_status(deps: Given, principal: Responder, fingerprint: str, body: StatusBody) -> ErrorBody:
    """Resolve, ignore or open it again."""
    now = deps.clock()
    since = now - window_of("24h")
    async with deps.db.tenant(principal.tenant_id) as connection:
        before = await store.get_group(connection, principal.tenant_id, fingerprint, since=since)
        await store.set_status(
            connection, principal.tenant_id, fingerprint, GroupStatus(body.status), by=principal.actor, now=now
        )
        await deps.audit(
            connection, principal, "error.status_set", resource=("error", fingerprint),
            old={"status": before.status.value}, new={"status": body.status},
        )  # fmt: skip
        row = await store.get_group(connection, principal.tenant_id, fingerprint, since=since)
    return ErrorBody(**asdict(row))
