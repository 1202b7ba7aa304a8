"""SQL of what was asked of collections: kept with what was found and what people thought of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import InvalidInput, NotFound
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.knowledge.tables import RagQuery

# The agents' own slice is a stranger to this one: the name is looked up by its key.
_AGENT = text("""
    SELECT id FROM agents WHERE tenant_id = :tenant_id AND deleted_at IS NULL AND (id = :id OR external_id = :key)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A search that was made. `found`: chunks with their scores, best first; `latency_ms`: of the search alone."""

    collection_id: UUID
    query: str
    found: Sequence[tuple[UUID, float]]
    strategy: str = "similarity"
    filters: Mapping[str, Any] = field(default_factory=dict)
    latency_ms: float | None = None
    agent: str | None = None
    conversation: str | None = None


async def keep(
    connection: AsyncConnection, tenant_id: UUID, asked: Asked, *, now: datetime, waiting: bool = True
) -> UUID:
    """Store a search; returns its id. Without `waiting` the transaction's end does not wait for the disk: a crash may
    lose the last moment's. Raises InvalidInput for an agent that is not there."""
    query_id = uuid7(now)
    row = {
        "tenant_id": tenant_id,
        "id": query_id,
        "collection_id": asked.collection_id,
        "agent_id": await _agent(connection, tenant_id, asked.agent),
        "conversation": asked.conversation,
        "query_text": asked.query,
        "chunk_ids": [chunk_id for chunk_id, _ in asked.found],
        "scores": [score for _, score in asked.found],
        "top_score": max((score for _, score in asked.found), default=None),
        "strategy": asked.strategy,
        "filters": dict(asked.filters),
        "latency_ms": asked.latency_ms,
        "created_at": now,
    }
    statement = insert(RagQuery).values(row)
    if not waiting:
        statement = statement.returning(func.set_config("synchronous_commit", "off", True))
    await connection.execute(statement)
    return query_id


async def list_queries(
    connection: AsyncConnection, tenant_id: UUID, *, limit: int, before: UUID | None, collection_id: UUID | None
) -> list[Any]:
    """Searches, the newest first, one more than asked for."""
    query = select(*RagQuery.__table__.columns).where(RagQuery.tenant_id == tenant_id)
    if before is not None:
        query = query.where(RagQuery.id < before)
    if collection_id is not None:
        query = query.where(RagQuery.collection_id == collection_id)
    return list((await connection.execute(query.order_by(RagQuery.id.desc()).limit(limit + 1))).mappings())


async def get_query(connection: AsyncConnection, tenant_id: UUID, key: str, *, lock: bool = False) -> Any:
    """One search. Raises NotFound."""
    query = select(*RagQuery.__table__.columns).where(RagQuery.tenant_id == tenant_id, RagQuery.id == uuid_of(key))
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such query")
    return row


async def set_feedback(
    connection: AsyncConnection, tenant_id: UUID, query_id: UUID, *, rating: int | None, comment: str | None
) -> None:
    """What somebody thinks of what was found; the last word counts."""
    its = (RagQuery.tenant_id == tenant_id, RagQuery.id == query_id)
    await connection.execute(update(RagQuery).where(*its).values(feedback_rating=rating, feedback_comment=comment))


async def _agent(connection: AsyncConnection, tenant_id: UUID, key: str | None) -> UUID | None:
    if key is None:
        return None
    given = {"tenant_id": tenant_id, "id": uuid_of(key), "key": key}
    found: UUID | None = (await connection.execute(_AGENT, given)).scalar()
    if found is None:
        raise InvalidInput("there is no such agent", path="agent")
    return found
