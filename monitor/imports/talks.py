"""Conversations and messages that are brought here: named as their platform names them, numbered in the order read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.conversations import store
from monitor.conversations.store import Held, NewMessage, Opening
from monitor.ids import microseconds, uuid7_us
from monitor.imports.given import Given
from monitor.imports.into import Into
from monitor.imports.report import Report
from monitor.imports.step import Columns, Made, row
from monitor.imports.writing import Writing, by_tenant, together

TABLES = ("messages",)
ROLES = frozenset({"user", "assistant", "system", "tool"})
STATUSES = frozenset({"active", "completed", "failed", "cancelled"})
_EDITED = text("""
    UPDATE messages m SET edited_at = n.at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS timestamptz[])) AS n (id, at)
    WHERE m.tenant_id = :tenant AND m.id = ANY (:ids) AND m.id = n.id
""")


@dataclass(slots=True, kw_only=True)
class Said:
    """One message. `name`: what its platform calls it; `reply_to`: what it calls the message that it answers."""

    conversation: str
    name: str
    role: str
    content: str
    at: datetime
    user: str | None = None
    agent_id: UUID | None = None
    agent_type: str | None = None
    model: str | None = None
    token_count: int | None = None
    latency_ms: int | None = None
    tool_calls: Any = None
    tool_results: Any = None
    attachments: Sequence[Any] = ()
    reply_to: str | None = None
    edited_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def role(column: str = "role") -> Callable[[Given], str]:
    """A word that is none of ours is a user's, and kept."""
    return lambda given: given.word(column, ROLES, "user")


def attached(given: Sequence[str] | None) -> list[dict[str, str]]:
    """What hangs on a message: an address, or else an id."""
    return [{"url" if "://" in one else "id": one} for one in given or [] if one]


def saying(columns: Columns, *, of: str | None = None) -> Callable[[Given], Said]:
    """What makes a message, by the fields of Said. `of`: the source's column that names its tenant, if it has one."""
    made = row(columns, of=of)
    return lambda given: Said(**made(given))


async def put(into: Into, made: Made[Said], report: Report) -> Writing:
    """Messages, in the order in which they were said; those that are here stay as they are."""
    report.kept += len(made)
    await into.cover(TABLES, [one.at for _, one in made])
    return together([(tenant_id, _taken(tenant_id, said)) for tenant_id, said in by_tenant(made).items()])


def _taken(tenant_id: UUID, said: Sequence[Said]) -> Writing:
    async def write(connection: AsyncConnection) -> None:
        first: dict[str, Opening] = {}
        for one in said:
            first.setdefault(one.conversation, Opening(one.at, user=one.user))
        held = await store.hold(connection, tenant_id, first)
        wanted = {(held[one.conversation].id, name) for one in said for name in (one.name, one.reply_to) if name}
        known = {place: found.id for place, found in (await store.named(connection, tenant_id, wanted)).items()}
        made = []
        for one in said:
            conversation = held[one.conversation]
            if (conversation.id, one.name) not in known:
                made.append(_message(one, conversation, known))
                known[conversation.id, one.name] = made[-1].id
        if made:
            await store.insert_messages(connection, tenant_id, made, held.values())
        edited = {known[held[one.conversation].id, one.name]: one.edited_at for one in said if one.edited_at}
        if edited:
            given = {"tenant": tenant_id, "ids": list(edited), "times": list(edited.values())}
            await connection.execute(_EDITED, given)

    return Writing(rows=write)


def _message(one: Said, conversation: Held, known: Mapping[tuple[UUID, str], UUID]) -> NewMessage:
    """`reply_to` finds what was said before; what it names else is kept in the metadata."""
    metadata = one.metadata
    reply_to_id = None if one.reply_to is None else known.get((conversation.id, one.reply_to))
    if one.reply_to is not None and reply_to_id is None:
        metadata = metadata | {"imported": {**metadata.get("imported", {}), "reply_to": one.reply_to}}
    at_us = microseconds(one.at)
    return NewMessage(
        uuid7_us(at_us), conversation.id, conversation.number(), one.name, one.role, one.content, one.agent_id,
        one.agent_type, one.user, one.model, one.token_count, one.latency_ms, _json(one.tool_calls),
        _json(one.tool_results), msgspec.json.encode(list(one.attachments)), reply_to_id,
        msgspec.json.encode(metadata), at_us,
    )  # fmt: skip


def _json(value: Any) -> bytes | None:
    return None if value is None else msgspec.json.encode(value)
