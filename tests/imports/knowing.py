"""Knowledge, MCP servers and their configurations of document 002, compared row for row."""

import json
from typing import Any

import numpy as np

from monitor.ids import PLATFORM_TENANT
from monitor.sealing import Ring
from monitor.tools.covering import Safe
from monitor.tools.schema import secrets_of
from tests.imports.doc002_known import SCHEMA, SECRET
from tests.imports.made import Rows
from tests.imports.stored import Stored, plain, without


async def compare_knowledge(stored: Stored, given: Rows, became: dict[Any, Any]) -> None:
    """Collections, documents, chunks and questions; those of another tenant's collection are left out."""
    collections = await _all(stored, "collections")
    assert len(collections) == len(given["collections"])
    homes = {row["id"]: row["tenant_id"] for row in given["collections"]}
    for row in given["collections"]:
        one, size = collections[row["id"]], row["chunk_size"] or 1000
        kept = {name: row[name] for name in ("tenant_id", "name", "slug", "description", "created_at", "deleted_at")}
        kept |= {
            "embedding_model": row["embedding_model"] or "unknown", "chunk_size": size,
            "chunk_overlap": row["chunk_overlap"] if row["chunk_overlap"] == 50 else 0,
            "status": "active" if row["status"] == "odd" else row["status"], "settings": plain(row["settings"]) or {},
        }  # fmt: skip
        assert {name: one[name] for name in kept} == kept
        assert without(one["metadata"]) == (plain(row["metadata"]) or {})
    documents = await _all(stored, "documents")
    there = {row["id"]: row for row in given["documents"] if row["tenant_id"] == homes[row["collection_id"]]}
    assert documents.keys() == there.keys()
    for key, row in there.items():
        same = ("tenant_id", "collection_id", "filename", "file_type", "error_message", "created_at", "deleted_at")
        kept = {name: row[name] for name in same} | {
            "title": row["title"] or row["filename"], "storage_url": row["url"] or row["storage_path"],
            "file_size_bytes": None if row["file_size_bytes"] == -1 else row["file_size_bytes"],
            "status": {"completed": "indexed", "lost": "pending"}.get(row["status"], row["status"]),
            "uploaded_by": became.get(row["uploaded_by"]),
        }  # fmt: skip
        assert {name: documents[key][name] for name in kept} == kept
    await _compare_chunks(stored, given, there)
    await _compare_questions(stored, given, homes)


async def _compare_chunks(stored: Stored, given: Rows, documents: dict[Any, Any]) -> None:
    chunks = await _all(stored, "chunks")
    wanted = [row for row in given["chunks"] if row["document_id"] in documents]
    assert len(chunks) == len(wanted)
    for row in wanted:
        one = chunks[row["id"]]
        same = ("tenant_id", "collection_id", "document_id", "content", "embedding_model", "token_count", "created_at")
        assert {name: one[name] for name in same} == {name: row[name] for name in same}
        assert one["chunk_index"] == row["position"]
        assert one["metadata"] == (plain(row["metadata"]) or {})
        vector = plain(row["embedding"])
        if isinstance(vector, list) and any(vector):
            assert np.allclose(json.loads(one["embedding"]), vector)
        else:
            assert one["embedding"] is None
    counts = await stored.everywhere("""
        SELECT (SELECT sum(chunk_count) FROM collections) AS by_collection,
               (SELECT sum(chunk_count) FROM documents) AS by_document,
               (SELECT count(*) FROM chunks c JOIN documents d ON d.id = c.document_id
                WHERE d.deleted_at IS NULL) AS there,
               (SELECT count(DISTINCT dimensions) FROM collections) AS sizes
    """)
    assert counts[0]["by_collection"] == counts[0]["there"]
    assert (counts[0]["by_document"], counts[0]["sizes"]) == (len(chunks), 1)


