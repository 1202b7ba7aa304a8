"""`Monitor.instrument()` with OpenTelemetry's real packages, in processes of their own, against a running collector."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from monitor.embedded import EmbeddedPostgres
from tests.factories import TenantMade, make_tenant
from tests.normalise.openai_stub import openai_stub
from tests.sdk.test_processes import run
from tests.stage import Program, Stage

CHATS = 3
PROGRAM = """
import sys
from monitor.sdk import Monitor

with Monitor({url!r}, key={key!r}, agent="akira-001") as monitor:
    print(*monitor.instrument())
    print(monitor.instrument() == monitor.instrument())

    import logging
    from openai import OpenAI
    from opentelemetry import _logs, metrics, trace

    counter = metrics.get_meter("mine").create_counter("reviews.done", unit="1")
    client = OpenAI(base_url={base!r}, api_key="nothing", max_retries=0)
    with trace.get_tracer("mine").start_as_current_span("invoke_agent akira-001"):
        for _ in range({chats}):
            client.chat.completions.create(model="gpt-4o-mini", messages=[{{"role": "user", "content": "Rain?"}}])
            counter.add(2)
    _logs.get_logger("mine").emit(_logs.LogRecord(body="all well", severity_number=_logs.SeverityNumber.INFO))
    {end}
"""
WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Without(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Without())
from monitor.sdk import Monitor
monitor = Monitor("http://127.0.0.1:9", key="am_x_y", agent="a")
print(monitor.instrument(), monitor.instrument())
"""
BEFORE = """
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

mine = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(mine))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider())
from monitor.sdk import Monitor

monitor = Monitor({url!r}, key={key!r}, agent="akira-001")
monitor.instrument()
with trace.get_tracer("mine").start_as_current_span("one"):
    pass
print(monitor.flush(), len(mine.get_finished_spans()))
"""


@pytest.fixture
async def stage(tmp_path: Path, postgres: EmbeddedPostgres, database_name: str) -> AsyncIterator[Stage]:
    """This test's database, with programs of ours on it."""
    made = Stage(tmp_path, postgres, database_name)
    yield made
    await made.close()


@pytest.fixture
async def collector(stage: Stage) -> Program:
    """A running one."""
    return await stage.collector().start()


@pytest.fixture
async def tenant(stage: Stage) -> TenantMade:
    """Whose key is used."""
    return await make_tenant(stage.db)


async def kept(stage: Stage, tenant: TenantMade, sql: str) -> list[tuple[Any, ...]]:
    """What a query finds in the tenant."""
    async with stage.db.tenant(tenant.id) as connection:
        return [tuple(row) for row in await connection.execute(text(sql))]


# A program that closes its client, and one that just ends.
@pytest.mark.parametrize("end", ["pass", "sys.exit(0)"])
async def test_calls_of_models_metrics_and_log_records_arrive(
    stage: Stage, collector: Program, tenant: TenantMade, end: str
) -> None:
    with openai_stub() as base:
        code = PROGRAM.format(url=collector.url, key=tenant.key, base=base, chats=CHATS, end=end)
        ended = await asyncio.to_thread(run, code, None)
    assert (ended.returncode, ended.stdout.split()[-1]) == (0, "True"), ended.stderr
    # Three that are installed watch the same library: one of them tells of each call.
    started = ended.stdout.split()[:-1]
    assert [name for name in started if name.startswith(("opentelemetry-instrumentation-openai", "openinference"))]
    assert started.count("opentelemetry-instrumentation-openai-v2") == 1
    spans = await kept(stage, tenant, "SELECT kind, service, count(*) FROM spans GROUP BY 1, 2 ORDER BY 1")
    assert ("call", "akira-001", CHATS) in spans
    assert sum(row[2] for row in spans) == CHATS + 1
    # A counter tells its sum each time it is sent.
    points = "SELECT max(value) FROM samples JOIN series ON series.id = series_id WHERE metric = 'reviews.done'"
    assert await kept(stage, tenant, points) == [(2.0 * CHATS,)]
    lines = "SELECT count(*) FROM agent_logs JOIN agents ON agents.id = agent_id WHERE message = 'all well'"
    assert await kept(stage, tenant, lines) == [(1,)]
    assert await kept(stage, tenant, "SELECT external_id FROM agents") == [("akira-001",)]


async def test_without_opentelemetry_it_says_what_to_install() -> None:
    ended = await asyncio.to_thread(run, WITHOUT, None)
    assert (ended.returncode, ended.stdout) == (0, "() ()\n"), ended.stderr
    assert "pip install 'agent-monitor[otel]'" in ended.stderr


async def test_a_provider_of_the_programs_own_goes_on(stage: Stage, collector: Program, tenant: TenantMade) -> None:
    ended = await asyncio.to_thread(run, BEFORE.format(url=collector.url, key=tenant.key), None)
    assert (ended.returncode, ended.stdout) == (0, "True 1\n"), ended.stderr
    assert "leaves metrics alone" in ended.stderr
    assert await kept(stage, tenant, "SELECT name FROM spans") == [("one",)]


async def test_a_program_whose_collector_is_away_ends_all_the_same() -> None:
    with openai_stub() as base:
        last = "import time; print(time.monotonic())"
        code = PROGRAM.format(url="http://127.0.0.1:9", key="am_x_y", base=base, chats=1, end=last)
        ended = await asyncio.to_thread(run, code, None)
        over = time.monotonic()
    assert ended.returncode == 0, ended.stderr
    # The client gives up after five seconds; OpenTelemetry's providers do not add three times as much.
    assert over - float(ended.stdout.split()[-1]) < 12
