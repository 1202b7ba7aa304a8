"""Clients that nobody here wrote, unchanged, against a running collector: what arrived is what was sent, counted."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.client.write.point import Point
from influxdb_client.client.write_api import SYNCHRONOUS, WriteOptions
from influxdb_client.rest import ApiException
from sqlalchemy import text

from monitor.embedded import EmbeddedPostgres
from tests import parts
from tests.factories import TenantMade, make_tenant
from tests.servers.process import Process
from tests.stage import Program, Stage
from tests.tools import telegraf

COUNT = 1000


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


def sent(since: datetime, *, apart: timedelta = timedelta(milliseconds=1)) -> list[Point]:
    """Points of four agents with one number of each kind."""
    return [
        Point("review")
        .tag("agent", f"agent {number % 4}")
        .tag("model", "a,b=c")
        .field("tokens", number)
        .field("seconds", number / 8)
        .field("ok", number % 3 == 0)
        .time(since + number * apart)
        for number in range(COUNT)
    ]


async def check(stage: Stage, tenant: TenantMade, points: Sequence[Point]) -> None:
    """All of them are there, with their values."""
    rows = await kept(
        stage,
        tenant,
        "SELECT metric, series.tags->>'model', count(*), sum(value), count(DISTINCT agent_id) FROM samples "
        "JOIN series ON series.id = series_id GROUP BY 1, 2 ORDER BY 1",
    )
    fields = [point._fields for point in points]
    assert rows == [
        (f"review_{name}", "a,b=c", len(points), float(sum(field[name] for field in fields)), 4)
        for name in ("ok", "seconds", "tokens")
    ]


@pytest.mark.parametrize("gzip", [False, True])
async def test_influxdb_client_synchronous(stage: Stage, collector: Program, tenant: TenantMade, gzip: bool) -> None:
    points = sent(datetime.now(UTC) - timedelta(minutes=2))

    def write() -> None:
        with InfluxDBClient(collector.url, token=tenant.key, org="any", enable_gzip=gzip) as client:
            assert client.ping()
            assert client.version()
            api = client.write_api(write_options=SYNCHRONOUS)
            for start in range(0, COUNT, 250):
                api.write(bucket="any", record=points[start : start + 250])

    await asyncio.to_thread(write)
    await check(stage, tenant, points)


async def test_influxdb_client_batching(stage: Stage, collector: Program, tenant: TenantMade) -> None:
    points = sent(datetime.now(UTC) - timedelta(minutes=2))
    failed: list[Any] = []

    def write() -> None:
        with (
            InfluxDBClient(collector.url, token=tenant.key, org="any", enable_gzip=True) as client,
            client.write_api(
                write_options=WriteOptions(batch_size=150, flush_interval=500),
                error_callback=lambda *told: failed.append(told),
            ) as api,
        ):
            for point in points:
                api.write(bucket="any", record=point)

    await asyncio.to_thread(write)
    assert failed == []
    await check(stage, tenant, points)


async def test_influxdb_client_asynchronous(stage: Stage, collector: Program, tenant: TenantMade) -> None:
    points = sent(datetime.now(UTC) - timedelta(minutes=2))
    async with InfluxDBClientAsync(collector.url, token=tenant.key, org="any", enable_gzip=True) as client:
        assert await client.ping()
        api = client.write_api()
        await asyncio.gather(
            *(api.write(bucket="any", record=points[start : start + 250]) for start in range(0, COUNT, 250))
        )
    await check(stage, tenant, points)


async def test_influxdb_client_reads_our_errors(collector: Program, tenant: TenantMade) -> None:
    def write(key: str, line: str) -> ApiException:
        with InfluxDBClient(collector.url, token=key, org="any") as client, pytest.raises(ApiException) as told:
            client.write_api(write_options=SYNCHRONOUS).write(bucket="any", record=line)
        return told.value

    refused = await asyncio.to_thread(write, tenant.key, "m value=x")
    assert (refused.status, refused.message) == (
        400,
        "unable to parse 'm value=x': invalid boolean (line 1)\npartial write: dropped=1",
    )
    unknown = await asyncio.to_thread(write, "am_wrong_key", "m value=1")
    assert unknown.status == 401


CONFIG = """
[agent]
  omit_hostname = false
  metric_batch_size = 300
[[outputs.influxdb_v2]]
  urls = ["{url}"]
  token = "{first}"
  organization = "any"
  bucket = "any"
[[outputs.influxdb]]
  urls = ["{url}"]
  database = "any"
  username = "anybody"
  password = "{second}"
[[inputs.file]]
  files = ["{file}"]
  data_format = "influx"
[[inputs.cpu]]
  percpu = false
  totalcpu = true
  collect_cpu_time = true
[[inputs.mem]]
"""


async def test_telegraf_with_both_of_its_outputs(stage: Stage, collector: Program, tmp_path: Path) -> None:
    try:
        program = await asyncio.to_thread(telegraf.binary)
    except telegraf.NotBuiltError as fault:
        parts.leave_out(str(fault))
    tenants = [await make_tenant(stage.db, slug=name) for name in ("first", "second")]
    # Telegraf rounds times to seconds.
    points = sent(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30), apart=timedelta(seconds=1))
    lines = [point.to_line_protocol() for point in points]
    # One that is too old costs itself only, and one with a text makes a log line.
    lines += ["review,agent=old tokens=1i 1", f'note,agent=akira text="all \\"well\\"" {points[0]._time:%s}000000000']
    (tmp_path / "lines").write_text("\n".join(lines))
    config = tmp_path / "telegraf.conf"
    first, second = (tenant.key for tenant in tenants)
    config.write_text(CONFIG.format(url=collector.url, first=first, second=second, file=tmp_path / "lines"))
    run = Process([str(program), "--config", str(config), "--once"], log=tmp_path / "telegraf.log")
    await run.start()
    assert run.process is not None
    await asyncio.to_thread(run.process.wait, 60)
    for tenant in tenants:
        rows = await kept(
            stage,
            tenant,
            "SELECT a.external_id, metric, series.tags, value FROM samples JOIN series ON series.id = series_id "
            "JOIN agents a ON a.id = series.agent_id",
        )
        reviews = [row for row in rows if row[1].startswith("review_")]
        assert len(reviews) == 3 * COUNT, run.said()
        assert sum(row[3] for row in reviews) == sum(sum(point._fields.values()) for point in points)
        assert {json.dumps(row[2]) for row in reviews} == {json.dumps({"host": socket.gethostname(), "model": "a,b=c"})}
        own = {row[1] for row in rows if row[0] == socket.gethostname()}
        assert own >= {"cpu_time_idle", "cpu_time_user", "mem_used_percent", "mem_total"}
        assert await kept(stage, tenant, "SELECT message FROM agent_logs") == [('note: text=all "well"',)]
    assert run.said(50).count("older than what is kept (30 days) dropped=1") >= len(tenants)
