"""Writes conversations and messages. Who adds messages holds their conversations first, and so numbers them alone.

Several conversations are made in the order of their names and then held in the order of their ids: made ones are
nobody else's to hold before the commit, so two who add to the same ones wait for each other once at most.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import arrays
from monitor.errors import NotFound
from monitor.http.problems import uuid_of
from monitor.ids import uuid7


class Opening(NamedTuple):
    """What a conversation begins with that is made by its first message."""

    at: datetime
    agent_id: UUID | None = None
    user: str | None = None


@dataclass(slots=True)
class Held:
    """A conversation whose row this transaction holds. `last_sequence` is counted up by `number`."""

    id: UUID
    external_id: str
    last_sequence: int
    deleted: bool = False
    new: bool = False

    def number(self) -> int:
        """The next place in it."""
        self.last_sequence += 1
        return self.last_sequence


class Place(NamedTuple):
    """A message that a caller's id names. Without a place it has had its time and is gone."""

    id: UUID
    sequence_number: int | None


class NewMessage(NamedTuple):
    """A message to be written. JSON is encoded, without NUL; `at_us` is what its id carries."""

    id: UUID
    conversation_id: UUID
    sequence_number: int
    external_id: str | None
    role: str
    content: str
    agent_id: UUID | None
    agent_type: str | None
    user: str | None
    model: str | None
    token_count: int | None
    latency_ms: int | None
    tool_calls: bytes | None
    tool_results: bytes | None
    attachments: bytes
    reply_to_id: UUID | None
    metadata: bytes
    at_us: int


_HOLD = text("""
    SELECT id, external_id, last_sequence, deleted_at IS NOT NULL AS deleted FROM conversations
    WHERE tenant_id = :tenant AND external_id = ANY (:names) ORDER BY id FOR NO KEY UPDATE
""")
_HOLD_IDS = text("""
    SELECT id, external_id, last_sequence, deleted_at IS NOT NULL AS deleted FROM conversations
    WHERE tenant_id = :tenant AND (external_id = ANY (:names) OR id = ANY (:ids)) ORDER BY id FOR NO KEY UPDATE
""")
_FIND = text("""
    SELECT id, external_id, deleted_at IS NOT NULL AS deleted FROM conversations
    WHERE tenant_id = :tenant AND (external_id = ANY (:names) OR id = ANY (:ids))
""")
# In one order for all, so that two who make the same ones wait for each other once at most.
_MAKE = text("""
    INSERT INTO conversations (tenant_id, id, external_id, agent_id, user_ref, started_at, last_activity_at)
    SELECT :tenant, n.id, n.name, n.agent, n.person, n.at, n.at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[]), CAST(:agents AS uuid[]), CAST(:people AS text[]),
                CAST(:at AS timestamptz[])) AS n (id, name, agent, person, at)
    ORDER BY n.name ON CONFLICT DO NOTHING RETURNING id
""")
_NAMED = text("""
    SELECT n.conversation_id, n.external_id, n.message_id, m.sequence_number
    FROM unnest(CAST(:conversations AS uuid[]), CAST(:names AS text[])) AS w (conversation_id, external_id)
    JOIN message_names n ON n.tenant_id = :tenant AND n.conversation_id = w.conversation_id
                        AND n.external_id = w.external_id
    LEFT JOIN messages m ON m.tenant_id = :tenant AND m.id = n.message_id
""")
_PLACES = text("SELECT id, conversation_id FROM messages WHERE tenant_id = :tenant AND id = ANY (:ids)")
_FORGET = text("DELETE FROM conversations WHERE tenant_id = :tenant AND id = ANY (:ids)")
# One statement: messages, callers' ids of them, and the conversations' new state.
_INSERT = """
    WITH said AS (
        INSERT INTO messages (
            tenant_id, id, conversation_id, sequence_number, external_id, role, content, agent_id, agent_type, user_ref,
            model, token_count, latency_ms, tool_calls, tool_results, attachments, reply_to_id, metadata, created_at)
        SELECT %(tenant)s, n.*
        FROM unnest(
            %(id)s::uuid[], %(conversation_id)s::uuid[], %(sequence_number)s::bigint[], %(external_id)s::text[],
            %(role)s::text[], %(content)s::text[], %(agent_id)s::uuid[], %(agent_type)s::text[], %(user)s::text[],
            %(model)s::text[], %(token_count)s::bigint[], %(latency_ms)s::bigint[], %(tool_calls)s::jsonb[],
            %(tool_results)s::jsonb[], %(attachments)s::jsonb[], %(reply_to_id)s::uuid[], %(metadata)s::jsonb[],
            %(at_us)s::timestamptz[]) AS n
    ), named AS (
        INSERT INTO message_names (tenant_id, conversation_id, external_id, message_id)
        SELECT %(tenant)s, n.conversation_id, n.external_id, n.id
        FROM unnest(%(conversation_id)s::uuid[], %(external_id)s::text[], %(id)s::uuid[])
            AS n (conversation_id, external_id, id)
        WHERE n.external_id IS NOT NULL
    )
    UPDATE conversations c
    SET last_sequence = n.last_sequence, last_activity_at = greatest(c.last_activity_at, n.at)
    FROM unnest(%(held)s::uuid[], %(last)s::bigint[], %(latest)s::timestamptz[]) AS n (id, last_sequence, at)
    WHERE c.tenant_id = %(tenant)s AND c.id = n.id
"""


