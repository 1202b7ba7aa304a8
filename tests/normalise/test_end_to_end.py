"""Dialects through HTTP, a collector that runs and an alerter that assembles: runs, tokens and cost are the same."""

import os
import subprocess
import sys
from asyncio import to_thread
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from msgspec import structs
from sqlalchemy import text

from monitor import clock
from monitor.embedded import EmbeddedPostgres
from monitor.usage.prices import load_shipped
from tests.factories import TenantMade, make_tenant
from tests.normalise import test_claude_code, test_codex
from tests.normalise.dialects import DIALECTS, conversation
from tests.normalise.openai_stub import openai_stub
from tests.normalise.spelling import logs, traces
from tests.normalise.tellings import MODEL
from tests.stage import ROOT, Stage, until

TASKS = """
SELECT a.external_id, t.task_type, t.status, t.conversation, t.calls, t.input_tokens, t.output_tokens, t.cost_usd,
       t.duration_ms, b.external_id
FROM tasks t JOIN agents a ON a.id = t.agent_id
LEFT JOIN tasks p ON p.id = t.parent_task_id LEFT JOIN agents b ON b.id = p.agent_id
WHERE t.trace_id = :trace ORDER BY 1
"""
TOOLS = """
SELECT tool_name, status, call_id, error_message, duration_ms FROM tool_executions WHERE trace_id = :trace ORDER BY 1
"""
CALLS = """
SELECT model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd
FROM model_calls WHERE trace_id = :trace ORDER BY 2
"""
INTERACTIONS = """
SELECT a.external_id, b.external_id, i.interaction_type FROM agent_interactions i
JOIN agents a ON a.id = i.from_agent_id JOIN agents b ON b.id = i.to_agent_id WHERE i.trace_id = :trace
"""
TELLING = (TASKS, TOOLS, CALLS, INTERACTIONS)


class Running:
    """A collector and an alerter that run, and a tenant."""

    def __init__(self, stage: Stage, tenant: TenantMade, url: str) -> None:
        self.stage, self.tenant, self.url = stage, tenant, url

    async def send(self, path: str, body: dict[str, Any]) -> None:
        """One request that is taken as a whole."""
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {self.tenant.key}"}, timeout=60) as client:
            answer = await client.post(self.url + path, json=body)
        assert (answer.status_code, answer.json()) == (200, {})

    async def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """What a query finds in the tenant."""
        async with self.stage.db.tenant(self.tenant.id) as connection:
            return [tuple(row) for row in await connection.execute(text(sql), values)]

    async def wait_for(self, sql: str, number: int) -> None:
        """Until a count is reached."""

        async def enough() -> bool:
            return bool((await self.rows(sql))[0][0] >= number)

        await until(enough, seconds=120, every=0.2)


@pytest.fixture
async def running(tmp_path: Path, postgres: EmbeddedPostgres, database_name: str) -> AsyncIterator[Running]:
    stage = Stage(tmp_path, postgres, database_name)
    try:
        await load_shipped(stage.db)
        tenant = await make_tenant(stage.db)
        collector = await stage.collector().start()
        await stage.alerter().start()
        yield Running(stage, tenant, collector.url)
    finally:
        await stage.close()


async def test_one_conversation_in_five_dialects_is_the_same_runs(running: Running) -> None:
    start_ns = (int(clock.now().timestamp()) - 60) * 1_000_000_000
    ids = {dialect: f"{number + 1:032x}" for number, dialect in enumerate(DIALECTS)}
    for dialect, trace_id in ids.items():
        await running.send("/v1/traces", traces(conversation(dialect, start_ns=start_ns, trace_id=trace_id)))
    await running.wait_for("SELECT count(*) FROM tasks", 2 * len(ids))
    told = {dialect: [await running.rows(sql, trace=trace) for sql in TELLING] for dialect, trace in ids.items()}
    for dialect, runs in told.items():
        assert runs == told["otel"], dialect
    tasks, tools, calls, interactions = told["otel"]
    assert [(*row[:7], row[8:]) for row in tasks] == [
        ("billing", "invoke_agent", "completed", "c-42", 1, 1500, 50, (6800, "support")),
        ("support", "invoke_agent", "completed", "c-42", 1, 1200, 80, (9000, None)),
    ]
    assert tools == [
        ("find_invoice", "error", "call_2", "no such invoice", 300),
        ("get_weather", "success", "call_1", None, 300),
    ]
    assert [row[:6] for row in calls] == [(MODEL, 1200, 80, 1000, 0, 30), (MODEL, 1500, 50, 1000, 200, 0)]
    assert interactions == [("support", "billing", "handoff")]
    # Every call is priced, and a task's cost is that of its own.
    assert [row[7] for row in tasks] == [row[6] for row in reversed(calls)]
    assert [row[6] for row in calls] == [Decimal("0.00255"), Decimal("0.003")]
    assert await running.rows("SELECT count(*) FROM unmapped_names") == [(0,)]


async def test_coding_agents_that_tell_events_are_tasks_with_tools_and_cost(running: Running) -> None:
    start_ns = (int(clock.now().timestamp()) - 60) * 1_000_000_000
    records = [*test_claude_code.prompt(), *test_codex.conversation()]
    first = records[0].time_ns
    records = [structs.replace(one, time_ns=start_ns + one.time_ns - first) for one in records]
    await running.send("/v1/logs", logs(records))
    await running.send("/v1/logs", logs(reversed(records)))
    await running.wait_for("SELECT count(*) FROM tasks", 2)
    tasks = "SELECT conversation, calls, input_tokens, output_tokens, status, duration_ms FROM tasks ORDER BY 1 DESC"
    await running.wait_for("SELECT count(*) FROM model_calls", 5)
    assert await running.rows(tasks) == [
        ("s-1", 2, 11420, 400, "completed", 8000),
        ("0199-c", 3, 2400, 160, "completed", 6000),
    ]
    tools = "SELECT tool_name, status, count(*) FROM tool_executions GROUP BY 1, 2 ORDER BY 1, 2"
    each_way = [(tool, status, 1) for tool in ("Bash", "shell") for status in ("error", "success")]
    assert await running.rows(tools) == each_way
    given = "SELECT sum(cost_usd) FROM model_calls WHERE conversation = 's-1'"
    assert [str(row[0]) for row in await running.rows(given)] == ["0.0246000000"]


async def test_an_instrumentation_unchanged(running: Running, tmp_path: Path) -> None:
    key = quote(f"Bearer {running.tenant.key}")
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": running.url, "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={key}"}
    with openai_stub() as url:
        words = [sys.executable, "-m", "tests.normalise.speaker", "agents", url, str(tmp_path)]
        done = await to_thread(
            subprocess.run, words, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    await running.wait_for("SELECT count(*) FROM workflow_executions WHERE status = 'completed'", 1)
    tasks = (
        "SELECT external_id, calls, input_tokens, output_tokens FROM tasks JOIN agents a ON a.id = agent_id ORDER BY 1"
    )
    assert await running.rows(tasks) == [("billing", 1, 1200, 80), ("support", 2, 2400, 160)]
    assert await running.rows("SELECT tool_name, status FROM tool_executions") == [("get_weather", "success")]
    assert await running.rows("SELECT interaction_type FROM agent_interactions") == [("handoff",)]
    ledger = "SELECT count(*), sum(input_tokens), sum(cache_read_tokens), sum(reasoning_tokens) FROM model_calls"
    assert await running.rows(ledger) == [(3, 3600, 3000, 90)]
    total = "SELECT total_tokens, total_tasks, completed_tasks FROM workflow_executions"
    assert await running.rows(total) == [(3840, 2, 2)]
