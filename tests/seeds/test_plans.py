"""The documents' query patterns as routes: every statement that they come to uses an index of each table that is large.

The plans are PostgreSQL's own over a tenant's rows among many more of another's, after ANALYZE, and nothing is off.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine

from monitor.db import Database
from monitor.ids import uuid7
from tests.http.application import serving
from tests.http.furnished import furnish
from tests.http.furnished.made import Furnished

COPIES = {"one": 400, "two": 6_000}
LARGE = 1_000
"""Rows from which on reading all of a table is dear."""

# The name of the row that is copied, and what each copy has of its own beside the id.
COPIED: Mapping[str, tuple[str, Mapping[str, str | None]]] = {
    "agents": ("agent", {"external_id": "agent-"}),
    "workflow_executions": ("execution", {}),
    "tasks": ("task", {"execution_id": None}),
    "tool_executions": ("tool", {}),
    "agent_interactions": ("interaction", {}),
    "agent_logs": ("log", {"external_id": "log-"}),
    "conversations": ("conversation", {"external_id": "conversation-"}),
    "messages": ("message", {"external_id": "message-", "sequence_number": ""}),
    "documents": ("document", {}),
    "chunks": ("chunk", {"chunk_index": ""}),
    "rag_queries": ("query", {}),
    "mcp_servers": ("mcp_server", {"slug": "server-"}),
    "calendar_events": ("shift", {}),
    "usage_metrics": ("metric", {}),
    "audit_logs": ("audit", {}),
}
COPY = """
    INSERT INTO {table} SELECT r.* FROM {table} t
    CROSS JOIN unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS g (id, n)
    CROSS JOIN LATERAL jsonb_populate_record(t, jsonb_build_object('id', g.id{own})) AS r
    WHERE t.id = :id
"""
PATTERNS = [
    "/agents?status=active",
    "/agents/{agent}",
    "/agents/{agent}/stats?window=24h",
    "/agents/{agent}/logs",
    "/tasks?agent={agent}&limit=20",
    "/tasks?status=running",
    "/workflow-executions?status=running",
    "/workflow-executions/{execution}",
    "/tool-executions?status=running",
    "/interactions?agent={agent}",
    "/conversations",
    "/conversations?agent={agent}&status=active",
    "/conversations/{conversation}/messages?order=desc",
    "/messages?agent={agent}",
    "/documents?collection_id={collection}",
    "/documents?status=pending",
    "/documents/{document}/chunks",
    "/rag-queries?collection={collection}",
    "/mcp-servers?status=active",
    "/mcp-server-configs",
    "/calendar-events?start={start}&end={end}",
    "/usage-metrics?start=-7d",
    "/audit-logs",
]


@pytest.fixture
async def one(db: Database) -> Furnished:
    """A tenant with many rows of each, beside one that has most."""
    tenants = [await furnish(db, word) for word in COPIES]
    for made in tenants:
        for table, (name, own) in COPIED.items():
            await multiply(db, made, table, made.agent_id if name == "agent" else made.ids[name], own)
    async with db.owner() as owner:
        await owner.execute(text("ANALYZE"))
    return tenants[0]


async def multiply(db: Database, made: Furnished, table: str, first: UUID, own: Mapping[str, str | None]) -> None:
    """Copies of a tenant's row, each a millisecond older than the one before, and all of one day: of one partition."""
    now = datetime.now(UTC)
    now = max(now, now.replace(hour=0, minute=0, second=10))
    said = {column: "NULL" if word is None else f"'{word}' || (g.n + 1)" for column, word in own.items()}
    more = "".join(f", '{column}', {value}" for column, value in said.items())
    ids = [uuid7(now - timedelta(milliseconds=place)) for place in range(COPIES[made.word])]
    async with db.owner() as owner:
        await owner.execute(text("SELECT set_config('app.current_tenant_id', :id, true)"), {"id": str(made.tenant.id)})
        await owner.execute(text(COPY.format(table=table, own=more)), {"ids": ids, "id": first})


@pytest.fixture
async def api(db: Database, one: Furnished) -> AsyncIterator[httpx.AsyncClient]:
    """Their API."""
    async with serving(db, lambda: datetime.now(UTC)) as client:
        client.headers.update(one.tenant.headers)
        yield client


@contextmanager
def listening() -> Iterator[list[tuple[str, Any]]]:
    """What the application's role sends to the database meanwhile, with the values."""
    heard: list[tuple[str, Any]] = []

    def hear(connection: Connection, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if connection.engine.url.username == "agent_monitor_app" and not many:
            heard.append((statement, values))

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


def scanned(plan: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan reads as a whole."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from scanned(part)


async def large(db: Database) -> set[str]:
    """Tables and partitions with many rows."""
    async with db.owner() as owner:
        found = await owner.execute(text("SELECT relname FROM pg_class WHERE reltuples >= :least"), {"least": LARGE})
        return set(found.scalars())


def asked(one: Furnished, pattern: str) -> str:
    """Where a pattern is asked, of a tenant's own rows."""
    known = {name: str(made) for name, made in one.ids.items()} | {"agent": one.agent}
    known |= {"start": "2026-01-01T00:00:00Z", "end": "2026-01-31T00:00:00Z"}
    return "/api/v1" + pattern.format(**known)


async def heard(api: httpx.AsyncClient, url: str, **parameters: int) -> list[tuple[str, Any]]:
    """The queries that an answer takes."""
    with listening() as said:
        answer = await api.get(httpx.URL(url).copy_merge_params(parameters))
    assert answer.status_code == 200, answer.text
    return [(query, values) for query, values in said if query.lstrip().startswith(("SELECT", "WITH"))]


async def test_no_pattern_reads_a_large_table_as_a_whole(db: Database, api: httpx.AsyncClient, one: Furnished) -> None:
    tables = await large(db)
    assert [name for name in COPIED if not any(re.fullmatch(rf"{name}(_p\d+)?", table) for table in tables)] == []
    found, silent = {}, []
    for pattern in PATTERNS:
        queries = await heard(api, asked(one, pattern))
        for query, values in queries:
            for table in tables & set(await plan_of(db, one, query, values)):
                found[pattern, table] = query
        if not queries:
            silent.append(pattern)
    assert (found, silent) == ({}, [])


async def test_a_list_takes_as_many_statements_however_many_rows_it_has(api: httpx.AsyncClient, one: Furnished) -> None:
    lists = [pattern for pattern in PATTERNS if (await api.get(asked(one, pattern))).json().get("items")]
    assert len(lists) > len(PATTERNS) / 2
    few = {pattern: len(await heard(api, asked(one, pattern), limit=1)) for pattern in lists}
    many = {pattern: len(await heard(api, asked(one, pattern), limit=100)) for pattern in lists}
    assert few == many


async def plan_of(db: Database, one: Furnished, query: str, values: Any) -> list[str]:
    """The tables that a statement reads as a whole."""
    async with db.tenant(one.tenant.id) as connection:
        told = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {query}", values)).scalar_one()
    (made,) = json.loads(told) if isinstance(told, str) else told
    return list(scanned(made["Plan"]))


def test_a_table_that_is_read_as_a_whole_is_found_wherever_the_plan_has_it() -> None:
    read = {"Node Type": "Seq Scan", "Relation Name": "messages_p202601"}
    plan = {
        "Node Type": "Limit",
        "Plans": [{"Node Type": "Index Scan", "Relation Name": "agents"}, {"Node Type": "Sort", "Plans": [read]}],
    }
    assert list(scanned(plan)) == ["messages_p202601"]
