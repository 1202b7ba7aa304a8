"""Similarity search: against a search written down in numpy, by both ways, and nothing that is not the asker's."""

import math
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import text

from monitor.knowledge import search, store
from monitor.knowledge.search import Question
from monitor.knowledge.vectors import INDEXED, literal
from tests.factories import make_agent, make_tenant
from tests.knowledge.conftest import Librarian

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


async def found(librarian: Librarian, *, expect: int | None = None, **body: Any) -> Any:
    """What a search in the collection `books` is answered."""
    return await librarian.ask("POST", "/collections/books/search", json=body, expect=expect)


async def test_the_most_similar_come_first_with_their_scores(librarian: Librarian) -> None:
    one = await librarian.document(await librarian.collection(), "a book")
    await librarian.chunks(one, [WEST, NORTH, [3.0, 4.0], EAST])
    answer = await found(librarian, embedding=[2.0, 0.0], k=3)
    assert [(one["index"], one["score"]) for one in answer["results"]] == [(3, 1.0), (2, pytest.approx(0.6)), (1, 0.0)]
    assert {one["document"] for one in answer["results"]} == {"a book"}
    assert answer["results"][0]["content"] == "piece 3"
    every = await found(librarian, embedding=EAST)
    assert [(one["index"], one["score"]) for one in every["results"]][-1] == (0, 0.0)  # what points away scores 0


async def test_filters_scores_and_what_is_deleted_narrow_it(librarian: Librarian) -> None:
    books = await librarian.collection()
    one, two = await librarian.document(books, "one"), await librarian.document(books, "two")
    await librarian.chunks(one, [EAST, NORTH], metadata={"language": "ja", "tags": ["a", "b"]})
    await librarian.chunks(two, [[1.0, 0.1]], metadata={"language": "en"})
    titles = [each["document"] for each in (await found(librarian, embedding=EAST))["results"]]
    assert titles == ["one", "two", "one"]
    en = await found(librarian, embedding=EAST, filter={"language": "en"})
    assert [each["document"] for each in en["results"]] == ["two"]
    tagged = await found(librarian, embedding=EAST, filter={"tags": ["b"]}, min_score=0.5)
    assert [each["index"] for each in tagged["results"]] == [0]
    await librarian.ask("DELETE", f"/documents/{two['id']}")
    assert len((await found(librarian, embedding=EAST))["results"]) == 2
    await librarian.ask("DELETE", "/collections/books")
    await found(librarian, embedding=EAST, expect=404)


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"embedding": [1.0, 0.0, 0.0]}, "3 dimensions"),
        ({"embedding": [0.0, 0.0]}, "not zero"),
        ({"k": 0}, "k:"),
        ({"k": 101}, "k:"),
        ({"min_score": 1.1}, "min_score"),
        ({"min_score": -0.1}, "min_score"),
        ({"filter": {"a": "\x00"}}, "NUL"),
        ({"agent": "nobody"}, "agent"),
    ],
)
async def test_a_wrong_question_is_named_by_its_fault(librarian: Librarian, more: dict[str, Any], fault: str) -> None:
    await librarian.chunks(await librarian.document(await librarian.collection()), [EAST])
    refused = await found(librarian, expect=422, **{"embedding": EAST, **more})
    assert fault in refused["detail"]
    assert await librarian.rows("SELECT 1 FROM rag_queries") == []


async def test_a_search_is_kept_and_judged(librarian: Librarian) -> None:
    agent_id = await make_agent(librarian.db, librarian.tenant.id, "akira-001")
    books = await librarian.collection()
    await librarian.chunks(await librarian.document(books), [EAST, NORTH])
    answer = await found(
        librarian, embedding=EAST, query="where is east?", agent="akira-001", conversation="talk", filter={"place": 0}
    )
    kept = await librarian.ask("GET", f"/rag-queries/{answer['query_id']}")
    assert kept["chunk_ids"] == [each["id"] for each in answer["results"]]
    assert (kept["query"], kept["scores"], kept["top_score"], kept["filter"]) == (
        "where is east?",
        [1.0],
        1.0,
        {"place": 0},
    )
    assert (UUID(kept["agent_id"]), kept["conversation"], kept["strategy"]) == (agent_id, "talk", "similarity")
    assert 0 < kept["latency_ms"] == answer["latency_ms"]
    path = f"/rag-queries/{answer['query_id']}/feedback"
    judged = await librarian.ask("POST", path, json={"rating": -1, "comment": "that is west"})
    assert (judged["feedback_rating"], judged["feedback_comment"]) == (-1, "that is west")
    await librarian.ask("POST", path, json={"rating": 2}, expect=422)
    (audited,) = await librarian.rows("SELECT old_values, new_values FROM audit_logs WHERE action = 'rag_query.judged'")
    assert audited.new_values["rating"] == -1


