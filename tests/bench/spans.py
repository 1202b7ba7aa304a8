"""OTLP spans, 500 a request, until they are runs with tokens and cost; and what Arize Phoenix commits of the same."""

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from sqlalchemy import text

from monitor import clock as wall
from monitor.usage.prices import load_shipped
from tests.bench.client import Connection
from tests.bench.figure import Figure
from tests.factories import TenantMade, make_tenant
from tests.servers.process import Process, free_port
from tests.stage import Stage, until
from tests.tools import phoenix

SPANS = 500
"""In one request."""
CALLS, TOOLS = 6, 2
"""In one trace: below one agent, beside one span that says nothing of agents."""
TRACE = 2 + CALLS + TOOLS
AGENTS = 50
CONNECTIONS = 4
PRICE = Decimal("2.50"), Decimal("10")
"""Of the model that is called: US dollars for a million tokens read and written."""
PHOENIX_SECONDS = 60.0
"""For so long it is watched, if it is not done before."""

PHOENIX_START_SECONDS = 300.0

_CHANGES = text("SELECT EXISTS (SELECT FROM price_changes)")
_LEFT = text("SELECT EXISTS (SELECT FROM touched_traces WHERE tenant_id = :tenant AND news)")
_SUMS = text("""
    SELECT (SELECT count(*) FROM spans WHERE tenant_id = :tenant) AS spans, count(*) AS tasks, sum(calls) AS calls,
           sum(tokens_used) AS tokens, sum(cost_usd) AS cost,
           (SELECT count(*) FROM tool_executions WHERE tenant_id = :tenant) AS tools
    FROM tasks WHERE tenant_id = :tenant
""")


def _value(given: object) -> AnyValue:
    return AnyValue(int_value=given) if isinstance(given, int) else AnyValue(string_value=str(given))


def _span(trace: bytes, parent: bytes, name: str, at_ns: int, told: dict[str, object]) -> Span:
    made = Span(
        trace_id=trace, span_id=random.randbytes(8), parent_span_id=parent, name=name, kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=at_ns, end_time_unix_nano=at_ns + 250_000_000,
        attributes=[KeyValue(key=key, value=_value(value)) for key, value in told.items()],
    )  # fmt: skip
    made.status.code = made.status.STATUS_CODE_OK
    return made


def _trace(number: int, at_ns: int) -> Iterator[Span]:
    """One run of an agent, its last span first, as exporters send them."""
    trace, agent = random.randbytes(16), f"agent-{number % AGENTS}"
    top = _span(
        trace, b"", f"invoke_agent {agent}", at_ns,
        {
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent, "gen_ai.agent.version": "1.4.2",
            "gen_ai.conversation.id": f"conversation-{number}", "openinference.span.kind": "AGENT",
        },
    )  # fmt: skip
    for call in range(CALLS):
        told: dict[str, object] = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o", "gen_ai.usage.input_tokens": 1000 + call,
            "gen_ai.usage.output_tokens": 100, "gen_ai.request.temperature": "0.2", "openinference.span.kind": "LLM",
        }  # fmt: skip
        yield _span(trace, top.span_id, "chat gpt-4o", at_ns + call, told)
    for tool in range(TOOLS):
        told = {
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": f"tool-{tool}",
            "gen_ai.tool.call.id": f"call-{number}-{tool}", "openinference.span.kind": "TOOL",
        }  # fmt: skip
        yield _span(trace, top.span_id, f"execute_tool tool-{tool}", at_ns + tool, told)
    yield _span(trace, top.span_id, "GET", at_ns, {"http.request.method": "GET", "server.address": "example.com"})
    yield top


def bodies(requests: int) -> list[bytes]:
    """Whole requests of whole traces."""
    at_ns, made, number = int(wall.now().timestamp() * 1e9) - 120_000_000_000, [], 0
    for _ in range(requests):
        spans: list[Span] = []
        while len(spans) < SPANS:
            spans += _trace(number, at_ns + number * 1000)
            number += 1
        told = ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])
        told.resource.attributes.append(KeyValue(key="service.name", value=_value("bench")))
        made.append(ExportTraceServiceRequest(resource_spans=[told]).SerializeToString())
    return made


def _request(body: bytes, key: str) -> bytes:
    head = (
        f"POST /v1/traces HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/x-protobuf\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _post(url: str, requests: Sequence[bytes]) -> None:
    """All of them, over a few connections. Each must be answered 200."""
    waiting = iter(requests)

    async def work() -> None:
        connection = await Connection.open(url)
        for data in waiting:
            status, said = await connection.send(data)
            assert status == 200, said[:500]
        await connection.close()

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))


