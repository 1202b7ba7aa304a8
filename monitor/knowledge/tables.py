"""Tables of knowledge. The vectors of chunks are pgvector's: an exact search reads a collection's, and for each
dimension that embedding models have there is an HNSW index over those of all tenants."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, literal_column, text
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from monitor.knowledge.vectors import INDEXED
from monitor.tables import EMPTY_OBJECT, NOW, ZERO, Base, Json, TenantMixin, Timestamps


class Vector(UserDefinedType[str]):
    """pgvector's `vector`, of any number of dimensions, in its text form: `[1,2.5]`."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """As CREATE TABLE spells it."""
        return "vector"


# How the dialect is told of a type that it reads in a catalogue.
ischema_names["vector"] = Vector


class Collection(TenantMixin, Timestamps, Base):
    """A body of knowledge whose vectors are of one model. `dimensions` is that of its first chunk. Triggers keep the
    counts, which are without what is deleted."""

    __tablename__ = "collections"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    embedding_model: Mapped[str]
    dimensions: Mapped[int | None]
    chunk_size: Mapped[int] = mapped_column(server_default=text("1000"))
    chunk_overlap: Mapped[int] = mapped_column(server_default=ZERO)
    document_count: Mapped[int] = mapped_column(server_default=ZERO)
    chunk_count: Mapped[int] = mapped_column(server_default=ZERO)
    status: Mapped[str] = mapped_column(server_default="active")
    settings: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    deleted_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "slug"),
        CheckConstraint("chunk_size > 0", name="chunk_size"),
        CheckConstraint("chunk_overlap >= 0 AND chunk_overlap < chunk_size", name="overlap"),
        CheckConstraint("dimensions BETWEEN 1 AND 16000", name="dimensions"),
        CheckConstraint("document_count >= 0 AND chunk_count >= 0", name="counts"),
        CheckConstraint("status IN ('active', 'archived')", name="status"),
        Index(None, "tenant_id", "status", postgresql_where=text("deleted_at IS NULL")),
    )


class Document(TenantMixin, Timestamps, Base):
    """A text that was brought into a collection. Its bytes lie at `storage_url`; a trigger keeps the count."""

    __tablename__ = "documents"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    collection_id: Mapped[UUID]
    title: Mapped[str]
    filename: Mapped[str | None]
    file_type: Mapped[str | None]
    file_size_bytes: Mapped[int | None]
    storage_url: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="pending")
    chunk_count: Mapped[int] = mapped_column(server_default=ZERO)
    error_message: Mapped[str | None]
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    uploaded_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    deleted_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'processing', 'indexed', 'failed')", name="status"),
        CheckConstraint("file_size_bytes >= 0 AND chunk_count >= 0", name="amounts"),
        ForeignKeyConstraint(
            ["tenant_id", "collection_id"], ["collections.tenant_id", "collections.id"], ondelete="CASCADE"
        ),
        Index(None, "tenant_id", "collection_id", "created_at"),
        Index(None, "tenant_id", "status", postgresql_where=text("deleted_at IS NULL")),
        Index(None, "uploaded_by"),
        # A search leaves out what is in these.
        Index("documents_deleted_idx", "tenant_id", "collection_id", postgresql_where=text("deleted_at IS NOT NULL")),
    )


class Chunk(TenantMixin, Base):
    """A piece of a document, and the vector that stands for it."""

    __tablename__ = "chunks"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    collection_id: Mapped[UUID]
    document_id: Mapped[UUID]
    chunk_index: Mapped[int]
    content: Mapped[str]
    embedding: Mapped[str | None] = mapped_column(Vector)
    embedding_model: Mapped[str | None]
    token_count: Mapped[int | None]
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (
        UniqueConstraint("tenant_id", "document_id", "chunk_index"),
        CheckConstraint("chunk_index >= 0 AND token_count >= 0", name="amounts"),
        ForeignKeyConstraint(
            ["tenant_id", "collection_id"], ["collections.tenant_id", "collections.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant_id", "document_id"], ["documents.tenant_id", "documents.id"], ondelete="CASCADE"),
        Index(None, "tenant_id", "collection_id"),
        *(
            Index(
                f"chunks_embedding_{size}_idx",
                literal_column(f"(embedding::{kind}({size}))").label("direction"),
                postgresql_using="hnsw",
                postgresql_ops={"direction": f"{kind}_cosine_ops"},
                postgresql_where=text(f"vector_dims(embedding) = {size}"),
            )
            for size, kind in INDEXED.items()
        ),
    )


class RagQuery(TenantMixin, Base):
    """A search and what it found: `chunk_ids` with their `scores`, best first, and what people thought of it."""

    __tablename__ = "rag_queries"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    collection_id: Mapped[UUID]
    agent_id: Mapped[UUID | None]
    conversation: Mapped[str | None]
    query_text: Mapped[str]
    chunk_ids: Mapped[list[UUID]] = mapped_column(server_default=text("'{}'::uuid[]"))
    scores: Mapped[list[float]] = mapped_column(ARRAY(DOUBLE_PRECISION), server_default=text("'{}'::float8[]"))
    top_score: Mapped[float | None]
    strategy: Mapped[str] = mapped_column(server_default="similarity")
    filters: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    latency_ms: Mapped[float | None]
    feedback_rating: Mapped[int | None]
    feedback_comment: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (
        CheckConstraint("top_score >= 0 AND top_score <= 1", name="top_score"),
        CheckConstraint(
            "cardinality(scores) = cardinality(chunk_ids) AND 0 <= ALL (scores) AND 1 >= ALL (scores)", name="scores"
        ),
        CheckConstraint("latency_ms >= 0", name="latency"),
        CheckConstraint("feedback_rating BETWEEN -1 AND 1", name="feedback"),
        ForeignKeyConstraint(
            ["tenant_id", "collection_id"], ["collections.tenant_id", "collections.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="SET NULL (agent_id)"
        ),
        Index(None, "tenant_id", "collection_id", "id"),
        Index(None, "tenant_id", "agent_id", postgresql_where=text("agent_id IS NOT NULL")),
    )
