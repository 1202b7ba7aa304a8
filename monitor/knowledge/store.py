"""SQL of documents' chunks and of what was asked; collections and documents themselves are plain resources."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import arrays
from monitor.errors import Conflict, NotFound
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.knowledge.model import CollectionStatus, DocumentStatus, NewChunk, Place
from monitor.knowledge.tables import Chunk, Collection, Document
from monitor.knowledge.vectors import check_dimensions

_INSERT = text("""
    INSERT INTO chunks (tenant_id, id, collection_id, document_id, chunk_index, content, embedding, embedding_model,
                        token_count, metadata, created_at)
    SELECT :tenant_id, i, :collection_id, :document_id, x, c, e::vector, m, n, j::jsonb, :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:indexes AS bigint[]), CAST(:contents AS text[]),
                CAST(:embeddings AS text[]), CAST(:models AS text[]), CAST(:tokens AS bigint[]),
                CAST(:metadata AS text[])) AS g (i, x, c, e, m, n, j)
""")


async def find_collection(connection: AsyncConnection, tenant_id: UUID, key: str) -> Place:
    """The collection with this id or slug. Raises NotFound, for a deleted one too."""
    made = uuid_of(key)
    query = select(Collection.id, Collection.dimensions, Collection.chunk_count).where(
        Collection.tenant_id == tenant_id,
        Collection.deleted_at.is_(None),
        Collection.slug == key if made is None else Collection.id == made,
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFound("there is no such collection")
    return Place(*row)


async def lock_document(connection: AsyncConnection, tenant_id: UUID, document_id: UUID | None) -> tuple[Any, Place]:
    """A document and its collection, both locked, the collection first: what is written to it comes one by one. Raises
    NotFound, and Conflict for a collection that takes nothing new."""
    where = (Document.tenant_id == tenant_id, Document.id == document_id, Document.deleted_at.is_(None))
    missing = NotFound("there is no such document")
    home = (await connection.execute(select(Document.collection_id).where(*where))).scalar()
    if document_id is None or home is None:
        raise missing
    query = select(Collection.id, Collection.dimensions, Collection.chunk_count, Collection.status).where(
        Collection.tenant_id == tenant_id, Collection.id == home, Collection.deleted_at.is_(None)
    )
    place = (await connection.execute(query.with_for_update())).one_or_none()
    row = (await connection.execute(select(*Document.__table__.columns).where(*where).with_for_update())).one_or_none()
    if place is None or row is None:
        raise missing
    if place.status == CollectionStatus.ARCHIVED:
        raise Conflict("the collection is archived")
    return row, Place(place.id, place.dimensions, place.chunk_count)


async def remove_chunks(connection: AsyncConnection, tenant_id: UUID, document_id: UUID) -> None:
    """All of a document."""
    await connection.execute(delete(Chunk).where(Chunk.tenant_id == tenant_id, Chunk.document_id == document_id))


async def insert_chunks(
    connection: AsyncConnection, tenant_id: UUID, document_id: UUID, place: Place, chunks: Sequence[NewChunk], *,
    dimensions: Iterable[tuple[str, int]], now: datetime,
) -> None:  # fmt: skip
    """Add chunks to a document of a locked collection. `dimensions`: of each vector, with the path that names it."""
    size = place.dimensions
    for path, found in dimensions:
        size = check_dimensions(found, size, path)
    if size is not None and place.dimensions is None:
        its = (Collection.tenant_id == tenant_id, Collection.id == place.id)
        await connection.execute(update(Collection).where(*its).values(dimensions=size))
    await connection.execute(
        _INSERT,
        {
            "tenant_id": tenant_id,
            "collection_id": place.id,
            "document_id": document_id,
            "now": now,
            "ids": arrays.uuids([uuid7(now) for _ in chunks]),
            "indexes": [one.index for one in chunks],
            "contents": arrays.texts([one.content for one in chunks]),
            "embeddings": arrays.texts([one.embedding for one in chunks]),
            "models": arrays.texts([one.embedding_model for one in chunks]),
            "tokens": [one.token_count for one in chunks],
            "metadata": arrays.jsons(one.metadata for one in chunks),
        },
    )


async def list_chunks(
    connection: AsyncConnection, tenant_id: UUID, document: str, *, limit: int, after: int
) -> list[Any]:
    """Chunks of a document from an index on, without their vectors, one more than asked for. Raises NotFound."""
    its = (Document.tenant_id == tenant_id, Document.id == uuid_of(document), Document.deleted_at.is_(None))
    document_id = (await connection.execute(select(Document.id).where(*its))).scalar()
    if document_id is None:
        raise NotFound("there is no such document")
    columns = [column for column in Chunk.__table__.columns if column.name not in ("embedding", "chunk_index")]
    query = select(*columns, Chunk.chunk_index.label("index")).where(
        Chunk.tenant_id == tenant_id, Chunk.document_id == document_id, Chunk.chunk_index > after
    )
    return list((await connection.execute(query.order_by(Chunk.chunk_index).limit(limit + 1))).mappings())


async def mark_indexed(connection: AsyncConnection, tenant_id: UUID, document_id: UUID) -> None:
    """All chunks of a document are there."""
    its = (Document.tenant_id == tenant_id, Document.id == document_id)
    done = {"status": DocumentStatus.INDEXED.value, "error_message": None}
    await connection.execute(update(Document).where(*its).values(**done))
