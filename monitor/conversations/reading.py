"""Reads messages back: by id, a conversation's in their order, an agent's over all conversations, edits."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.tables import Agent
from monitor.conversations.tables import Conversation, Message, MessageEdit
from monitor.errors import NotFound
from monitor.ids import uuid7_floor

Row = dict[str, Any]


class Within(NamedTuple):
    """Times of messages, by their own clock: from `since` up to and without `until`."""

    since: datetime | None = None
    until: datetime | None = None


EVER = Within()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages are wanted; what is None does not matter."""

    conversation_id: UUID | None = None
    role: str | None = None
    agent_id: UUID | None = None
    agent_type: str | None = None
    user: str | None = None
    reply_to_id: UUID | None = None
    within: Within = EVER


def _messages(tenant_id: UUID) -> Select[*tuple[Any, ...]]:
    """Messages of conversations that are there, with the names of these and of their agents."""
    columns = [column for column in Message.__table__.columns if column.name != "tenant_id"]
    return (
        select(*columns, Conversation.external_id.label("conversation"), Agent.external_id.label("agent"))
        .join(
            Conversation,
            and_(Conversation.tenant_id == Message.tenant_id, Conversation.id == Message.conversation_id),
        )
        .outerjoin(Agent, and_(Agent.tenant_id == Message.tenant_id, Agent.id == Message.agent_id))
        .where(Message.tenant_id == tenant_id, Conversation.deleted_at.is_(None))
    )


async def get_messages(connection: AsyncConnection, tenant_id: UUID, ids: Collection[UUID]) -> list[Row]:
    """These messages, as far as they are there."""
    rows = await connection.execute(_messages(tenant_id).where(Message.id.in_(list(ids))))
    return [dict(row) for row in rows.mappings()]


async def get_message(connection: AsyncConnection, tenant_id: UUID, message_id: UUID | None) -> Row:
    """One message. Raises NotFound."""
    found = await get_messages(connection, tenant_id, [] if message_id is None else [message_id])
    if not found:
        raise NotFound("there is no such message")
    return found[0]


def editable(row: Mapping[str, Any]) -> Row:
    """What edits change of a message: its ETag is made of it."""
    return {name: row[name] for name in ("id", "content", "metadata", "edited_at")}


async def list_history(
    connection: AsyncConnection,
    tenant_id: UUID,
    wanted: Wanted,
    *,
    limit: int,
    after: int | None = None,
    descending: bool = False,
) -> list[Row]:
    """`limit + 1` messages of a conversation in their order or the other way round, those past the place `after`."""
    place = Message.sequence_number
    query = _narrowed(_messages(tenant_id), wanted).order_by(place.desc() if descending else place).limit(limit + 1)
    if after is not None:
        query = query.where(place < after if descending else place > after)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def list_messages(
    connection: AsyncConnection, tenant_id: UUID, wanted: Wanted, *, limit: int, before: UUID | None = None
) -> list[Row]:
    """`limit + 1` messages of all conversations, newest first, older than the message `before`."""
    query = _narrowed(_messages(tenant_id), wanted).order_by(Message.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Message.id < before)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


def _narrowed(query: Select[*tuple[Any, ...]], wanted: Wanted) -> Select[*tuple[Any, ...]]:
    same: Mapping[Any, Any] = {
        Message.conversation_id: wanted.conversation_id,
        Message.role: wanted.role,
        Message.agent_id: wanted.agent_id,
        Message.agent_type: wanted.agent_type,
        Message.user_ref: wanted.user,
        Message.reply_to_id: wanted.reply_to_id,
    }
    for column, value in same.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.within.since is not None:
        query = query.where(Message.id >= uuid7_floor(wanted.within.since))
    if wanted.within.until is not None:
        query = query.where(Message.id < uuid7_floor(wanted.within.until))
    return query


async def list_edits(connection: AsyncConnection, tenant_id: UUID, message_id: UUID) -> list[Row]:
    """What the message said before, oldest first."""
    query = (
        select(MessageEdit.version, MessageEdit.content, MessageEdit.edited_by, MessageEdit.edited_at)
        .where(MessageEdit.tenant_id == tenant_id, MessageEdit.message_id == message_id)
        .order_by(MessageEdit.version)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]
