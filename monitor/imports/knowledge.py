"""Knowledge of document 002: collections, documents, chunks with their vectors, and what was asked of them."""

import json
from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import InvalidInput
from monitor.imports.given import Given, LeftOut
from monitor.imports.into import Into, Shelf
from monitor.imports.report import Report
from monitor.imports.step import Made, Step, Values, row, rows_of, same, store
from monitor.imports.writing import Writing
from monitor.knowledge import vectors
from monitor.knowledge.model import DocumentStatus
from monitor.knowledge.tables import Chunk, Collection, Document, RagQuery

_COLLECTIONS = text("SELECT id, tenant_id, dimensions FROM collections")
_DOCUMENTS = text("SELECT id, collection_id FROM documents")
_SIZED = text("""
    UPDATE collections c SET dimensions = n.size
    FROM unnest(CAST(:ids AS uuid[]), CAST(:sizes AS bigint[])) AS n (id, size)
    WHERE c.id = n.id AND c.dimensions IS NULL
""")
_STATUSES = frozenset({"active", "archived"})
_INDEXED = {status.value: status.value for status in DocumentStatus} | dict.fromkeys(
    ("completed", "ready", "processed", "active"), DocumentStatus.INDEXED.value
)
_LENGTH = 1000
"""Characters of a chunk, where the source says none that can be."""


async def look(into: Into) -> None:
    """Learn which collections and documents are here."""
    async with into.db.owner() as owner:
        into.collections.update(
            (row.id, Shelf(row.tenant_id, row.dimensions)) for row in await owner.execute(_COLLECTIONS)
        )
        into.documents.update((row.id, row.collection_id) for row in await owner.execute(_DOCUMENTS))


def _collection(given: Given) -> Values:
    made = _SHELF(given)
    given.into.collections.setdefault(given["id"], Shelf(given.tenant_id))
    return made


def _size(given: Given) -> int:
    return cast(int, given.within("chunk_size", 1) or _LENGTH)


def _overlap(given: Given) -> int:
    size = given["chunk_size"] or _LENGTH
    return cast(int, given.within("chunk_overlap", 0, (size if size > 0 else _LENGTH) - 1) or 0)


def _shelf(given: Given) -> UUID:
    """The collection that something belongs to. Raises LeftOut without it."""
    found = given.into.collections.get(given["collection_id"])
    if found is None or found.tenant_id != given.tenant_id:
        raise LeftOut("its collection was left out, or is another tenant's")
    return cast(UUID, given["collection_id"])


def _document(given: Given) -> Values:
    made = _TEXT(given)
    given.into.documents[given["id"]] = made["collection_id"]
    return made


def _stored(given: Given) -> str | None:
    """Where its bytes are: the URL, or else the path; the other one is kept."""
    url: str | None = given["url"]
    path: str | None = given["storage_path"]
    if url and path and url != path:
        given.imported["storage_path"] = path
    return url or path


def _piece(given: Given) -> Values:
    given.belong()
    collection_id = _shelf(given)
    if given.into.documents.get(given["document_id"]) != collection_id:
        raise LeftOut("its document was left out, or is of another collection")
    index = given["position"] if given["chunk_index"] is None else given["chunk_index"]
    if index is None or index < 0:
        raise LeftOut("it says no place in its document")
    return {
        **{name: given[name] for name in ("id", "document_id", "embedding_model")},
        "collection_id": collection_id,
        "chunk_index": index,
        "content": given["content"] or "",
        "embedding": _vector(given, given.into.collections[collection_id]),
        "token_count": given.within("token_count", 0),
        "created_at": given["created_at"] or given.into.now,
        "metadata": given.metadata(),
    }


def _vector(given: Given, shelf: Shelf) -> str | None:
    """A vector as pgvector reads it, whether it stood in JSON or in pgvector's own form; of the collection's
    dimensions, which are those of its first."""
    said = given["embedding"]
    if said is None:
        return None
    try:
        values = json.loads(said) if isinstance(said, str) else said
        made = vectors.literal(values, "embedding")
        if len(values) > vectors.LONGEST:
            raise InvalidInput("is too long", path="embedding")
        shelf.dimensions = vectors.check_dimensions(len(values), shelf.dimensions, "embedding")
    except (InvalidInput, ValueError, TypeError):
        given.note("an embedding that is no vector of its collection was left out: the chunk is found by no similarity")
        return None
    return made


