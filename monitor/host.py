"""This machine as an agent: its processor, memory and disk, the database's size, the collector's own figures."""

import asyncio
import re
import secrets
import shutil
import socket
import time
from pathlib import Path
from uuid import UUID

import psutil
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from monitor.agents import store
from monitor.clock import Clock
from monitor.db import Database
from monitor.errors import Conflict
from monitor.ids import uuid7
from monitor.sdk import AsyncMonitor

INTERVAL = 10.0
AGENT_TYPE = "host"
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_UNITS = {
    "cpu_percent": "%",
    "memory_percent": "%",
    "memory_bytes": "By",
    "disk_free_bytes": "By",
    "load_1m": None,
    "database_bytes": "By",
    "collector_memory_bytes": "By",
    "collector_rows_per_second": "1/s",
    "collector_queued_rows": None,
    "collector_commit_ms": "ms",
    "collector_tick_lag_seconds": "s",
}


def name() -> str:
    """What this machine is called, as an agent."""
    return _NOT_IN_NAMES.sub("-", socket.gethostname())[:100] or "this-machine"


async def register(db: Database, tenant_id: UUID, clock: Clock) -> None:
    """Make the agent before its first message, so that it is known as a machine. Changes nothing the second time."""
    values = {
        "external_id": name(),
        "name": name(),
        "agent_type": AGENT_TYPE,
        "description": "the machine that Agent Monitor runs on",
        "ping_token": secrets.token_urlsafe(16),
    }
    try:
        async with db.tenant(tenant_id) as connection:
            await store.insert_agent(connection, tenant_id, uuid7(clock()), values)
    except Conflict:
        return


class HostAgent:
    """Reads the machine every ten seconds and reports it as any agent would."""

    def __init__(self, monitor: AsyncMonitor, db: Database, registry: CollectorRegistry, *, data: Path) -> None:
        """`data`: the directory whose disk is watched."""
        self._monitor = monitor
        self._db = db
        self._registry = registry
        self._data = data
        self._process = psutil.Process()
        self._rows: tuple[float, float] | None = None
        self._commits: tuple[float, float] | None = None

    async def run(self) -> None:
        """Report until cancelled."""
        psutil.cpu_percent()  # the first call only begins to measure
        while True:
            values = {**await asyncio.to_thread(self._machine), **self._collector(), **await self._database()}
            for metric, value in values.items():
                self._monitor.metric(metric, value, unit=_UNITS[metric])
            self._monitor.heartbeat(metrics=values)
            await asyncio.sleep(INTERVAL)

    def _machine(self) -> dict[str, float]:
        memory = psutil.virtual_memory()
        return {
            "cpu_percent": psutil.cpu_percent(),
            "memory_percent": memory.percent,
            "memory_bytes": memory.total - memory.available,
            "disk_free_bytes": shutil.disk_usage(self._data).free,
            "load_1m": psutil.getloadavg()[0],
            "collector_memory_bytes": self._process.memory_info().rss,
        }

    async def _database(self) -> dict[str, float]:
        async with self._db.owner() as connection:
            size = await connection.execute(text("SELECT pg_database_size(current_database())"))
            return {"database_bytes": float(size.scalar_one())}

    def _collector(self) -> dict[str, float]:
        """Rates since the last look, from the figures that `/metrics` shows."""
        values = {
            "collector_queued_rows": self._sample("agent_monitor_queue_rows"),
            "collector_tick_lag_seconds": self._sample("agent_monitor_tick_lag_seconds"),
        }
        at = time.monotonic()
        rows = self._sample("agent_monitor_ingest_rows_total")
        if self._rows is not None:
            values["collector_rows_per_second"] = (rows - self._rows[0]) / (at - self._rows[1])
        self._rows = rows, at
        count = self._sample("agent_monitor_commit_seconds_count")
        total = self._sample("agent_monitor_commit_seconds_sum")
        if self._commits is not None and count > self._commits[0]:
            values["collector_commit_ms"] = 1000 * (total - self._commits[1]) / (count - self._commits[0])
        self._commits = count, total
        return values

    def _sample(self, wanted: str) -> float:
        """The sum of a metric over its labels; 0 where it does not exist."""
        found = (sample for metric in self._registry.collect() for sample in metric.samples)
        return sum(sample.value for sample in found if sample.name == wanted)
