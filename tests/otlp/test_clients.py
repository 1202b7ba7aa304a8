"""Clients that nobody here wrote, unchanged, against a running collector: what arrived is what was sent, counted."""

import os
import subprocess
import sys
from asyncio import to_thread
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

from monitor.embedded import EmbeddedPostgres
from tests import parts
from tests.factories import TenantMade, make_tenant
from tests.servers.process import free_port
from tests.stage import ROOT, Stage
from tests.tools import npm, otel_js, telemetrygen

SECONDS = 120


class Running:
    """A collector that runs, with a tenant whose key is used."""

    def __init__(self, stage: Stage, tenant: TenantMade, http: str, grpc: str) -> None:
        """`http` is an address with its scheme, `grpc` one without."""
        self.stage, self.tenant, self.http, self.grpc = stage, tenant, http, grpc

    async def kept(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds in the tenant."""
        async with self.stage.db.tenant(self.tenant.id) as connection:
            return [tuple(row) for row in await connection.execute(text(sql))]

    async def run(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Run a client to its end, which must be a good one."""
        done = await to_thread(
            subprocess.run,
            words,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-3000:]
        assert "retry" not in said.lower(), said[-3000:]

    def otel(self, endpoint: str, **more: str) -> dict[str, str]:
        """The environment that every OpenTelemetry SDK understands."""
        key = quote(f"Bearer {self.tenant.key}")
        made = {"ENDPOINT": endpoint, "HEADERS": f"authorization={key}", **more}
        return {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in made.items()}


@pytest.fixture
async def running(tmp_path: Path, postgres: EmbeddedPostgres, database_name: str) -> AsyncIterator[Running]:
    stage = Stage(tmp_path, postgres, database_name)
    tenant, port = await make_tenant(stage.db), free_port()
    collector = await stage.collector(grpc_listen=f"127.0.0.1:{port}").start()
    yield Running(stage, tenant, collector.url, f"127.0.0.1:{port}")
    await stage.close()


async def check_everything(running: Running) -> None:
    """What tests/otlp/sender.py and tests/tools/otel_js/send.mjs send: 500 spans, 7 streams, 300 records."""
    spans = await running.kept(
        "SELECT kind, agent, count(*), count(DISTINCT trace_id), count(parent_id), "
        "sum((facts->>'input_tokens')::int), sum((facts->>'output_tokens')::int) FROM spans GROUP BY 1, 2 ORDER BY 1"
    )
    assert spans == [
        ("agent", "akira-001", 100, 100, 0, None, None),
        ("call", None, 400, 100, 400, 100 * (100 + 101 + 102 + 103), 100 * 4 * 10),
    ]
    points = await running.kept(
        "SELECT metric, tags->>'kind', max(value) FROM samples JOIN series ON series.id = series_id "
        "WHERE metric IN ('tasks.done', 'task.seconds.count', 'task.seconds.sum', 'queue.length') "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert points == [
        ("queue.length", None, 7.0),
        ("task.seconds.count", None, 500.0),
        ("task.seconds.sum", None, sum(range(500)) / 8),
        *[("tasks.done", f"kind {kind}", 100.0) for kind in range(5)],
    ]
    lines = await running.kept(
        "SELECT level, count(*), count(DISTINCT message), sum((details->'attributes'->>'number')::int) "
        "FROM agent_logs WHERE kind = 'line' GROUP BY 1"
    )
    assert lines == [("warning", 300, 300, sum(range(300)))]
    agents = await running.kept("SELECT external_id FROM agents")
    assert agents == [("akira-001",)]


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
async def test_the_python_sdk_over_http(running: Running, compression: str) -> None:
    more = {} if compression == "none" else {"COMPRESSION": compression}
    await running.run([sys.executable, "-m", "tests.otlp.sender", "http"], running.otel(running.http, **more))
    await check_everything(running)


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_the_python_sdk_over_grpc(running: Running, compression: str) -> None:
    more = {} if compression == "none" else {"COMPRESSION": compression}
    environment = running.otel(f"http://{running.grpc}", **more)
    await running.run([sys.executable, "-m", "tests.otlp.sender", "grpc"], environment)
    await check_everything(running)


@pytest.mark.parametrize(("spelling", "compression"), [("proto", "none"), ("proto", "gzip"), ("http", "gzip")])
async def test_the_javascript_sdk(running: Running, spelling: str, compression: str) -> None:
    try:
        program = await to_thread(otel_js.program)
    except npm.NotInstalledError as fault:
        parts.leave_out(str(fault))
    await running.run(["node", str(program), spelling], running.otel(running.http, COMPRESSION=compression))
    await check_everything(running)


@pytest.mark.parametrize("over", ["http", "grpc"])
async def test_telemetrygen(running: Running, over: str) -> None:
    try:
        program = str(await to_thread(telemetrygen.binary))
    except telemetrygen.NotBuiltError as fault:
        parts.leave_out(str(fault))
    endpoint = running.http.removeprefix("http://") if over == "http" else running.grpc
    words = ["--otlp-insecure", "--otlp-endpoint", endpoint, "--service", "akira-001"]
    words += ["--otlp-header", f'authorization="Bearer {running.tenant.key}"', "--rate", "500"]
    words += ["--otlp-http"] if over == "http" else []
    await running.run([program, "traces", "--traces", "200", "--child-spans", "4", "--status-code", "Error", *words])
    await running.run([program, "logs", "--logs", "200", "--severity-text", "Warn", "--severity-number", "13", *words])
    for kind in ("Gauge", "Sum", "Histogram", "ExponentialHistogram"):
        named = ["--otlp-metric-name", f"gen.{kind.lower()}", "--metric-type", kind]
        await running.run([program, "metrics", "--metrics", "100", *named, *words])
    assert await running.kept("SELECT status, count(*), count(DISTINCT trace_id) FROM spans GROUP BY 1") == [
        ("error", 1000, 200)
    ]
    assert await running.kept("SELECT level, count(*) FROM agent_logs GROUP BY 1") == [("warning", 200)]
    points = await running.kept(
        "SELECT metric, count(DISTINCT at) FROM samples JOIN series ON series.id = series_id "
        "WHERE metric IN ('gen.gauge', 'gen.sum', 'gen.histogram.count', 'gen.exponentialhistogram.count') "
        "GROUP BY 1 ORDER BY 1"
    )
    assert [metric for metric, _ in points] == [
        "gen.exponentialhistogram.count", "gen.gauge", "gen.histogram.count", "gen.sum",
    ]  # fmt: skip
    # A total has one point more, the 0 at its start. Its clock runs ahead of its limit: after a pause it may stamp two
    # points within one microsecond, and these are one row.
    assert all(97 <= count <= 101 for _, count in points), points