async def test_searches_made_elsewhere_are_kept_too_and_listed_the_newest_first(librarian: Librarian) -> None:
    await librarian.collection()
    await librarian.collection("papers")
    told: list[dict[str, Any]] = [
        {"collection": slug, "query": f"{slug}?", "latency_ms": 12.5, "strategy": "hybrid",
         "results": [{"chunk_id": "00000000-0000-7000-8000-000000000001", "score": 0.25}]}
        for slug in ("books", "papers", "books")
    ]  # fmt: skip
    made = [await librarian.ask("POST", "/rag-queries", json=one) for one in told]
    assert (made[0]["top_score"], made[0]["latency_ms"], made[0]["strategy"]) == (0.25, 12.5, "hybrid")
    first = await librarian.ask("GET", "/rag-queries", params={"limit": 2})
    rest = await librarian.ask("GET", "/rag-queries", params={"limit": 2, "cursor": first["next"]})
    assert [one["id"] for one in [*first["items"], *rest["items"]]] == [one["id"] for one in reversed(made)]
    of_books = await librarian.ask("GET", "/rag-queries", params={"collection": "books"})
    assert [one["id"] for one in of_books["items"]] == [made[2]["id"], made[0]["id"]]
    for wrong in ({"score": 1.1}, {"score": -0.1}):
        body = told[0] | {"results": [told[0]["results"][0] | wrong]}
        await librarian.ask("POST", "/rag-queries", json=body, expect=422)
    await librarian.ask("POST", "/rag-queries", json=told[0] | {"latency_ms": -1}, expect=422)


@pytest.mark.parametrize("size", [*INDEXED, 5])
async def test_index_and_exact_search_find_the_same_as_numpy(librarian: Librarian, size: int) -> None:
    """In each dimension, beside another tenant whose vectors are the very nearest, and with a filter."""
    chance = np.random.default_rng(size)
    vectors = chance.normal(size=(60, size))
    wanted = chance.normal(size=size)
    stranger = Librarian(librarian.client, librarian.db, await make_tenant(librarian.db))
    for who, given in ((librarian, vectors), (stranger, np.tile(wanted, (30, 1)))):
        books = await who.collection()
        await who.chunks(await who.document(books), given.tolist())
    cosine = vectors @ wanted / np.linalg.norm(vectors, axis=1) / np.linalg.norm(wanted)
    best = [int(place) for place in np.argsort(-cosine)[:10]]
    for read_through in (0, 1_000):
        question = Question(literal(wanted.tolist(), "embedding"))
        async with librarian.db.tenant(librarian.tenant.id) as connection:
            place = await store.find_collection(connection, librarian.tenant.id, "books")
            nearest = await search.nearest(connection, librarian.tenant.id, place, question, read_through=read_through)
            narrow = Question(question.embedding, filters={"place": best[7]})
            (one,) = await search.nearest(connection, librarian.tenant.id, place, narrow, read_through=read_through)
        assert [each.index for each in nearest] == best
        assert [each.score for each in nearest] == pytest.approx(np.maximum(cosine[best], 0), abs=1e-5)
        assert one.index == best[7]


@pytest.mark.parametrize("size", INDEXED)
async def test_a_large_collection_is_searched_by_its_index(librarian: Librarian, size: int) -> None:
    """The planner finds it under row-level security; sorting everything would be the other way."""
    vector = literal([1.0] * size, "embedding")
    given = {
        "tenant_id": librarian.tenant.id, "collection_id": UUID(int=1), "filters": "{}", "embedding": vector, "k": 10,
    }  # fmt: skip
    async with librarian.db.tenant(librarian.tenant.id) as connection:
        await connection.execute(text("SET LOCAL enable_sort = off"))
        explained = await connection.execute(text(f"EXPLAIN {search._INDEXED[size].text}"), given)
        plan = "\n".join(explained.scalars())
    assert f"Index Scan using chunks_embedding_{size}_idx" in plan


def test_the_text_of_a_vector_is_that_of_single_precision() -> None:
    assert literal([1, 0.5, -2.25], "embedding") == "[1.0,0.5,-2.25]"
    assert math.isclose(float(literal([0.1], "embedding")[1:-1]), 0.1, rel_tol=1e-7)
