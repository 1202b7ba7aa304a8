"""Similarity search: the chunks of a collection whose vectors point most nearly where the question's does.

A small collection is read through, which is exact. In a large one the HNSW index over the chunks of all tenants leads
to the nearest, and each that is not of this tenant and collection, or not as the filter wants it, is passed over: the
scan goes on until enough are found (pgvector's iterative scans, relaxed order). Where it gave up before that, the
collection is read through after all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.knowledge.model import Found, Place
from monitor.knowledge.vectors import INDEXED

READ_THROUGH = 20_000
"""Chunks of a collection up to which reading them all is fast enough, and exact."""

# How many candidates a scan keeps in view, and how many rows it may look at: twice and many times pgvector's own, for
# the neighbours of a tenant with a small part of all chunks lie far apart.
_EF_SEARCH = 100
_SCAN_AT_MOST = 100_000

# A plan for any number of results, which a statement that comes often gets, takes them for a tenth of all rows, and
# then sorts the collection: seconds instead of milliseconds. Hence a plan for each search.
_SET = text(f"""
    SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '{_EF_SEARCH}', true),
           set_config('hnsw.max_scan_tuples', '{_SCAN_AT_MOST}', true),
           set_config('plan_cache_mode', 'force_custom_plan', true)
""")
# What the filters say is the same in both; chunks of deleted documents are passed over, of which there are few.
_WHERE = """
    c.tenant_id = :tenant_id AND c.collection_id = :collection_id AND c.metadata @> CAST(:filters AS jsonb)
    AND c.document_id <> ALL (ARRAY(
        SELECT d.id FROM documents d
        WHERE d.tenant_id = :tenant_id AND d.collection_id = :collection_id AND d.deleted_at IS NOT NULL))
"""
_SEARCH = """
    WITH nearest AS MATERIALIZED (
        SELECT c.tenant_id, c.id, c.embedding <=> CAST(:embedding AS vector) AS distance
        FROM chunks c
        WHERE {where} AND {having}
        ORDER BY {direction} LIMIT :k)
    SELECT c.id, c.document_id, d.title AS document, c.chunk_index AS index, c.content, c.metadata,
           least(1, greatest(0, 1 - n.distance)) AS score
    FROM nearest n
    JOIN chunks c ON c.tenant_id = n.tenant_id AND c.id = n.id
    JOIN documents d ON d.tenant_id = c.tenant_id AND d.id = c.document_id
    ORDER BY n.distance, c.id
"""
_EXACT = text(
    _SEARCH.format(
        where=_WHERE, having="c.embedding IS NOT NULL", direction="c.embedding <=> CAST(:embedding AS vector)"
    )
)
# Spelled as the index is, or it is not found.
_INDEXED = {
    size: text(
        _SEARCH.format(
            where=_WHERE,
            having=f"vector_dims(c.embedding) = {size}",
            direction=f"CAST(c.embedding AS {kind}({size})) <=> CAST(CAST(:embedding AS vector) AS {kind}({size}))",
        )
    )
    for size, kind in INDEXED.items()
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for. `embedding`: a vector in its text form; `filters`: what a chunk's metadata must contain."""

    embedding: str
    k: int = 10
    filters: Mapping[str, Any] = field(default_factory=dict)
    min_score: float = 0.0


async def nearest(
    connection: AsyncConnection, tenant_id: UUID, place: Place, question: Question, *, read_through: int = READ_THROUGH
) -> list[Found]:
    """At most `k` chunks of a collection, the most similar first. Sets how this transaction scans indexes."""
    given = {
        "tenant_id": tenant_id,
        "collection_id": place.id,
        "filters": json.dumps(dict(question.filters)),
        "embedding": question.embedding,
        "k": question.k,
    }
    statement, rows = _INDEXED.get(place.dimensions or 0), []
    if statement is not None and place.chunk_count > read_through:
        await connection.execute(_SET)
        rows = list(await connection.execute(statement, given))
    if len(rows) < question.k:
        rows = list(await connection.execute(_EXACT, given))
    return [Found(**row._mapping) for row in rows if row.score >= question.min_score]
