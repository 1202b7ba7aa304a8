"""Reading messages: `/api/v1/messages`, and a conversation's history. They are posted to monitor.ingest."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import store as agents
from monitor.conversations import reading, store
from monitor.conversations.bodies import EditBody, MessageBody, Role
from monitor.conversations.reading import Wanted, Within
from monitor.errors import NotFound, Unreadable
from monitor.http.deps import Deps, Given, Reader
from monitor.http.etags import etag
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.principal import Principal
from monitor.series.routes import parse_time

router = APIRouter(prefix="/api/v1", tags=["conversations"])

Word = Annotated[str | None, Query(max_length=200)]
Time = Annotated[str | None, Query(description="RFC 3339, Unix seconds, or relative such as -24h")]
Replied = Annotated[str | None, Query(max_length=200, description="replies to this message")]


async def _within(deps: Given, since: Time = None, until: Time = None) -> Within:
    now = deps.clock()
    return Within(
        None if since is None else parse_time(since, now=now, path="since"),
        None if until is None else parse_time(until, now=now, path="until"),
    )


Times = Annotated[Within, Depends(_within)]


async def _agent(deps: Deps, connection: AsyncConnection, principal: Principal, agent: str | None) -> UUID | None:
    if agent is None:
        return None
    row = await agents.get_agent(connection, principal.tenant_id, uuid_of(agent) or agent, deps.clock())
    return row.id


@router.get("/messages")
async def list_messages(
    deps: Given,
    principal: Reader,
    within: Times,
    limit: Limit = 100,
    cursor: Cursor = None,
    agent: Word = None,
    role: Role | None = None,
    agent_type: Word = None,
    user: Word = None,
) -> Page[MessageBody]:
    """Messages of all conversations, newest first. Whoever asks for those of an agent that is not there gets none."""
    key = decode(cursor, parts=1)
    before = None if key is None else uuid_of(key[0])
    if key is not None and before is None:
        raise Unreadable("cursor is not one that was given out")
    async with deps.db.tenant(principal.tenant_id) as connection:
        try:
            agent_id = await _agent(deps, connection, principal, agent)
        except NotFound:
            return Page[MessageBody](items=[], next=None)
        wanted = Wanted(role=role, agent_id=agent_id, agent_type=agent_type, user=user, within=within)
        rows = await reading.list_messages(connection, principal.tenant_id, wanted, limit=limit, before=before)
    return Page[MessageBody].model_validate(page(rows, limit, lambda row: [str(row["id"])]))


@router.get("/messages/{message}")
async def get_message(
    deps: Given, principal: Reader, message: str, response: Response, conversation: Word = None
) -> MessageBody:
    """One message, by our id; by the caller's own where its conversation is said. Edits change its ETag."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        found = await store.find_message(connection, principal.tenant_id, message, conversation=conversation)
        row = await reading.get_message(connection, principal.tenant_id, found)
    response.headers["ETag"] = etag(reading.editable(row))
    return MessageBody.model_validate(row)


@router.get("/messages/{message}/edits")
async def list_edits(
    deps: Given, principal: Reader, message: str, conversation: Word = None
) -> dict[str, list[EditBody]]:
    """What a message said before, oldest first."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        found = await store.find_message(connection, principal.tenant_id, message, conversation=conversation)
        row = await reading.get_message(connection, principal.tenant_id, found)
        rows = await reading.list_edits(connection, principal.tenant_id, row["id"])
    return {"items": [EditBody.model_validate(one) for one in rows]}


@router.get("/conversations/{conversation}/messages")
async def list_history(
    deps: Given,
    principal: Reader,
    conversation: str,
    within: Times,
    limit: Limit = 100,
    cursor: Cursor = None,
    order: Literal["asc", "desc"] = "asc",
    role: Role | None = None,
    agent: Word = None,
    agent_type: Word = None,
    reply_to: Replied = None,
) -> Page[MessageBody]:
    """A conversation's messages in their order, or the newest first. Pages stay as they are while others are added."""
    key = decode(cursor, parts=1)
    if key is not None and not (key[0].isascii() and key[0].isdigit() and len(key[0]) < 19):
        raise Unreadable("cursor is not one that was given out")
    async with deps.db.tenant(principal.tenant_id) as connection:
        found = await store.find_conversation(connection, principal.tenant_id, conversation)
        wanted = Wanted(
            conversation_id=found,
            role=role,
            agent_id=await _agent(deps, connection, principal, agent),
            agent_type=agent_type,
            reply_to_id=None
            if reply_to is None
            else await store.find_message(connection, principal.tenant_id, reply_to, conversation=conversation),
            within=within,
        )
        rows = await reading.list_history(
            connection,
            principal.tenant_id,
            wanted,
            limit=limit,
            after=None if key is None else int(key[0]),
            descending=order == "desc",
        )
    return Page[MessageBody].model_validate(page(rows, limit, lambda row: [str(row["sequence_number"])]))