_COLUMNS: Mapping[str, Any] = {
    "id": arrays.uuids,
    "conversation_id": arrays.uuids,
    "sequence_number": arrays.int8s_or_null,
    **dict.fromkeys(("external_id", "role", "content"), arrays.texts),
    "agent_id": arrays.uuids_or_null,
    **dict.fromkeys(("agent_type", "user", "model"), arrays.texts),
    **dict.fromkeys(("token_count", "latency_ms"), arrays.int8s_or_null),
    **dict.fromkeys(("tool_calls", "tool_results", "attachments"), arrays.jsonbs),
    "reply_to_id": arrays.uuids_or_null,
    "metadata": arrays.jsonbs,
    "at_us": arrays.times_or_null,
}
"""How each field of a new message becomes an array."""


async def hold(connection: AsyncConnection, tenant_id: UUID, wanted: Mapping[str, Opening]) -> dict[str, Held]:
    """Until the end of the transaction nobody else adds to these conversations, by callers' names or our ids.

    Those that nobody knows are made.
    """
    made: set[UUID] = set()
    if len(wanted) > 1:
        there = await _rows(connection, tenant_id, _FIND, wanted)
        made = await _make(connection, tenant_id, {name: wanted[name] for name in wanted.keys() - there.keys()})
    held = await _hold(connection, tenant_id, wanted)
    if len(held) < len(wanted):
        # A single one: who makes it while holding nothing blocks nobody.
        made |= await _make(connection, tenant_id, {name: wanted[name] for name in wanted.keys() - held.keys()})
        held = await _hold(connection, tenant_id, wanted)
    for one in held.values():
        one.new = one.id in made
    return held


async def _hold(connection: AsyncConnection, tenant_id: UUID, names: Collection[str]) -> dict[str, Held]:
    rows = await _rows(connection, tenant_id, _HOLD_IDS if any(map(uuid_of, names)) else _HOLD, names)
    once = {row.id: Held(row.id, row.external_id, row.last_sequence, row.deleted) for row in rows.values()}
    return {name: once[row.id] for name, row in rows.items()}


async def _rows(connection: AsyncConnection, tenant_id: UUID, query: Any, names: Collection[str]) -> dict[str, Any]:
    """Rows by what was asked for: callers' names go before our ids, which a name may look like."""
    spelled = {name: made for name in names if (made := uuid_of(name)) is not None}
    given = {"tenant": tenant_id, "names": list(names), "ids": list(spelled.values())}
    if query is _HOLD:
        del given["ids"]
    rows = list(await connection.execute(query, given))
    known = {row.external_id: row for row in rows if row.external_id in names}
    by_id = {row.id: row for row in rows}
    return {name: by_id[made] for name, made in spelled.items() if made in by_id} | known


