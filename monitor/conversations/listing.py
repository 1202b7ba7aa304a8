"""Conversations as they are answered: one, and pages of them, with the status that follows from their last activity."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.core.duration import parse_duration
from monitor.agents.tables import Agent
from monitor.conversations.tables import Conversation
from monitor.errors import InvalidInput
from monitor.identity.tables import Tenant

IDLE_AFTER = timedelta(minutes=30)
"""How long nothing happens in a conversation until it is idle, where `tenants.settings` say nothing else."""
SETTING = "conversations"
"""Its place there: `{"conversations": {"idle_after": "2h"}}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which conversations are wanted; what is None does not matter. Times are those of the start."""

    status: str | None = None
    conversation_type: str | None = None
    agent_id: UUID | None = None
    user: str | None = None
    participant: str | None = None
    part: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    deleted: bool = False


def idle_after(settings: Mapping[str, Any]) -> timedelta:
    """As it stands in a tenant's settings."""
    own = settings.get(SETTING)
    given = own.get("idle_after") if isinstance(own, Mapping) else None
    if not isinstance(given, str | int | float) or isinstance(given, bool):
        return IDLE_AFTER
    try:
        found = parse_duration(given)
    except ValueError:
        return IDLE_AFTER
    return found if found > timedelta() else IDLE_AFTER


async def _idle_since(connection: AsyncConnection, tenant_id: UUID, now: datetime) -> datetime:
    """Active conversations in which nothing happened since then are idle."""
    found = await connection.execute(select(Tenant.settings).where(Tenant.id == tenant_id))
    return now - idle_after(found.scalar() or {})


def _query(tenant_id: UUID) -> Select[*tuple[Any, ...]]:
    columns = [column for column in Conversation.__table__.columns if column.name != "tenant_id"]
    joined = and_(Agent.tenant_id == Conversation.tenant_id, Agent.id == Conversation.agent_id)
    return (
        select(*columns, Agent.external_id.label("agent"))
        .outerjoin(Agent, joined)
        .where(Conversation.tenant_id == tenant_id)
    )


def _shown(row: Mapping[str, Any], idle_since: datetime) -> dict[str, Any]:
    idle = row["status"] == "active" and row["last_activity_at"] < idle_since
    return {**row, "status": "idle" if idle else row["status"]}


async def read_conversation(connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID) -> dict[str, Any]:
    """The row as it is stored, which an ETag is made of."""
    query = select(*Conversation.__table__.columns).where(
        Conversation.tenant_id == tenant_id, Conversation.id == conversation_id
    )
    return dict((await connection.execute(query)).mappings().one())


async def get_conversation(
    connection: AsyncConnection, tenant_id: UUID, conversation_id: UUID, *, now: datetime
) -> dict[str, Any]:
    """One that is there, deleted or not."""
    row = (await connection.execute(_query(tenant_id).where(Conversation.id == conversation_id))).mappings().one()
    return _shown(dict(row), await _idle_since(connection, tenant_id, now))


async def list_conversations(
    connection: AsyncConnection,
    tenant_id: UUID,
    wanted: Wanted,
    *,
    now: datetime,
    limit: int,
    by: str = "started_at",
    before: tuple[datetime, UUID] | None = None,
) -> list[dict[str, Any]]:
    """`limit + 1` conversations, the newest by `started_at` or `last_activity_at` first, those that come after the one
    with this time and id."""
    if by not in ("started_at", "last_activity_at"):
        raise InvalidInput("one of started_at, last_activity_at is expected", path="sort")
    idle_since = await _idle_since(connection, tenant_id, now)
    column = Conversation.__table__.columns[by]
    query = _query(tenant_id).order_by(column.desc(), Conversation.id.desc()).limit(limit + 1)
    gone = Conversation.deleted_at
    query = query.where(gone.is_not(None) if wanted.deleted else gone.is_(None), *_conditions(wanted, idle_since))
    if before is not None:
        at, last = before
        # The first condition alone is one that the index knows.
        query = query.where(column <= at, or_(column < at, Conversation.id < last))
    return [_shown(dict(row), idle_since) for row in (await connection.execute(query)).mappings()]


def _conditions(wanted: Wanted, idle_since: datetime) -> list[ColumnElement[bool]]:
    table, made = Conversation, list[ColumnElement[bool]]()
    if wanted.status in ("active", "idle"):
        idle = table.last_activity_at < idle_since
        made += [table.status == "active", idle if wanted.status == "idle" else ~idle]
    elif wanted.status is not None:
        made.append(table.status == wanted.status)
    if wanted.conversation_type is not None:
        made.append(table.conversation_type == wanted.conversation_type)
    if wanted.agent_id is not None:
        made.append(table.agent_id == wanted.agent_id)
    if wanted.user is not None:
        made.append(table.user_ref == wanted.user)
    if wanted.participant is not None:
        made.append(table.participants.contains([wanted.participant]))
    if wanted.part is not None:
        made.append(
            or_(
                table.title.icontains(wanted.part, autoescape=True),
                table.external_id.icontains(wanted.part, autoescape=True),
            )
        )
    if wanted.since is not None:
        made.append(table.started_at >= wanted.since)
    if wanted.until is not None:
        made.append(table.started_at < wanted.until)
    return made
