"""Similarity search over 200,000 chunks of one tenant among fifty that have 1,000 each, against exact search."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import httpx
import numpy as np
import numpy.typing as npt
import psycopg
from sqlalchemy import text

from monitor import clock as wall
from monitor.db import Role
from monitor.ids import uuid7
from monitor.knowledge import search
from monitor.knowledge.model import Place
from monitor.knowledge.vectors import literal
from tests.bench.figure import Figure
from tests.factories import TenantMade, make_tenant
from tests.stage import Stage

SIZE = 384
OTHERS, OF_EACH = 50, 1_000
K = 10
PORTION = 5_000
_INDEX = f"chunks_embedding_{SIZE}_idx"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A tenant's collection, and how many chunks are in it."""

    tenant: TenantMade
    collection_id: UUID
    document_id: UUID
    chunks: int


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Chunks of everybody in mixed order, the index made over them, then the same questions by both ways."""
    many, others, times = (25_000, 5, 50) if quick else (200_000, OTHERS, 300)
    chance = np.random.default_rng(5)
    topics = chance.normal(size=(2_000, SIZE))
    began = time.perf_counter()
    shelves = [await make_shelf(stage, many if one == 0 else OF_EACH) for one in range(others + 1)]
    await fill(stage, shelves, chance, topics)
    total = many + others * OF_EACH
    figures = [Figure(f"{total:,} chunks of {SIZE} dimensions stored and indexed", time.perf_counter() - began, "s")]
    return figures + await measure(stage, shelves, about(topics, chance, times).tolist())


async def measure(stage: Stage, shelves: Sequence[Shelf], questions: list[list[float]]) -> list[Figure]:
    """How long answers take, and how many of the nearest are in them: the large tenant's and a small one's."""
    figures = []
    collector = await stage.collector().start()
    for whose, most, shelf in (("the large tenant", 20.0, shelves[0]), ("a small one", None, shelves[1])):
        spans = await ask(collector.url, shelf.tenant, questions)
        figures.append(Figure(f"p95 in {whose}", float(np.percentile(spans, 95)) * 1000, "ms", most=most))
        figures.append(Figure("its median", float(np.median(spans)) * 1000, "ms"))
    for whose, shelf in (("the large tenant", shelves[0]), ("a small one", shelves[1])):
        figures.append(await recall(stage, shelf, questions[: len(questions) // 3], whose))
    return figures


async def make_shelf(stage: Stage, chunks: int) -> Shelf:
    """A tenant with a collection that has a document."""
    tenant = await make_tenant(stage.db)
    collection_id, document_id = uuid7(wall.now()), uuid7(wall.now())
    given = {"t": tenant.id, "c": collection_id, "d": document_id}
    async with stage.db.tenant(tenant.id) as connection:
        await connection.execute(
            text(
                "INSERT INTO collections (tenant_id, id, slug, name, embedding_model, dimensions) "
                f"VALUES (:t, :c, 'books', 'books', 'small', {SIZE})"
            ),
            given,
        )
        await connection.execute(
            text("INSERT INTO documents (tenant_id, id, collection_id, title) VALUES (:t, :d, :c, 'book')"), given
        )
    return Shelf(tenant, collection_id, document_id, chunks)


def about(topics: npt.NDArray[np.float64], chance: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Vectors as models make them: around topics, each its own way off."""
    return np.round(topics[chance.integers(0, len(topics), count)] + chance.normal(size=(count, SIZE)), 4)


async def fill(
    stage: Stage, shelves: Sequence[Shelf], chance: np.random.Generator, topics: npt.NDArray[np.float64]
) -> None:
    """Rows in mixed order; the index is built over them as a whole, as after an import."""
    owners = chance.permutation(np.repeat(np.arange(len(shelves)), [shelf.chunks for shelf in shelves]))
    async with await psycopg.AsyncConnection.connect(stage.urls[Role.OWNER], autocommit=True) as connection:
        found = await (await connection.execute("SELECT pg_get_indexdef(%s::regclass)", [_INDEX])).fetchone()
        assert found is not None
        await connection.execute(f"DROP INDEX {_INDEX}")
        for start in range(0, len(owners), PORTION):
            whose = owners[start : start + PORTION]
            vectors = about(topics, chance, len(whose)).tolist()
            rows = [
                [
                    uuid7(wall.now()), at.tenant.id, at.collection_id, at.document_id, start + place,
                    literal(vector, ""),
                ]
                for place, (at, vector) in enumerate(zip((shelves[one] for one in whose), vectors, strict=True))
            ]  # fmt: skip
            await connection.execute(
                "INSERT INTO chunks (id, tenant_id, collection_id, document_id, chunk_index, content, embedding) "
                "SELECT i, t, c, d, x, 'a piece', e::vector FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], "
                "%s::uuid[], %s::bigint[], %s::text[]) AS g (i, t, c, d, x, e)",
                [list(column) for column in zip(*rows, strict=True)],
            )
        await connection.execute("SET maintenance_work_mem = '1GB'")
        await connection.execute(found[0])
    await stage.vacuum()


async def ask(url: str, who: TenantMade, questions: list[list[float]]) -> list[float]:
    """Seconds until each answer has arrived. The first ones, with an empty cache, do not count."""
    spans = []
    async with httpx.AsyncClient(base_url=url, headers=who.headers, timeout=60) as client:
        for embedding in [*questions[:20], *questions]:
            before = time.perf_counter()
            answer = await client.post("/api/v1/collections/books/search", json={"embedding": embedding, "k": K})
            spans.append(time.perf_counter() - before)
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["results"]) == K
    return spans[20:]


async def recall(stage: Stage, shelf: Shelf, questions: list[list[float]], whose: str) -> Figure:
    """The share of the ten nearest that are found."""
    hits, place = 0, Place(shelf.collection_id, SIZE, shelf.chunks)
    for embedding in questions:
        question = search.Question(literal(embedding, "embedding"), K)
        async with stage.db.tenant(shelf.tenant.id) as connection:
            found = await search.nearest(connection, shelf.tenant.id, place, question)
            exact = await search.nearest(connection, shelf.tenant.id, place, question, read_through=1 << 40)
        hits += len({one.id for one in found} & {one.id for one in exact})
    return Figure(f"recall@{K} in {whose}", hits / (K * len(questions)), least=0.98)
