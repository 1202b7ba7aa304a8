"""Bodies of the routes of knowledge. Vectors are arrays of numbers, scores run from 0 to 1, latencies are in ms."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from monitor.http.fields import Json, Name, Slug, Text
from monitor.http.resources import Listing
from monitor.knowledge.model import CollectionStatus, DocumentStatus
from monitor.knowledge.vectors import LONGEST

MOST_CHUNKS = 500
LARGEST = 2**53

Count = Annotated[int, Field(ge=0, le=LARGEST)]
Size = Annotated[int, Field(gt=0, le=LARGEST)]
Score = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Embedding = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=1, max_length=LONGEST)]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Shown(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _CollectionFields(_Given):
    description: Text | None = None
    status: CollectionStatus = CollectionStatus.ACTIVE
    settings: Json = {}
    metadata: Json = {}


class NewCollectionBody(_CollectionFields):
    """A collection to be made. `chunk_size` and `chunk_overlap` are in characters: what its documents are cut into."""

    slug: Slug
    name: Name
    embedding_model: Name
    dimensions: Annotated[int, Field(ge=1, le=LONGEST)] | None = None
    chunk_size: Size = 1000
    chunk_overlap: Count = 0


class CollectionChanges(_CollectionFields):
    """What is to be changed; what is not sent stays. The model of its vectors stays with it."""

    slug: Slug = ""
    name: Name = ""
    chunk_size: Size = 1000
    chunk_overlap: Count = 0


class CollectionBody(_Shown):
    """A collection, and how much is in it. `dimensions` is null until the first vector comes."""

    id: UUID
    slug: str
    name: str
    description: str | None
    embedding_model: str
    dimensions: int | None
    chunk_size: int
    chunk_overlap: int
    document_count: int
    chunk_count: int
    status: CollectionStatus
    settings: dict[str, Any]
    metadata: dict[str, Any]
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime


class CollectionListing(Listing):
    """What collections are looked for by."""

    status: CollectionStatus | None = None
    embedding_model: str | None = None


class _DocumentFields(_Given):
    filename: Name | None = None
    file_type: Name | None = None
    file_size_bytes: Count | None = None
    storage_url: Annotated[Text, Field(max_length=2000)] | None = None
    status: DocumentStatus = DocumentStatus.PENDING
    error_message: Text | None = None
    metadata: Json = {}


class NewDocumentBody(_DocumentFields):
    """A document to be brought into a collection, named by id."""

    collection_id: UUID
    title: Name


class DocumentChanges(_DocumentFields):
    """What is to be changed; what is not sent stays."""

    title: Name = ""


class DocumentBody(_Shown):
    """A document, and where it is on its way into the collection."""

    id: UUID
    collection_id: UUID
    title: str
    filename: str | None
    file_type: str | None
    file_size_bytes: int | None
    storage_url: str | None
    status: DocumentStatus
    chunk_count: int
    error_message: str | None
    metadata: dict[str, Any]
    uploaded_by: UUID | None
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime


class DocumentListing(Listing):
    """What documents are looked for by."""

    collection_id: UUID | None = None
    status: DocumentStatus | None = None
    file_type: str | None = None


class NewChunkBody(_Given):
    """A piece of a document. `index`: its place there. Without an `embedding` no search finds it."""

    index: Annotated[int, Field(ge=0, le=LARGEST)]
    content: Text
    embedding: Embedding | None = None
    embedding_model: Name | None = None
    token_count: Count | None = None
    metadata: Json = {}


class NewChunks(_Given):
    """Pieces of one document; more than fit into one request are added by further ones."""

    chunks: Annotated[list[NewChunkBody], Field(max_length=MOST_CHUNKS)]


class ChunksTaken(BaseModel):
    """How many were stored, and how many the document has now."""

    stored: int
    chunk_count: int


class ChunkBody(_Shown):
    """A piece of a document, without its vector."""

    id: UUID
    document_id: UUID
    index: int
    content: str
    embedding_model: str | None
    token_count: int | None
    metadata: dict[str, Any]
    created_at: datetime


class SearchBody(_Given):
    """What is looked for. `filter`: what a chunk's metadata must contain. `query`: the question in words, kept."""

    embedding: Embedding
    k: Annotated[int, Field(ge=1, le=100)] = 10
    filter: Json = {}
    min_score: Score = 0.0
    query: Text = ""
    agent: Name | None = None
    conversation: Name | None = None


class FoundBody(BaseModel):
    """A chunk that was found; `score` is the cosine of the angle between the two vectors, 0 where it is negative."""

    id: UUID
    document_id: UUID
    document: str
    index: int
    content: str
    metadata: dict[str, Any]
    score: float


class SearchAnswer(BaseModel):
    """What was found, best first, and the query that it was kept as: feedback goes there."""

    query_id: UUID
    latency_ms: float
    results: list[FoundBody]


class ResultBody(_Given):
    """A chunk that was found, and how well it fits."""

    chunk_id: UUID
    score: Score


class NewQueryBody(_Given):
    """A search that was made elsewhere. `collection`: id or slug; `results`: best first."""

    collection: Name
    query: Text
    results: Annotated[list[ResultBody], Field(max_length=1000)] = []
    strategy: Name = "similarity"
    filter: Json = {}
    latency_ms: Milliseconds | None = None
    agent: Name | None = None
    conversation: Name | None = None


class FeedbackBody(_Given):
    """What somebody thinks of the results: 1 good, 0 neither, -1 bad."""

    rating: Annotated[int, Field(ge=-1, le=1)] | None = None
    comment: Text | None = None


class QueryBody(_Shown):
    """A search that was made, with what it found."""

    id: UUID
    collection_id: UUID
    agent_id: UUID | None
    conversation: str | None
    query: str = Field(validation_alias="query_text")
    chunk_ids: list[UUID]
    scores: list[float]
    top_score: float | None
    strategy: str
    filter: dict[str, Any] = Field(validation_alias="filters")
    latency_ms: float | None
    feedback_rating: int | None
    feedback_comment: str | None
    created_at: datetime