async def _put_chunks(into: Into, made: Made[Values], report: Report) -> Writing:
    """Chunks, and the dimensions of collections that have had none."""
    report.kept += len(made)
    rows = [{"tenant_id": tenant_id, **values} for tenant_id, values in made]
    ids = sorted({values["collection_id"] for values in rows})
    sizes = {one: size for one in ids if (size := into.collections[one].dimensions) is not None}

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(_SIZED, {"ids": list(sizes), "sizes": list(sizes.values())})
        await store(connection, Chunk, rows)

    return Writing(rows=write if rows else None)


def _question(given: Given) -> Values:
    """What it found stands by chunk with its score; feedback in words is the comment."""
    given.belong()
    found = list(_found(given))
    rating, comment = _opinion(given["user_feedback"])
    return {
        "id": given["id"],
        "collection_id": _shelf(given),
        "query_text": given["query_text"] or "",
        "chunk_ids": [chunk_id for chunk_id, _ in found],
        "scores": [score for _, score in found],
        "top_score": _share(given["top_result_score"]),
        "strategy": given["retrieval_strategy"] or "similarity",
        "filters": given.object("filters"),
        "latency_ms": None if (given["response_time_ms"] or 0) < 0 else given["response_time_ms"],
        "feedback_rating": rating,
        "feedback_comment": comment,
        "created_at": given["timestamp"] or given.into.now,
    }


def _found(given: Given) -> Iterator[tuple[UUID, float]]:
    said = given["results"]
    for one in said if isinstance(said, list) else [] if said is None else [said]:
        entry = one if isinstance(one, dict) else {}
        try:
            chunk_id = UUID(str(entry.get("chunk_id") or entry.get("id")))
            score = _share(entry.get("score", entry.get("similarity")))
        except (ValueError, TypeError):
            chunk_id, score = None, None
        if chunk_id is None or score is None:
            given.note("results that are no chunks with scores from 0 to 1 were left out")
            return
        yield chunk_id, score


def _share(said: Any) -> float | None:
    return float(said) if said is not None and 0 <= said <= 1 else None


def _opinion(said: Any) -> tuple[int | None, str | None]:
    """A rating of -1, 0 or 1, and a comment: of yes and no, a number, words, or an object of both."""
    if isinstance(said, dict):
        comment = said.get("comment")
        return _opinion(said.get("rating"))[0], json.dumps(said) if comment is None else str(comment)
    if isinstance(said, bool):
        return (1 if said else -1), None
    if isinstance(said, int | float):
        return (said > 0) - (said < 0), None if said in (-1, 0, 1) else str(said)
    return None, None if said is None else str(said)


_SHELF = row({
    **same("id", "name", "description", "deleted_at"),
    "slug": lambda given: given["slug"] or given.key,
    "embedding_model": lambda given: given["embedding_model"] or "unknown",
    "chunk_size": _size,
    "chunk_overlap": _overlap,
    "status": lambda given: given.word("status", _STATUSES, "active"),
    "settings": lambda given: given.object("settings"),
    "created_at": lambda given: given.times()["created_at"],
    "updated_at": lambda given: given.times()["updated_at"],
    "metadata": Given.metadata,
}, of="tenant_id")  # fmt: skip
_TEXT = row({
    **same("id", "filename", "file_type", "error_message", "deleted_at"),
    "collection_id": _shelf,
    "title": lambda given: given["title"] or given["filename"] or given.key,
    "file_size_bytes": lambda given: given.within("file_size_bytes", 0),
    "storage_url": _stored,
    "status": lambda given: given.word("status", _INDEXED, DocumentStatus.PENDING.value),
    "uploaded_by": lambda given: given.user("uploaded_by"),
    "created_at": lambda given: given.times()["created_at"],
    "updated_at": lambda given: given.times()["updated_at"],
    "metadata": Given.metadata,
}, of="tenant_id")  # fmt: skip
STEPS = (
    Step("collections", _collection, rows_of(Collection)),
    Step("documents", _document, rows_of(Document)),
    Step("chunks", _piece, _put_chunks),
    Step("rag_queries", _question, rows_of(RagQuery)),
)
