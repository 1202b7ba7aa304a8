"""What is said of knowledge: words, rows as they are passed on, and which status follows which."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from monitor.errors import InvalidInput


class CollectionStatus(StrEnum):
    """An archived collection is searched, and takes nothing new."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class DocumentStatus(StrEnum):
    """Where a document is on its way into the collection."""

    PENDING = "pending"
    PROCESSING = "processing"
    INDEXED = "indexed"
    FAILED = "failed"


_FOLLOWS: Final[Mapping[DocumentStatus, frozenset[DocumentStatus]]] = {
    DocumentStatus.PENDING: frozenset({DocumentStatus.PROCESSING, DocumentStatus.INDEXED, DocumentStatus.FAILED}),
    DocumentStatus.PROCESSING: frozenset({DocumentStatus.PENDING, DocumentStatus.INDEXED, DocumentStatus.FAILED}),
    DocumentStatus.INDEXED: frozenset({DocumentStatus.PROCESSING, DocumentStatus.FAILED}),
    DocumentStatus.FAILED: frozenset({DocumentStatus.PENDING, DocumentStatus.PROCESSING}),
}


def check_follows(old: DocumentStatus, new: DocumentStatus) -> None:
    """Raise InvalidInput where a document's status cannot become `new`: what failed is indexed by another attempt."""
    if new is not old and new not in _FOLLOWS[old]:
        words = ", ".join(sorted(_FOLLOWS[old]))
        raise InvalidInput(f"{old} is followed by one of {words}", path="status")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChunk:
    """A piece of a document. `embedding`: a vector in its text form, or None where it is not found by similarity."""

    index: int
    content: str
    embedding: str | None
    embedding_model: str | None
    token_count: int | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A collection as a search or new chunks need it. `dimensions` None: no vector has come yet."""

    id: UUID
    dimensions: int | None
    chunk_count: int


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk that a search found. `score`: the cosine of the angle between the two vectors, 0 where it is negative."""

    id: UUID
    document_id: UUID
    document: str
    index: int
    content: str
    metadata: Mapping[str, Any]
    score: float