async def _ours(stage: Stage, url: str, tenant: TenantMade, told: Sequence[bytes]) -> tuple[float, float]:
    """Seconds until the last request is answered, and until the last run is there."""
    started = time.perf_counter()
    await _post(url, [_request(body, tenant.key) for body in told])
    answered = time.perf_counter() - started
    spans = len(told) * SPANS

    async def done() -> bool:
        return await is_done(stage, tenant.id, spans)

    await until(done, seconds=600, every=0.2)
    return answered, time.perf_counter() - started


async def is_done(stage: Stage, tenant_id: UUID, spans: int) -> bool:
    """Whether every span is there and every run is made of it. AssertionError where the sums are wrong then."""
    async with stage.db.tenant(tenant_id) as connection:
        # Counting is dear: it must not take part in what is measured.
        if (await connection.execute(_LEFT, {"tenant": tenant_id})).scalar_one():
            return False
        found = (await connection.execute(_SUMS, {"tenant": tenant_id})).one()
    if found.tasks < spans // TRACE:
        return False
    traces = spans // TRACE
    read, written = traces * sum(1000 + call for call in range(CALLS)), traces * CALLS * 100
    assert (found.spans, found.tasks, found.calls, found.tools) == (spans, traces, traces * CALLS, traces * TOOLS)
    assert found.tokens == read + written
    cost = (read * PRICE[0] + written * PRICE[1]) / 1_000_000
    assert found.cost == cost, f"{found.cost} is not {cost}"
    return True


async def _is_priced(stage: Stage) -> bool:
    """Whether the prices that were loaded a moment ago are those of every call: that work is of that moment alone."""
    async with stage.db.alerter() as connection:
        return not (await connection.execute(_CHANGES)).scalar_one()


class _Phoenix(Process):
    """Arize Phoenix with its default store, in a folder of its own."""

    def __init__(self, program: Path, folder: Path) -> None:
        folder.mkdir()
        self.port, self.database = free_port(), folder / "phoenix.db"
        env = os.environ | {
            "PHOENIX_WORKING_DIR": str(folder), "PHOENIX_HOST": "127.0.0.1", "PHOENIX_PORT": str(self.port),
            "PHOENIX_GRPC_PORT": str(free_port()), "PHOENIX_TELEMETRY_ENABLED": "false",
            # What it would fetch from elsewhere when it starts, and its assistant, have nothing to do with spans.
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false", "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
        }  # fmt: skip
        super().__init__([str(program), "serve"], log=folder / "log", env=env)

    async def answers(self) -> bool:
        try:
            connection = await Connection.open(f"http://127.0.0.1:{self.port}")
            status, _ = await connection.send(b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n")
            await connection.close()
        except (OSError, asyncio.IncompleteReadError):
            return False
        return status == 200

    async def ready(self, *, seconds: float = PHOENIX_START_SECONDS) -> None:
        await super().ready(seconds=seconds)

    def stored(self) -> int:
        """Rows in its table of spans."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as reader:
            found: int = reader.execute("SELECT count(*) FROM spans").fetchone()[0]
            return found


async def _theirs(folder: Path, told: Sequence[bytes]) -> float:
    """Spans a second that Phoenix commits, until all are there or for as long as it is watched."""
    server = await _Phoenix(await asyncio.to_thread(phoenix.program), folder).start()
    try:
        started = time.perf_counter()
        sending = asyncio.create_task(_post(f"http://127.0.0.1:{server.port}", [_request(body, "") for body in told]))
        stored, spans = 0, len(told) * SPANS
        while stored < spans and time.perf_counter() - started < PHOENIX_SECONDS:
            await asyncio.sleep(0.5)
            stored = server.stored()
        rate = stored / (time.perf_counter() - started)
        sending.cancel()
        await asyncio.wait({sending})
        return rate
    finally:
        await server.stop()


async def run(stage: Stage, *, quick: bool) -> list[Figure]:
    """Ours first; then theirs, with as many of the same spans as they store while anybody would wait."""
    told = bodies(40 if quick else 200)
    await load_shipped(stage.db)
    tenant, warm = await make_tenant(stage.db), await make_tenant(stage.db)
    collector, alerter = await stage.collector().start(), await stage.alerter().start()
    await _ours(stage, collector.url, warm, told[:4])
    await until(lambda: _is_priced(stage), seconds=60, every=0.2)
    answered, seconds = await _ours(stage, collector.url, tenant, told)
    await alerter.stop()
    await collector.stop()
    spans = len(told) * SPANS
    theirs = await _theirs(stage.folder / "phoenix", told[: 10 if quick else 20])
    return [
        Figure("spans as runs with tokens and cost", spans / seconds, "/s", least=5000),
        Figure("spans answered", spans / answered, "/s"),
        Figure("spans that Arize Phoenix commits", theirs, "/s"),
        Figure("ratio", spans / seconds / theirs, least=30),
    ]
