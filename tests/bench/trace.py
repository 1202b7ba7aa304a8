"""The page of a trace of 1,000 spans, and searches, with a million spans stored, through HTTP."""

import time
from typing import Any
from uuid import UUID

import httpx
import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import clock as wall
from monitor.runs import news
from tests.bench.figure import Figure
from tests.factories import make_agent, make_tenant
from tests.stage import Stage

SPANS = 1_000_000
OF_A_TRACE = 10
OF_THE_PAGE = 1_000
DAYS = 30
PAGE = "f" * 32

_ID = """
    CAST(lpad(to_hex(CAST(extract(epoch FROM {at}) * 1000 AS bigint)), 12, '0') || '7' || substr(md5({name}), 1, 3)
         || '8' || substr(md5({name}), 4, 15) AS uuid)
"""
# Trace n began n-th of all, evenly over the days; its spans are a second apart.
_AT = "now() - interval '1 hour' - interval '{days} days' * (1 - n / CAST({traces} AS float))"
_SPANS = """
    INSERT INTO spans (tenant_id, id, trace_id, span_id, parent_id, kind, name, status, agent, facts, attributes,
                       started_at, ended_at, rank)
    SELECT :tenant, {id}, trace_id, lpad(to_hex(k), 16, '0'),
           CASE WHEN k > 0 THEN lpad(to_hex((k - 1) / 3), 16, '0') END,
           (ARRAY['agent', 'call', 'tool', 'call', 'other'])[1 + k % 5], 'chat gpt-5', 'ok', 'agent-' || n % 50,
           jsonb_build_object('model', 'gpt-5', 'input_tokens', 1200 + k, 'output_tokens', 90, 'operation', 'chat',
                              'input', jsonb_build_object('length', 812 + k, 'hash', '00112233aabbccdd')),
           jsonb_build_object('server.address', 'api.example.com', 'server.port', 443, 'request', n || '-' || k),
           at, at + interval '800 milliseconds', 1
    FROM ({told}) told
"""
_MANY = """
    SELECT n, k, md5(CAST(n AS text)) AS trace_id, {at} + k * interval '1 second' AS at
    FROM generate_series(CAST(:low AS int), CAST(:high AS int)) n, generate_series(0, {each} - 1) k
"""
_ONE = """
    SELECT 0 AS n, k, '{page}' AS trace_id, now() - interval '1 day' + k * interval '50 milliseconds' AS at
    FROM generate_series(0, {each} - 1) k
"""
_RUNS = f"""
    INSERT INTO tasks (tenant_id, id, agent_id, task_type, status, trace_id, started_at, completed_at)
    SELECT tenant_id, id, :agent, 'chat', 'completed', trace_id, started_at, ended_at FROM spans
    WHERE trace_id = '{PAGE}' AND kind = 'agent';
    INSERT INTO tool_executions (tenant_id, id, agent_id, tool_name, status, trace_id, started_at, completed_at)
    SELECT tenant_id, id, :agent, 'find', 'success', trace_id, started_at, ended_at FROM spans
    WHERE trace_id = '{PAGE}' AND kind = 'tool';
    INSERT INTO model_calls (tenant_id, id, agent_id, model, failed, input_tokens, output_tokens, cache_read_tokens,
                             cache_write_tokens, reasoning_tokens, cost_usd, cost_source, started_at, source, trace_id)
    SELECT tenant_id, id, :agent, 'gpt-5', false, 1200, 90, 0, 0, 0, 0.0024, 'given', started_at, 'trace', trace_id
    FROM spans WHERE trace_id = '{PAGE}' AND kind = 'call'
"""
_TRACES = """
    INSERT INTO traces (tenant_id, trace_id, name, status, agent_ids, models, tasks, failed_tasks, tokens, cost_usd,
                        started_at, ended_at, duration_ms, words, first_id, last_id)
    SELECT :tenant, md5(CAST(n AS text)), 'task ' || n, CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'completed' END,
           ARRAY[CAST(:agent AS uuid)], ARRAY['gpt-5'], 2, 0, 1290 + n % 1000, (n % 1000) / 1000.0,
           at, at + interval '9 seconds', 9000, 'agent-' || n % 50 || ' review of request ' || n
               || repeat(' the quick brown fox jumps over the lazy dog', 5)
               || CASE WHEN n % 10000 = 77 THEN ' needle' ELSE '' END,
           {id}, {id}
    FROM (SELECT n, {at} AS at FROM generate_series(1, {traces}) n) told
"""


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Spans by one statement a day's worth, then the same requests many times."""
    times, spans = (10, SPANS // 10) if quick else (50, SPANS)
    tenant = await make_tenant(stage.db)
    agent_id = await make_agent(stage.db, tenant.id, "agent-7")
    await fill(stage, tenant.id, agent_id, spans)
    collector = await stage.collector().start()
    figures = []
    async with httpx.AsyncClient(base_url=collector.url, headers=tenant.headers, timeout=60) as client:
        took = [await page(client) for _ in range(times)]
        figures += [
            Figure(
                f"median, page of {OF_THE_PAGE:,} spans of {spans:,}", float(np.median(took)) * 1000, "ms", most=100.0
            ),
            Figure("its slowest", max(took) * 1000, "ms"),
        ]
        for about, asked in (
            ("newest 100 traces", {}),
            ("dear ones of an agent, 30 days", {"agent": "agent-7", "min_cost": "0.999"}),
            ("a rare word within a day", {"text": "needle", "since": "-24h"}),
            (f"a rare word in all {DAYS} days", {"text": "needle"}),
            (f"a word that is nowhere in all {DAYS} days", {"text": "haystack"}),
        ):
            took = [await search(client, asked) for _ in range(times)]
            figures.append(Figure(f"median, {about}", float(np.median(took)) * 1000, "ms"))
    return figures


async def page(client: httpx.AsyncClient) -> float:
    """Seconds until the whole page has arrived, which must have every span and run."""
    before = time.perf_counter()
    answer = await client.get(f"/api/v1/traces/{PAGE}")
    seconds = time.perf_counter() - before
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [len(found[name]) for name in ("steps", "tasks", "tools")] == [
        OF_THE_PAGE,
        OF_THE_PAGE // 5,
        OF_THE_PAGE // 5,
    ]
    assert sum(step["tokens"] is not None for step in found["steps"]) == OF_THE_PAGE // 5 * 2
    return seconds


async def search(client: httpx.AsyncClient, asked: dict[str, Any]) -> float:
    """Seconds until a page of traces has arrived."""
    before = time.perf_counter()
    answer = await client.get("/api/v1/traces", params=asked)
    seconds = time.perf_counter() - before
    assert answer.status_code == 200, answer.text
    return seconds


async def fill(stage: Stage, tenant_id: UUID, agent_id: UUID, spans: int) -> None:
    """Short traces over the days, one long one, and what became of it."""
    traces = spans // OF_A_TRACE
    given = {"tenant": tenant_id, "agent": agent_id}
    at = _AT.format(days=DAYS, traces=traces)

    async def run_all(connection: AsyncConnection, statements: str, values: dict[str, Any]) -> None:
        for statement in statements.split(";"):
            bound = {name: value for name, value in values.items() if f":{name}" in statement}
            await connection.execute(text(statement), bound)

    many = _SPANS.format(id=_ID.format(at="at", name="trace_id || k"), told=_MANY.format(at=at, each=OF_A_TRACE))
    one = _SPANS.format(id=_ID.format(at="at", name="trace_id || k"), told=_ONE.format(page=PAGE, each=OF_THE_PAGE))
    listed = _TRACES.format(id=_ID.format(at="at", name="CAST(n AS text)"), at=at, traces=traces)
    for low in range(1, traces + 1, 10_000):
        async with stage.db.tenant(tenant_id) as connection:
            await run_all(connection, many, given | {"low": low, "high": min(traces, low + 9_999)})
    async with stage.db.tenant(tenant_id) as connection:
        await run_all(connection, one, given)
    async with stage.db.alerter() as connection:
        await run_all(connection, listed, given)
    async with stage.db.tenant(tenant_id) as connection:
        await run_all(connection, _RUNS, given)
    await news.run_once(stage.db, wall.now())
    await stage.vacuum()
