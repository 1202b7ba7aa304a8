"""Each value that a document forbids: the API says 422 and which field it is, and so does the database where it is
written without the API."""

from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.errors import InvalidInput
from tests.factories import TenantMade


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of a document. `path`: what the answer blames; `sql`: what the constraint that is named refuses."""

    method: str
    url: str
    body: dict[str, Any]
    path: str
    sql: str
    constraint: str


HANDBOOK = {"slug": "handbook", "name": "Handbook", "embedding_model": "small"}
FOUND = {"collection": "handbook", "query": "where?"}
CHUNK = "0198b3a0-0000-7000-8000-000000000001"


def agents(column: str, value: Any) -> Check:
    """What an agent is set to."""
    sql = f"UPDATE agents SET {column} = {value!r} WHERE external_id = 'akira-001'"
    return Check("PATCH", "/agents/akira-001", {column: value}, column, sql, f"agents_{column}_check")


def score(value: float) -> Check:
    """How similar a chunk is that was found."""
    body = FOUND | {"results": [{"chunk_id": CHUNK, "score": value}]}
    sql = (
        "INSERT INTO rag_queries (tenant_id, id, collection_id, query_text, chunk_ids, scores, top_score) "
        f"SELECT tenant_id, '{CHUNK}', id, 'where?', ARRAY['{CHUNK}']::uuid[], ARRAY[0.5], {value} FROM collections"
    )
    return Check("POST", "/rag-queries", body, "results.0.score", sql, "rag_queries_top_score_check")


def email(value: str) -> Check:
    """Where a person is reached."""
    contact = {"contacts": [{"kind": "email", "target": value}]}
    sql = f"UPDATE users SET email = '{value}'"
    return Check("PATCH", "/members/{user}", contact, "contacts[0].target", sql, "users_email_check")


def chunk_size(value: int) -> Check:
    """What documents are cut into."""
    sql = f"UPDATE collections SET chunk_size = {value}, chunk_overlap = {value} - 1"
    return Check(
        "PATCH", "/collections/handbook", {"chunk_size": value}, "chunk_size", sql, "collections_chunk_size_check"
    )


CHECKS = [
    agents("temperature", -0.1),
    agents("temperature", 2.1),
    agents("max_tokens", 0),
    agents("max_tokens", -1),
    agents("status", "resting"),
    score(1.1),
    score(-0.1),
    chunk_size(0),
    chunk_size(-1),
    email("nobody"),
    email("nobody@"),
    Check(
        "POST", "/tasks", {"agent_id": "akira-001", "task_type": "a", "status": "thinking"}, "status",
        "UPDATE tasks SET status = 'thinking'", "tasks_status_check",
    ),
    Check(
        "POST", "/workflow-executions", {"name": "example", "status": "thinking"}, "status",
        "UPDATE workflow_executions SET status = 'thinking'", "workflow_executions_status_check",
    ),
    Check(
        "POST", "/messages", {"conversation": "chat", "role": "narrator", "content": "hello"}, "role",
        "UPDATE messages SET role = 'narrator'", "messages_role_check",
    ),
]  # fmt: skip


@pytest.fixture
async def rows(api: httpx.AsyncClient, work: None) -> None:
    """A row of everything that has rules."""
    for url, body in (
        ("/api/v1/collections", HANDBOOK),
        ("/api/v1/messages", {"conversation": "chat", "role": "user", "content": "hello"}),
    ):
        answer = await api.post(url, json=body)
        assert answer.status_code == 201, answer.text


def blamed(answer: httpx.Response) -> list[str]:
    """The fields that an answer names."""
    body = answer.json()
    if "rejected" in body:
        return [one["error"].partition(":")[0] for one in body["rejected"]]
    return [fault["path"] for fault in body["errors"]] if "errors" in body else [body["path"]]


def name(check: Check) -> str:
    """What a test is called."""
    return f"{check.constraint}-{check.sql.rpartition(' ')[2]}"


@pytest.mark.parametrize("check", CHECKS, ids=name)
async def test_the_api_refuses_what_a_document_forbids_and_names_the_field(
    api: httpx.AsyncClient, tenant: TenantMade, rows: None, check: Check
) -> None:
    url = f"/api/v1{check.url}".format(user=tenant.user_id)
    answer = await api.request(check.method, url, json=check.body)
    assert answer.status_code == 422, answer.text
    assert blamed(answer) == [check.path], answer.text


@pytest.mark.parametrize("check", CHECKS, ids=name)
async def test_the_database_refuses_it_too(db: Database, rows: None, check: Check) -> None:
    with pytest.raises(InvalidInput, match=check.constraint) as refused:
        async with db.owner() as owner:
            await owner.execute(text(check.sql))
    fault = refused.value.__cause__.orig  # type: ignore[union-attr]
    assert isinstance(fault, psycopg.errors.CheckViolation)
    assert (fault.sqlstate, fault.diag.constraint_name) == ("23514", check.constraint)
