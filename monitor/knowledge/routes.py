"""`/api/v1/documents/{document}/chunks`, `/collections/{collection}/search` and `/rag-queries`."""

import time
from collections.abc import Sequence
from dataclasses import asdict

from fastapi import APIRouter

from monitor.errors import InvalidInput, Unreadable
from monitor.http.deps import Deps, Given, Reader, Writer
from monitor.http.described import MISSING
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.knowledge import queries, search, store
from monitor.knowledge.bodies import (
    ChunkBody,
    ChunksTaken,
    FeedbackBody,
    FoundBody,
    NewChunkBody,
    NewChunks,
    NewQueryBody,
    QueryBody,
    SearchAnswer,
    SearchBody,
)
from monitor.knowledge.model import NewChunk
from monitor.knowledge.vectors import check_dimensions, literal
from monitor.principal import Principal, Slice

router = APIRouter(prefix="/api/v1", tags=[Slice.KNOWLEDGE])


@router.get("/documents/{document}/chunks")
async def list_chunks(
    deps: Given, principal: Reader, document: str, limit: Limit = 100, cursor: Cursor = None
) -> Page[ChunkBody]:
    """A document's chunks, in its order."""
    key = decode(cursor, parts=1)
    if key is not None and not (key[0].isascii() and key[0].isdigit() and len(key[0]) < 19):
        raise Unreadable("cursor is not one that was given out")
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await store.list_chunks(
            connection, principal.tenant_id, document, limit=limit, after=-1 if key is None else int(key[0])
        )
    return Page[ChunkBody].model_validate(page(rows, limit, lambda row: [str(row["index"])]))


@router.put("/documents/{document}/chunks")
async def put_chunks(deps: Given, principal: Writer, document: str, body: NewChunks) -> ChunksTaken:
    """Replace all chunks of a document, which is indexed with that."""
    return await _take(deps, principal, document, body.chunks, whole=True)


@router.post("/documents/{document}/chunks", status_code=201)
async def add_chunks(deps: Given, principal: Writer, document: str, body: NewChunks) -> ChunksTaken:
    """Add chunks to a document; its status is the caller's to set. 409 where one is there already."""
    return await _take(deps, principal, document, body.chunks, whole=False)


async def _take(
    deps: Deps, principal: Principal, document: str, given: Sequence[NewChunkBody], *, whole: bool
) -> ChunksTaken:
    indexes = [one.index for one in given]
    if len(set(indexes)) < len(indexes):
        raise InvalidInput("each chunk has an index of its own", path="chunks")
    chunks = [_chunk(one, place) for place, one in enumerate(given)]
    vectors = [(f"chunks.{place}.embedding", one.embedding) for place, one in enumerate(given)]
    sizes = [(path, len(vector)) for path, vector in vectors if vector is not None]
    tenant_id, now = principal.tenant_id, deps.clock()
    async with deps.db.tenant(tenant_id) as connection:
        row, home = await store.lock_document(connection, tenant_id, uuid_of(document))
        if whole:
            await store.remove_chunks(connection, tenant_id, row.id)
        await store.insert_chunks(connection, tenant_id, row.id, home, chunks, dimensions=sizes, now=now)
        if whole:
            await store.mark_indexed(connection, tenant_id, row.id)
        kept = 0 if whole else row.chunk_count
        await deps.audit(
            connection, principal, f"document.chunks_{'replaced' if whole else 'added'}",
            resource=("document", str(row.id)), old={"chunk_count": row.chunk_count},
            new={"chunk_count": kept + len(chunks)},
        )  # fmt: skip
    return ChunksTaken(stored=len(chunks), chunk_count=kept + len(chunks))


def _chunk(given: NewChunkBody, place: int) -> NewChunk:
    path = f"chunks.{place}.embedding"
    vector = None if given.embedding is None else literal(given.embedding, path)
    return NewChunk(**given.model_dump(exclude={"embedding"}), embedding=vector)


