"""Reading conversations, hiding them and bringing them back. They are told of to monitor.ingest.conversations."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import store as agents
from monitor.conversations import listing, store
from monitor.conversations.bodies import ConversationBody, Status
from monitor.conversations.listing import Wanted
from monitor.conversations.message_routes import Times, Word
from monitor.conversations.tables import Conversation
from monitor.errors import NotFound, Unreadable
from monitor.http.deps import Deps, Given, Reader, Writer
from monitor.http.etags import Match, check_match, etag
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.principal import Principal, Scope

router = APIRouter(prefix="/api/v1", tags=["conversations"])

Sort = Literal["started_at", "last_activity_at"]


@router.get("/conversations")
async def list_conversations(
    deps: Given,
    principal: Reader,
    within: Times,
    limit: Limit = 100,
    cursor: Cursor = None,
    sort: Annotated[Sort, Query(description="newest first by this")] = "started_at",
    status: Status | None = None,
    type: Word = None,  # noqa: A002 - what callers know it by
    agent: Word = None,
    user: Word = None,
    participant: Word = None,
    q: Annotated[str | None, Query(max_length=200, description="part of the title or the id")] = None,
    deleted: Annotated[bool, Query(description="what was deleted instead; takes the scope write")] = False,
) -> Page[ConversationBody]:
    """Conversations, newest first; `since` and `until` are about their start."""
    if deleted:
        principal.require(Scope.WRITE)
    before = _before(cursor, sort)
    async with deps.db.tenant(principal.tenant_id) as connection:
        try:
            row = None if agent is None else await _agent(deps, connection, principal, agent)
        except NotFound:
            return Page[ConversationBody](items=[], next=None)
        wanted = Wanted(
            status=status, conversation_type=type, agent_id=None if row is None else row.id, user=user,
            participant=participant, part=q, since=within.since, until=within.until, deleted=deleted,
        )  # fmt: skip
        rows = await listing.list_conversations(
            connection, principal.tenant_id, wanted, now=deps.clock(), limit=limit, by=sort, before=before
        )
    found = page(rows, limit, lambda one: [sort, one[sort].isoformat(), str(one["id"])])
    return Page[ConversationBody].model_validate(found)


async def _agent(deps: Deps, connection: AsyncConnection, principal: Principal, agent: str) -> agents.AgentRow:
    return await agents.get_agent(connection, principal.tenant_id, uuid_of(agent) or agent, deps.clock())


def _before(cursor: str | None, sort: str) -> tuple[datetime, UUID] | None:
    """Time and id in a cursor of this sort. Raises Unreadable."""
    key = decode(cursor, parts=3)
    if key is None:
        return None
    try:
        at, last = datetime.fromisoformat(key[1]), UUID(key[2])
    except ValueError:
        raise Unreadable("cursor is not one that was given out") from None
    if key[0] != sort or at.tzinfo is None:
        raise Unreadable("cursor is not one that was given out for this sort")
    return at, last


@router.get("/conversations/{conversation}")
async def get_conversation(deps: Given, principal: Reader, conversation: str, response: Response) -> ConversationBody:
    """One conversation, by the caller's name or our id. Its messages change its ETag."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        found = await store.find_conversation(connection, principal.tenant_id, conversation)
        row = await listing.get_conversation(connection, principal.tenant_id, found, now=deps.clock())
        stored = await listing.read_conversation(connection, principal.tenant_id, found)
    response.headers["ETag"] = etag(stored)
    return ConversationBody.model_validate(row)


@router.delete("/conversations/{conversation}", status_code=204)
async def delete_conversation(deps: Given, principal: Writer, conversation: str, match: Match = None) -> Response:
    """Hide a conversation with its messages. Nobody adds to it until it is restored."""
    await _mark(deps, principal, conversation, deps.clock(), match=match)
    return Response(status_code=204)


@router.post("/conversations/{conversation}/restore")
async def restore_conversation(deps: Given, principal: Writer, conversation: str) -> ConversationBody:
    """Bring a conversation back that was deleted, with its messages."""
    return await _mark(deps, principal, conversation, None)


async def _mark(
    deps: Deps, principal: Principal, conversation: str, at: datetime | None, *, match: str | None = None
) -> ConversationBody:
    """Delete it at a time, or with None bring it back; as it was or is."""
    tenant_id, now = principal.tenant_id, deps.clock()
    async with deps.db.tenant(tenant_id) as connection:
        held = await store.hold_one(connection, tenant_id, conversation, deleted=at is None)
        check_match(await listing.read_conversation(connection, tenant_id, held.id), match)
        which = update(Conversation).where(Conversation.tenant_id == tenant_id, Conversation.id == held.id)
        await connection.execute(which.values(deleted_at=at))
        action = "conversation.restored" if at is None else "conversation.deleted"
        await deps.audit(
            connection, principal, action, resource=("conversation", str(held.id)),
            new={"external_id": held.external_id},
        )  # fmt: skip
        row = await listing.get_conversation(connection, tenant_id, held.id, now=now)
    return ConversationBody.model_validate(row)
