"""Generated rows of document 002: what its tenants know, and the MCP servers that they use."""

from typing import Any

from psycopg.types.json import Jsonb

from tests.imports.doc002_rows import Busy
from tests.imports.made import Many, Rows

SECRET = "sk-plain-"
SCHEMA = {
    "type": "object",
    "properties": {"url": {"type": "string"}, "token": {"type": "string", "secret": True}},
}
SIZE = 3


class Knowing(Busy):
    """Collections with documents, chunks and questions; servers and how they are used."""

    def collections(self) -> Many:
        """Of every third the sizes cannot be."""
        return [
            {
                "id": self.make.uuid(),
                "tenant_id": self.home(),
                "name": f"Collection {place}",
                "slug": f"collection-{place}",
                "description": self.make.maybe(self.make.text),
                "embedding_model": self.make.maybe(lambda: "embedding-1", 0.9),
                "chunk_size": self.dice.choice([500, None, 0]),
                "chunk_overlap": self.dice.choice([50, None, 5000]),
                "document_count": 7,
                "total_chunks_count": 70,
                "status": self.dice.choice(["active", "archived", "odd"]),
                "metadata": self.json(),
                "settings": self.json(),
                **self.times(),
            }
            for place in range(self.count)
        ]

    def documents(self, collections: Many) -> Many:
        """A few are of another tenant than their collection."""
        busy, made = collections[: max(2, self.count // 20)], []
        for place in range(self.count):
            collection = self.dice.choice(busy)
            made.append(
                {
                    "id": self.make.uuid(),
                    "tenant_id": collection["tenant_id"] if place % 50 else self.tenants[-1]["id"],
                    "collection_id": collection["id"],
                    "title": self.make.maybe(lambda: "Title"),
                    "filename": f"file-{place}.txt",
                    "file_type": "text/plain",
                    "file_size_bytes": self.dice.choice([None, 0, 2**40, -1]),
                    "storage_path": self.make.maybe(lambda: "bucket/key"),
                    "url": self.make.maybe(lambda: "https://example.com/file"),
                    "status": self.dice.choice(["pending", "processing", "indexed", "failed", "completed", "lost"]),
                    "chunk_count": 3,
                    "error_message": self.make.maybe(self.make.text, 0.2),
                    "metadata": self.json(),
                    "uploaded_by": self.of(self.users, collection["tenant_id"]),
                    **self.times(),
                }
            )
        return made

    def chunks(self, documents: Many) -> Many:
        """With vectors of one size, none, and a few that are none."""
        busy, places, made = documents[: max(2, self.count // 20)], dict[Any, int](), []
        for place in range(self.count):
            document = self.dice.choice(busy)
            index = places[document["id"]] = places.get(document["id"], -1) + 1
            vector = [self.dice.randrange(1, 100) / 4 for _axis in range(SIZE)]
            made.append(
                {
                    "id": self.make.uuid(),
                    "tenant_id": document["tenant_id"],
                    "collection_id": document["collection_id"],
                    "document_id": document["id"],
                    "content": self.make.text(),
                    "chunk_index": index if place % 3 else None,
                    "position": index,
                    "embedding": Jsonb(self.dice.choice([vector, vector, None, [0.0] * SIZE, "none"])),
                    "embedding_model": self.make.maybe(lambda: "embedding-1"),
                    "token_count": self.make.maybe(lambda: 12),
                    "metadata": self.json(),
                    "created_at": self.make.at(),
                }
            )
        return made

    def questions(self, collections: Many, chunks: Many) -> Many:
        """Some of whose results cannot be read."""
        busy, made = collections[: max(2, self.count // 20)], []
        for _ in range(self.count):
            collection = self.dice.choice(busy)
            found = [{"chunk_id": str(one["id"]), "score": self.dice.randrange(9) / 8} for one in
                     self.dice.sample(chunks, 2)]  # fmt: skip
            made.append(
                {
                    "id": self.make.uuid(),
                    "tenant_id": collection["tenant_id"],
                    "collection_id": collection["id"],
                    "query_text": self.make.text(),
                    "results": self.dice.choice([None, Jsonb(found), Jsonb(["words"])]),
                    "top_result_score": self.dice.choice([None, 0.5, 1.5]),
                    "retrieval_strategy": self.make.maybe(lambda: "hybrid"),
                    "filters": self.json(),
                    "response_time_ms": self.make.maybe(lambda: 40),
                    "user_feedback": Jsonb(self.dice.choice([True, -1, "too long", {"rating": 1, "comment": "good"}])),
                    "timestamp": self.make.at(),
                }
            )
        return made

    def servers(self) -> Many:
        """Started by a command or at an address; every tenth says neither."""
        made = []
        for place in range(self.count):
            kind = self.dice.choice(["stdio", "sse"])
            start = "run-server" if kind == "stdio" else f"https://example.com/{place}"
            made.append(
                {
                    "id": self.make.uuid(),
                    "name": f"Server {place}",
                    "slug": f"server-{place}",
                    "description": self.make.maybe(self.make.text),
                    "version": "1.0",
                    "category": self.dice.choice(["system", "data"]),
                    "server_type": kind,
                    "command": start if place % 10 else None,
                    "configuration_schema": Jsonb(self.dice.choice([SCHEMA, SCHEMA, {"type": 7}])),
                    "tool_definitions": Jsonb([{"name": "search"}]),
                    "resource_definitions": self.make.maybe(lambda: Jsonb([{"uri": "file:///"}])),
                    "status": self.dice.choice(["active", "deprecated", "disabled"]),
                    "is_public": place % 2 == 0,
                    "documentation_url": self.dice.choice([None, "https://example.com/docs", "docs"]),
                    "repository_url": self.make.maybe(lambda: "https://example.com/code"),
                    "metadata": self.json(),
                    **self.times(),
                }
            )
        return made

    def configurations(self, servers: Many) -> Many:
        """One of each server, with secrets; a few were deleted."""
        made: Many = []
        for server in servers:
            tenant = self.home()
            user = self.of(self.users, tenant)
            secret = f"{SECRET}{len(made)}"
            made.append(
                {
                    "id": self.make.uuid(),
                    "tenant_id": tenant,
                    "mcp_server_id": server["id"],
                    "enabled": self.make.maybe(lambda: self.dice.random() < 0.8),
                    "configuration_values": Jsonb({"url": "https://example.com", "token": secret}),
                    "environment_variables": Jsonb({"API_KEY": secret, "RETRIES": 3}),
                    "resource_limits": Jsonb(self.dice.choice([{"memory_mb": 512}, {"memory_mb": 512, "cpus": 2}])),
                    "allowed_users": Jsonb([str(user)] if user else []) if len(made) % 3 else None,
                    "created_by": user,
                    **self.times(),
                }
            )
        return made


def document_002(count: int, *, seed: int = 0) -> Rows:
    """`count` rows a table."""
    one = Knowing(count, seed)
    collections, servers = one.collections(), one.servers()
    documents = one.documents(collections)
    chunks = one.chunks(documents)
    mcp = one.calls(mcp=True)
    for place, call in enumerate(mcp):
        # Every other one is of a server that is listed.
        call["mcp_server_id"] = servers[place]["id"] if place % 2 else call["mcp_server_id"]
    return {
        "tenants": one.tenants,
        "users": one.users,
        "agents": one.agents,
        "conversations": one.conversations,
        "messages": one.messages(),
        "workflows": one.workflows,
        "workflow_executions": one.executions(),
        "tool_executions": one.calls(mcp=False),
        "mcp_servers": servers,
        "mcp_server_configs": one.configurations(servers),
        "mcp_tool_executions": mcp,
        "collections": collections,
        "documents": documents,
        "chunks": chunks,
        "rag_queries": one.questions(collections, chunks),
        "api_keys": one.keys(),
        "usage_metrics": one.usage(),
        "audit_logs": one.trail(),
    }
