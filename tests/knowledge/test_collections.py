"""Collections and documents: what is counted, what is hidden, which status follows which, and what is refused."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from monitor.errors import Conflict, InvalidInput
from monitor.ids import uuid7
from tests.conftest import SettableClock
from tests.knowledge.conftest import Librarian

A, B, C = [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]


async def counts(librarian: Librarian, collection: dict[str, Any]) -> tuple[int, int]:
    """Documents and chunks, as the collection says."""
    found = await librarian.ask("GET", f"/collections/{collection['id']}")
    return found["document_count"], found["chunk_count"]


async def test_counts_follow_every_change(librarian: Librarian) -> None:
    books = await librarian.collection()
    one, two = await librarian.document(books, "one"), await librarian.document(books, "two")
    assert await counts(librarian, books) == (2, 0)
    assert await librarian.chunks(one, [A, B, C]) == {"stored": 3, "chunk_count": 3}
    await librarian.chunks(two, [A])
    assert await counts(librarian, books) == (2, 4)
    assert await librarian.chunks(one, [A, B]) == {"stored": 2, "chunk_count": 2}
    more = {"chunks": [{"index": 2, "content": "c"}, {"index": 3, "content": "d"}]}
    assert await librarian.ask("POST", f"/documents/{one['id']}/chunks", json=more) == {"stored": 2, "chunk_count": 4}
    assert await counts(librarian, books) == (2, 5)
    await librarian.ask("DELETE", f"/documents/{one['id']}")
    assert await counts(librarian, books) == (1, 1)
    await librarian.ask("POST", f"/documents/{one['id']}/restore")
    assert await counts(librarian, books) == (2, 5)
    async with librarian.db.tenant(librarian.tenant.id) as connection:
        await connection.execute(text("DELETE FROM documents WHERE title = 'one'"))
    assert await counts(librarian, books) == (1, 1)


async def test_counts_hold_when_many_write_at_once(librarian: Librarian) -> None:
    books = await librarian.collection()
    documents = [await librarian.document(books, str(number)) for number in range(4)]
    await asyncio.gather(*(librarian.chunks(one, [A, B, C][: 1 + turn % 3]) for turn in range(6) for one in documents))
    stored = await librarian.rows("SELECT document_id, count(*) AS n FROM chunks GROUP BY document_id")
    assert await counts(librarian, books) == (4, sum(row.n for row in stored))
    for one in documents:
        said = (await librarian.ask("GET", f"/documents/{one['id']}"))["chunk_count"]
        assert said == next(row.n for row in stored if row.document_id == UUID(one["id"]))


async def test_a_document_goes_its_way(librarian: Librarian) -> None:
    one = await librarian.document(await librarian.collection())
    path = f"/documents/{one['id']}"
    assert one["status"] == "pending"
    assert (await librarian.ask("PATCH", path, json={"status": "processing"}))["status"] == "processing"
    failed = await librarian.ask("PATCH", path, json={"status": "failed", "error_message": "no text in it"})
    assert (failed["status"], failed["error_message"]) == ("failed", "no text in it")
    refused = await librarian.ask("PATCH", path, json={"status": "indexed"}, expect=422)
    assert refused["path"] == "status"
    await librarian.ask("PATCH", path, json={"status": "pending"})
    await librarian.chunks(one, [A])
    indexed = await librarian.ask("GET", path)
    assert (indexed["status"], indexed["error_message"], indexed["chunk_count"]) == ("indexed", None, 1)


async def test_chunks_are_listed_in_the_order_of_the_document(librarian: Librarian) -> None:
    one = await librarian.document(await librarian.collection())
    await librarian.chunks(one, [A, B, C])
    first = await librarian.ask("GET", f"/documents/{one['id']}/chunks", params={"limit": 2})
    rest = await librarian.ask("GET", f"/documents/{one['id']}/chunks", params={"limit": 2, "cursor": first["next"]})
    assert [chunk["index"] for chunk in [*first["items"], *rest["items"]]] == [0, 1, 2]
    assert rest["next"] is None
    assert first["items"][0]["content"] == "piece 0"
    await librarian.ask("GET", f"/documents/{one['id']}/chunks", params={"cursor": "WyJ4Il0"}, expect=400)


async def test_what_is_deleted_takes_nothing_and_an_archive_neither(librarian: Librarian) -> None:
    books = await librarian.collection()
    one = await librarian.document(books)
    chunk = {"chunks": [{"index": 0, "content": "a", "embedding": A}]}
    await librarian.ask("PATCH", "/collections/books", json={"status": "archived"})
    await librarian.ask("PUT", f"/documents/{one['id']}/chunks", json=chunk, expect=409)
    await librarian.ask("PATCH", "/collections/books", json={"status": "active"})
    await librarian.ask("DELETE", "/collections/books")
    await librarian.ask("PUT", f"/documents/{one['id']}/chunks", json=chunk, expect=404)
    refused = await librarian.ask("POST", "/documents", json={"collection_id": books["id"], "title": "x"}, expect=422)
    assert refused["path"] == "collection_id"
    await librarian.ask("POST", f"/collections/{books['id']}/restore")
    await librarian.ask("PUT", f"/documents/{one['id']}/chunks", json=chunk)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"chunk_size": 0}, "chunk_size"),
        ({"chunk_size": -5}, "chunk_size"),
        ({"chunk_size": 100, "chunk_overlap": 100}, "chunk_overlap"),
        ({"chunk_overlap": -1}, "chunk_overlap"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": 16_001}, "dimensions"),
        ({"status": "lost"}, "status"),
        ({"name": "a\x00"}, "name"),
        ({"metadata": {"a": ["\x00"]}}, "metadata"),
    ],
)
async def test_a_wrong_collection_is_named_by_its_fault(librarian: Librarian, more: dict[str, Any], path: str) -> None:
    body = {"slug": "books", "name": "books", "embedding_model": "small", **more}
    refused = await librarian.ask("POST", "/collections", json=body, expect=422)
    assert path in refused["detail"]


@pytest.mark.parametrize(
    ("vector", "fault"),
    [
        ([0.0, 0.0], "not zero"),
        ([1e-30, 1e-30], "not zero"),
        ([1e300, 1.0], "single precision"),
        ([1e30, 1e30], "single precision"),
        ([1.0, 0.0, 0.0], "3 dimensions"),
        ([], "embedding"),
    ],
)
async def test_a_vector_without_a_direction_or_of_another_size_is_refused(
    librarian: Librarian, vector: list[float], fault: str
) -> None:
    books = await librarian.collection()
    one = await librarian.document(books)
    await librarian.chunks(one, [A])
    body = {"chunks": [{"index": 1, "content": "a", "embedding": vector}]}
    refused = await librarian.ask("POST", f"/documents/{one['id']}/chunks", json=body, expect=422)
    assert fault in refused["detail"]
    assert await counts(librarian, books) == (1, 1)


async def test_a_chunks_place_is_its_own(librarian: Librarian) -> None:
    one = await librarian.document(await librarian.collection())
    twice = {"chunks": [{"index": 0, "content": "a"}, {"index": 0, "content": "b"}]}
    refused = await librarian.ask("PUT", f"/documents/{one['id']}/chunks", json=twice, expect=422)
    assert refused["path"] == "chunks"
    await librarian.chunks(one, [A])
    await librarian.ask("POST", f"/documents/{one['id']}/chunks", json={"chunks": twice["chunks"][:1]}, expect=409)


_COLLECTION = (
    "INSERT INTO collections (tenant_id, id, slug, name, embedding_model, {0}) VALUES (:t, :id, 's', 'n', 'm', {1})"
)
_QUERY = "INSERT INTO rag_queries (tenant_id, id, collection_id, query_text, {0}) VALUES (:t, :id, :of, 'q', {1})"


@pytest.mark.parametrize(
    ("statement", "columns", "values"),
    [
        (_COLLECTION, "chunk_size", "0"),
        (_COLLECTION, "chunk_size, chunk_overlap", "10, 10"),
        (_COLLECTION, "dimensions", "0"),
        (_COLLECTION, "document_count", "-1"),
        (_COLLECTION, "status", "'lost'"),
        (_QUERY, "top_score", "1.1"),
        (_QUERY, "top_score", "-0.1"),
        (_QUERY, "latency_ms", "-1"),
        (_QUERY, "feedback_rating", "2"),
        (_QUERY, "scores, chunk_ids", "'{1.1}', '{00000000-0000-7000-8000-000000000001}'"),
        (_QUERY, "scores", "'{0.5}'"),
    ],
)
async def test_the_database_refuses_it_too(
    librarian: Librarian, clock: SettableClock, statement: str, columns: str, values: str
) -> None:
    books = await librarian.collection()
    given = {"t": librarian.tenant.id, "id": uuid7(clock()), "of": books["id"]}
    with pytest.raises(InvalidInput, match="_check"):
        async with librarian.db.tenant(librarian.tenant.id) as connection:
            await connection.execute(text(statement.format(columns, values)), given)


async def test_a_slug_is_a_tenants_own(librarian: Librarian) -> None:
    await librarian.collection()
    body = {"slug": "books", "name": "b", "embedding_model": "m"}
    await librarian.ask("POST", "/collections", json=body, expect=409)
    with pytest.raises(Conflict):
        async with librarian.db.tenant(librarian.tenant.id) as connection:
            await connection.execute(
                text("INSERT INTO collections (tenant_id, id, slug, name, embedding_model) SELECT tenant_id, "
                     "gen_random_uuid(), slug, name, embedding_model FROM collections")
            )  # fmt: skip
