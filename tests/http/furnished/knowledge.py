"""A collection with a document in it, a chunk of that, and a search."""

from datetime import datetime
from typing import Any

from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row for each table, parents first."""
    made.name(now, "collection", "document", "chunk", "query")
    word, ids = made.word, made.ids
    home = {"collection_id": ids["collection"]}
    return {
        "collections": {
            "id": ids["collection"], "slug": f"{word}-collection", "name": word, "embedding_model": "small",
            "dimensions": 2, "metadata": {word: word},
        },
        "documents": home | {"id": ids["document"], "title": word, "uploaded_by": made.tenant.user_id},
        "chunks": home | {
            "id": ids["chunk"], "document_id": ids["document"], "chunk_index": 0, "content": f"{word} is secret",
            "embedding": "[1,0]",
        },
        "rag_queries": home | {
            "id": ids["query"], "query_text": f"where is {word}?", "chunk_ids": [ids["chunk"]], "scores": [0.5],
            "top_score": 0.5,
        },
    }  # fmt: skip