async def _make(connection: AsyncConnection, tenant_id: UUID, new: Mapping[str, Opening]) -> set[UUID]:
    if not new:
        return set()
    openings = list(new.values())
    given = {
        "tenant": tenant_id, "ids": [uuid7(one.at) for one in openings], "names": list(new),
        "agents": [one.agent_id for one in openings], "people": [one.user for one in openings],
        "at": [one.at for one in openings],
    }  # fmt: skip
    return set((await connection.execute(_MAKE, given)).scalars())


async def named(
    connection: AsyncConnection, tenant_id: UUID, wanted: Collection[tuple[UUID, str]]
) -> dict[tuple[UUID, str], Place]:
    """Messages by conversation and the caller's own id; those that nobody knows are left out."""
    if not wanted:
        return {}
    given = {"tenant": tenant_id, "conversations": [one for one, _ in wanted], "names": [name for _, name in wanted]}
    found = await connection.execute(_NAMED, given)
    return {(row.conversation_id, row.external_id): Place(row.message_id, row.sequence_number) for row in found}


async def places(connection: AsyncConnection, tenant_id: UUID, ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The conversation of each of these messages that is there."""
    if not ids:
        return {}
    found = await connection.execute(_PLACES, {"tenant": tenant_id, "ids": list(ids)})
    return {row.id: row.conversation_id for row in found}


async def forget(connection: AsyncConnection, tenant_id: UUID, ids: Collection[UUID]) -> None:
    """Take back conversations that this transaction made for nothing."""
    if ids:
        await connection.execute(_FORGET, {"tenant": tenant_id, "ids": list(ids)})


async def insert_messages(
    connection: AsyncConnection, tenant_id: UUID, messages: Sequence[NewMessage], held: Iterable[Held]
) -> None:
    """Write messages into conversations that this transaction holds and has numbered them in."""
    raw = await connection.get_raw_connection()
    driver: psycopg.AsyncConnection[Any] = raw.driver_connection  # type: ignore[assignment]
    latest: dict[UUID, int] = {}
    for one in messages:
        latest[one.conversation_id] = max(one.at_us, latest.get(one.conversation_id, 0))
    kept = [one for one in held if one.id in latest]
    given: dict[str, Any] = {
        name: make(column) for (name, make), column in zip(_COLUMNS.items(), zip(*messages, strict=True), strict=True)
    }
    given |= {
        "tenant": tenant_id, "held": arrays.uuids([one.id for one in kept]),
        "last": arrays.int8s_or_null([one.last_sequence for one in kept]),
        "latest": arrays.times_or_null([latest[one.id] for one in kept]),
    }  # fmt: skip
    await driver.execute(_INSERT, given)


async def find_conversation(connection: AsyncConnection, tenant_id: UUID, key: str) -> UUID:
    """One that was not deleted, by the caller's name or our id. Raises NotFound."""
    rows = await _rows(connection, tenant_id, _FIND, [key])
    if key not in rows or rows[key].deleted:
        raise NotFound("there is no such conversation")
    found: UUID = rows[key].id
    return found


async def find_message(connection: AsyncConnection, tenant_id: UUID, key: str, *, conversation: str | None) -> UUID:
    """By the caller's own id where its conversation is said, or by ours. Raises NotFound."""
    if conversation is not None:
        place = await find_conversation(connection, tenant_id, conversation)
        known = (await named(connection, tenant_id, [(place, key)])).get((place, key))
        if known is not None:
            return known.id
    spelled = uuid_of(key)
    if spelled is None:
        raise NotFound("there is no such message")
    return spelled


async def name_of(connection: AsyncConnection, tenant_id: UUID, key: str) -> str:
    """What callers call the conversation with this name or id; where there is none, it is a name."""
    rows = await _rows(connection, tenant_id, _FIND, [key]) if uuid_of(key) is not None else {}
    return rows[key].external_id if key in rows else key


async def hold_one(connection: AsyncConnection, tenant_id: UUID, key: str, *, deleted: bool = False) -> Held:
    """As `hold`, for one that is there, or with `deleted` for one that was deleted. Raises NotFound."""
    held = (await _hold(connection, tenant_id, [key])).get(key)
    if held is None or held.deleted is not deleted:
        raise NotFound("there is no such conversation")
    return held
