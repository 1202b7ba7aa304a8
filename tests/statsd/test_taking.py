"""StatsD over a real socket: what arrived equals what was sent, counted; keys, outages, two workers, one port."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from monitor.clock import Clock, now
from monitor.db import Database
from monitor.errors import ConfigError
from monitor.ids import microseconds
from monitor.ingest.statsd import taking
from monitor.ingest.statsd.taking import Statsd
from monitor.principal import Scope
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_key, make_tenant
from tests.http.collector import Collector, collecting

INTERVAL = 0.2
POINTS = (
    "SELECT s.metric, s.tags, s.kind, s.unit, a.external_id AS agent, x.at, x.value FROM samples x "
    "JOIN series s ON s.tenant_id = x.tenant_id AND s.id = x.series_id "
    "JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id ORDER BY s.metric, x.at"
)


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
        return found


@contextlib.asynccontextmanager
async def listening(db: Database, clock: Clock, tenant: TenantMade, port: int, **more: Any) -> AsyncIterator[Collector]:
    """A collector that takes StatsD in."""
    given: dict[str, Any] = {
        "statsd_listen": f"127.0.0.1:{port}",
        "statsd_key": tenant.key,
        "statsd_interval": INTERVAL,
    } | more
    async with (
        collecting(db, clock, settings=Settings(**given), tenant=tenant) as collector,
        taking.taking(collector.ingest),
    ):
        await until(lambda: _taken(port))
        yield collector


async def _taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


async def until(found: Callable[[], Awaitable[Any]]) -> Any:
    """What is found, as soon as it is something."""
    for _ in range(1000):
        if answer := await found():
            return answer
        await asyncio.sleep(0.02)
    raise TimeoutError


def send(port: int, *packets: str | bytes) -> None:
    """Send packets from a socket of an ordinary client."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for packet in packets:
            client.sendto(packet.encode() if isinstance(packet, str) else packet, ("127.0.0.1", port))


def fates(collector: Collector) -> dict[str, float]:
    registry = collector.ingest.deps.registry
    names = ("taken", "malformed", "dropped")
    return {fate: registry.get_sample_value("agent_monitor_statsd_lines_total", {"fate": fate}) or 0 for fate in names}


async def test_what_arrived_is_what_was_sent(db: Database, tenant: TenantMade, port: int) -> None:
    async with listening(db, now, tenant, port) as collector:
        for _ in range(10):
            send(port, *["runs:1|c|#agent:akira,model:m\nruns:2|c|@0.5|#agent:akira,model:m\n"] * 50)
            await asyncio.sleep(0.05)
        send(port, "load:5|g\nload:+1.5|g", "wait:100|ms\nwait:300|ms", "users:a|s\nusers:b|s\nusers:a|s")
        sums: dict[str, float] = {}

        async def complete() -> bool:
            sums.clear()
            for row in await collector.rows(POINTS):
                sums[row["metric"]] = sums.get(row["metric"], 0) + row["value"]
            return sums.get("runs") == 2500 and "users" in sums

        await until(complete)
        assert (sums["load"], sums["wait.count"], sums["wait.sum"], sums["users"]) == (6.5, 2, 400, 2)
        (runs, *_) = [row for row in await collector.rows(POINTS) if row["metric"] == "runs"]
        assert (runs["agent"], runs["tags"], runs["kind"]) == ("akira", {"model": "m"}, "delta")
        assert fates(collector) == {"taken": 1007, "malformed": 0, "dropped": 0}


async def test_malformed_lines_are_counted_and_cost_no_other_line(
    db: Database, clock: SettableClock, tenant: TenantMade, port: int
) -> None:
    async with listening(db, clock, tenant, port) as collector:
        send(port, b"\xff\xfe:1|c\ngood:1|c\nbad\n\nbad:x|c\r\n", b"", b"\n\n", b"_sc|x|0")
        (row,) = await until(lambda: collector.rows(POINTS))
        assert (row["metric"], row["value"], row["agent"]) == ("good", 1.0, "statsd")
        assert fates(collector) == {"taken": 1, "malformed": 4, "dropped": 0}


async def test_what_was_sent_last_is_kept_at_the_end(
    db: Database, clock: SettableClock, tenant: TenantMade, port: int
) -> None:
    async with listening(db, clock, tenant, port, statsd_interval=600.0) as collector:
        send(port, "last:1|c", f"dated:2|g|T{microseconds(clock()) // 1_000_000 - 60}", "old:3|g|T1000")
        await until(lambda: asyncio.sleep(0, fates(collector)["taken"] == 3))
        assert await collector.rows(POINTS) == []
    async with collecting(db, clock, tenant=tenant) as rest:
        assert {row["metric"]: row["value"] for row in await rest.rows(POINTS)} == {"last": 1.0, "dated": 2.0}


async def test_while_nothing_can_be_kept_it_waits(db: Database, clock: SettableClock, tenant: TenantMade) -> None:
    async with collecting(db, clock, settings=Settings(rate_limit="1/minute"), tenant=tenant) as collector:
        statsd = Statsd(collector.ingest, tenant.key)
        for number in range(3):
            statsd.datagram_received(f"a:{number}|g".encode(), None)
            await statsd.keep()
            clock.advance(10)
        assert [row["value"] for row in await collector.rows(POINTS)] == [0.0]
        collector.ingest.gate = type(collector.ingest.gate)("1000/minute", collector.ingest.deps.live)
        await statsd.keep()
        rows = await collector.rows(POINTS)
        assert [row["value"] for row in rows] == [0.0, 1.0, 2.0]
        assert (rows[2]["at"] - rows[0]["at"]).total_seconds() == 20


async def test_a_key_that_may_not_send_keeps_nothing(db: Database, clock: SettableClock, tenant: TenantMade) -> None:
    _id, reader = await make_key(db, tenant.id, scopes=(Scope.READ,))
    async with collecting(db, clock, tenant=tenant) as collector:
        for key in (reader, "am_nobodys_key"):
            statsd = Statsd(collector.ingest, key)
            statsd.datagram_received(b"a:1|g", None)
            await statsd.keep()
            collector.ingest.deps.registry.unregister(statsd.lines)
        assert await collector.rows(POINTS) == []


async def test_of_two_workers_one_has_the_port_and_the_other_takes_over(
    db: Database, clock: SettableClock, tenant: TenantMade, port: int
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        second: Collector
        async with listening(db, clock, tenant, port) as first:
            second = await stack.enter_async_context(listening(db, clock, tenant, port))
            send(port, *["n:1|c"] * 20)
            await until(lambda: asyncio.sleep(0, fates(first)["taken"] == 20))
            assert fates(second)["taken"] == 0
        await until(lambda: _taken(port))
        send(port, *["n:1|c"] * 5)
        await until(lambda: asyncio.sleep(0, fates(second)["taken"] == 5))


async def test_without_a_key_it_does_not_start(db: Database, clock: SettableClock, port: int) -> None:
    async with collecting(db, clock, settings=Settings(statsd_listen=f"127.0.0.1:{port}")) as collector:
        with pytest.raises(ConfigError, match="AGENT_MONITOR_STATSD_KEY"):
            async with taking.taking(collector.ingest):
                pass


async def test_it_is_off_unless_switched_on(db: Database, clock: SettableClock, port: int) -> None:
    async with collecting(db, clock) as collector, taking.taking(collector.ingest):
        assert not await _taken(port)