@router.post("/collections/{collection}/search")
async def search_collection(deps: Given, principal: Reader, collection: str, body: SearchBody) -> SearchAnswer:
    """The chunks whose vectors are most similar to the one given. The search is kept, with what it found."""
    tenant_id = principal.tenant_id
    question = search.Question(literal(body.embedding, "embedding"), body.k, body.filter, body.min_score)
    async with deps.db.tenant(tenant_id) as connection:
        place = await store.find_collection(connection, tenant_id, collection)
        check_dimensions(len(body.embedding), place.dimensions, "embedding")
        began = time.perf_counter()
        found = await search.nearest(connection, tenant_id, place, question)
        latency_ms = round((time.perf_counter() - began) * 1000, 3)
        asked = queries.Asked(
            collection_id=place.id, query=body.query, found=[(one.id, one.score) for one in found],
            filters=body.filter, latency_ms=latency_ms, agent=body.agent, conversation=body.conversation,
        )  # fmt: skip
        query_id = await queries.keep(connection, tenant_id, asked, now=deps.clock(), waiting=False)
    results = [FoundBody(**asdict(one)) for one in found]
    return SearchAnswer(query_id=query_id, latency_ms=latency_ms, results=results)


@router.get("/rag-queries", responses=MISSING)
async def list_queries(
    deps: Given, principal: Reader, limit: Limit = 100, cursor: Cursor = None, collection: str | None = None
) -> Page[QueryBody]:
    """Searches, the newest first; of one collection, by id or slug."""
    key = decode(cursor, parts=1)
    before = None if key is None else uuid_of(key[0])
    if key is not None and before is None:
        raise Unreadable("cursor is not one that was given out")
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        of = None if collection is None else (await store.find_collection(connection, tenant_id, collection)).id
        rows = await queries.list_queries(connection, tenant_id, limit=limit, before=before, collection_id=of)
    return Page[QueryBody].model_validate(page(rows, limit, lambda row: [str(row["id"])]))


@router.get("/rag-queries/{query}")
async def get_query(deps: Given, principal: Reader, query: str) -> QueryBody:
    """One search, with what it found."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return QueryBody.model_validate(dict(await queries.get_query(connection, principal.tenant_id, query)))


@router.post("/rag-queries", status_code=201, responses=MISSING)
async def keep_query(deps: Given, principal: Writer, body: NewQueryBody) -> QueryBody:
    """Keep a search that was made elsewhere."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        place = await store.find_collection(connection, tenant_id, body.collection)
        asked = queries.Asked(
            collection_id=place.id, query=body.query, found=[(one.chunk_id, one.score) for one in body.results],
            strategy=body.strategy, filters=body.filter, latency_ms=body.latency_ms, agent=body.agent,
            conversation=body.conversation,
        )  # fmt: skip
        query_id = await queries.keep(connection, tenant_id, asked, now=deps.clock())
        made = QueryBody.model_validate(dict(await queries.get_query(connection, tenant_id, str(query_id))))
        resource, new = ("rag_query", str(query_id)), made.model_dump(mode="json")
        await deps.audit(connection, principal, "rag_query.created", resource=resource, new=new)
    return made


@router.post("/rag-queries/{query}/feedback")
async def give_feedback(deps: Given, principal: Writer, query: str, body: FeedbackBody) -> QueryBody:
    """Say what the results were worth. The last word counts."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        row = await queries.get_query(connection, tenant_id, query, lock=True)
        await queries.set_feedback(connection, tenant_id, row["id"], rating=body.rating, comment=body.comment)
        old = {"rating": row["feedback_rating"], "comment": row["feedback_comment"]}
        await deps.audit(
            connection, principal, "rag_query.judged", resource=("rag_query", str(row["id"])), old=old,
            new=body.model_dump(),
        )  # fmt: skip
        return QueryBody.model_validate(dict(await queries.get_query(connection, tenant_id, query)))
