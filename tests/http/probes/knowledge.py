"""Collections, their documents and chunks, and what was asked of them."""

from tests.http.probes.probe import Of, Probe, own

CHUNKS = {"chunks": [{"index": 7, "content": "more", "embedding": [0.0, 1.0]}]}

PARAMETERS: dict[str, Of] = {
    "collection": lambda f: [f"{f.word}-collection", str(f.ids["collection"])],
    "document": lambda f: [str(f.ids["document"])],
    "query": lambda f: [str(f.ids["query"])],
}

PAGED = [
    "GET /api/v1/collections",
    "GET /api/v1/documents",
    "GET /api/v1/documents/{document}/chunks",
    "GET /api/v1/rag-queries",
]

PROBES: dict[str, Probe] = {
    "GET /api/v1/collections": own(),
    "POST /api/v1/collections": Probe(
        201, 409, body=lambda f: {"slug": f"{f.word}-collection", "name": "mine", "embedding_model": "small"}
    ),
    "GET /api/v1/collections/{collection}": Probe(),
    "PATCH /api/v1/collections/{collection}": Probe(body=lambda f: {"description": "mine now"}),
    "DELETE /api/v1/collections/{collection}": Probe(owner=204),
    "POST /api/v1/collections/{collection}/restore": Probe(owner=404),
    "POST /api/v1/collections/{collection}/search": Probe(body=lambda f: {"embedding": [1.0, 0.0]}),
    "GET /api/v1/documents": own(query=lambda f: {"collection_id": str(f.ids["collection"])}),
    "POST /api/v1/documents": Probe(
        422, 201, body=lambda f: {"collection_id": str(f.ids["collection"]), "title": "mine"}
    ),
    "GET /api/v1/documents/{document}": Probe(),
    "PATCH /api/v1/documents/{document}": Probe(body=lambda f: {"title": "mine now"}),
    "DELETE /api/v1/documents/{document}": Probe(owner=204),
    "POST /api/v1/documents/{document}/restore": Probe(owner=404),
    "GET /api/v1/documents/{document}/chunks": Probe(),
    "PUT /api/v1/documents/{document}/chunks": Probe(body=lambda f: CHUNKS),
    "POST /api/v1/documents/{document}/chunks": Probe(owner=201, body=lambda f: CHUNKS),
    "GET /api/v1/rag-queries": own(),
    "POST /api/v1/rag-queries": Probe(
        owner=201, body=lambda f: {"collection": str(f.ids["collection"]), "query": "mine"}
    ),
    "GET /api/v1/rag-queries/{query}": Probe(),
    "POST /api/v1/rag-queries/{query}/feedback": Probe(body=lambda f: {"rating": 1}),
}