async def _compare_questions(stored: Stored, given: Rows, homes: dict[Any, Any]) -> None:
    questions = await _all(stored, "rag_queries")
    assert len(questions) == len(given["rag_queries"])
    for row in given["rag_queries"]:
        one, found = questions[row["id"]], plain(row["results"]) or []
        found = [] if found == ["words"] else found
        said = plain(row["user_feedback"])
        opinion = {True: (1, None), -1: (-1, None), "too long": (None, "too long")}
        kept = {
            "tenant_id": homes[row["collection_id"]], "collection_id": row["collection_id"],
            "query_text": row["query_text"], "strategy": row["retrieval_strategy"] or "similarity",
            "chunk_ids": [one["chunk_id"] for one in found], "scores": [one["score"] for one in found],
            "top_score": None if row["top_result_score"] == 1.5 else row["top_result_score"],
            "filters": plain(row["filters"]) or {}, "latency_ms": row["response_time_ms"],
            "created_at": row["timestamp"],
        }  # fmt: skip
        one["chunk_ids"] = [str(chunk) for chunk in one["chunk_ids"]]
        assert {name: one[name] for name in kept} == kept
        rating = (1, "good") if isinstance(said, dict) else opinion[said]
        assert (one["feedback_rating"], one["feedback_comment"]) == rating


async def compare_servers(stored: Stored, given: Rows, became: dict[Any, Any], ring: Ring) -> None:
    """A public server is everybody's; secrets are sealed, and open to what they were."""
    wanted = {row["id"]: row for row in given["mcp_servers"] if row["command"]}
    users = {row["mcp_server_id"]: row["tenant_id"] for row in given["mcp_server_configs"]}
    servers = await _all(stored, "mcp_servers")
    assert wanted.keys() <= servers.keys()
    for key, row in wanted.items():
        one, at = servers[key], row["server_type"] == "sse"
        same = ("name", "slug", "description", "version", "category", "server_type", "status", "repository_url",
                "created_at", "deleted_at")  # fmt: skip
        schema = plain(row["configuration_schema"])
        kept = {name: row[name] for name in same} | {
            "tenant_id": PLATFORM_TENANT if row["is_public"] else users[key],
            "command": None if at else row["command"], "url": row["command"] if at else None,
            "config_schema": schema if schema == SCHEMA else {}, "tools": plain(row["tool_definitions"]),
            "resources": plain(row["resource_definitions"]) or [],
            "documentation_url": None if row["documentation_url"] == "docs" else row["documentation_url"],
        }  # fmt: skip
        assert {name: one[name] for name in kept} == kept
        assert without(one["metadata"]) == (plain(row["metadata"]) or {})
    configs = await _all(stored, "mcp_server_configs")
    rows = [row for row in given["mcp_server_configs"] if row["mcp_server_id"] in wanted]
    assert len(configs) == len(rows)
    for row in rows:
        _compare_config(configs[row["id"]], row, servers[row["mcp_server_id"]], became, ring)


def _compare_config(
    one: dict[str, Any], row: dict[str, Any], server: dict[str, Any], became: dict[Any, Any], ring: Ring
) -> None:
    gone, users = row["deleted_at"] is not None, plain(row["allowed_users"])
    allowed = None if users is None else [str(became[key]) for key in became if str(key) in users]
    kept = {
        "tenant_id": row["tenant_id"], "server_tenant_id": server["tenant_id"], "server_id": server["id"],
        "enabled": row["enabled"] is not False and not gone, "limits": {"memory_mb": 512},
        "created_by": became.get(row["created_by"]), "created_at": row["created_at"],
    }  # fmt: skip
    assert {name: one[name] for name in kept} == kept
    assert (None if one["allowed_users"] is None else [str(user) for user in one["allowed_users"]]) == allowed
    safe = Safe(ring, row["tenant_id"], row["id"])
    config = safe.open(one["config"], secrets_of(server["config_schema"]))
    environment = safe.open(one["environment"], frozenset((name,) for name in one["environment"]))
    said = plain(row["configuration_values"])
    assert config == ({} if gone else said)
    assert environment == ({} if gone else {"API_KEY": said["token"], "RETRIES": "3"})
    assert SECRET not in json.dumps(one["environment"])
    if server["config_schema"] == SCHEMA:
        assert SECRET not in json.dumps(one["config"])


async def _all(stored: Stored, table: str) -> dict[Any, dict[str, Any]]:
    """Rows by id, each of which is there once."""
    rows = await stored.everywhere(f"SELECT * FROM {table}")
    made = {row["id"]: row for row in rows}
    assert len(made) == len(rows)
    return made
