"""What the benches of alerting share: agents and rules in great number, a mail server with a clock, the alerter's
own figures."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from alerts import configs
from monitor import clock as wall
from monitor.ids import uuid7
from tests.stage import Program, Stage

_AGENTS = text("""
    INSERT INTO agents (tenant_id, id, external_id, name, agent_type, ping_token)
    SELECT :tenant, id, name, name, 'coder', id
    FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[])) AS n (id, name)
""")
_LIVE = text("""
    INSERT INTO agent_live (tenant_id, agent_id) SELECT tenant_id, id FROM agents WHERE tenant_id = :tenant
""")
_RULES = text("""
    INSERT INTO alert_configs (tenant_id, id, agent_id, name, conditions, timing, channels, severity, reads, sifted)
    SELECT a.tenant_id, gen_random_uuid(), a.id, CAST(:name AS text) || ' of ' || a.external_id,
           CAST(:conditions AS jsonb), CAST(:timing AS jsonb), CAST(:channels AS jsonb), :severity, :reads, :sifted
    FROM agents a WHERE a.tenant_id = :tenant
""")
_ONE = text("""
    INSERT INTO alert_configs (tenant_id, id, name, conditions, timing, channels, severity, reads, sifted)
    VALUES (:tenant, gen_random_uuid(), :name, CAST(:conditions AS jsonb), CAST(:timing AS jsonb),
            CAST(:channels AS jsonb), :severity, :reads, :sifted)
""")
SEEN_EVERY = 0.5
"""Seconds: seldom enough that it is not what is measured, often enough for every pass."""


class TimedMailbox:
    """A mail server that takes everything and notes when it came, fast enough not to be what is measured (RFC 5321)."""

    def __init__(self) -> None:
        self.envelopes: list[bytes] = []
        self.arrived: list[float] = []
        self.url = ""

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        writer.write(b"220 ready\r\n")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while word := (await reader.readline())[:4].upper():
                if word == b"DATA":
                    writer.write(b"354 go on\r\n")
                    mail = await reader.readuntil(b"\r\n.\r\n")
                    self.arrived.append(time.monotonic())
                    self.envelopes.append(mail.removesuffix(b".\r\n"))
                writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
        writer.close()


@contextlib.asynccontextmanager
async def mail_server() -> AsyncIterator[TimedMailbox]:
    """A mail server on this loop."""
    made = TimedMailbox()
    server = await asyncio.start_server(made.take, "127.0.0.1", 0, limit=1 << 26)
    made.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()


async def add_agents(stage: Stage, tenant_id: UUID, names: Sequence[str]) -> None:
    """Agents as if they had registered."""
    now = wall.now()
    async with stage.db.tenant(tenant_id) as connection:
        ids = [uuid7(now) for _ in names]
        await connection.execute(_AGENTS, {"tenant": tenant_id, "ids": ids, "names": list(names)})
        await connection.execute(_LIVE, {"tenant": tenant_id})


async def add_rule(stage: Stage, tenant_id: UUID, raw: Mapping[str, Any], *, each: bool = False) -> None:
    """A rule as people write it; `each`: one for each of the tenant's agents in place of one for all of them."""
    columns = configs.draft({**raw, "enabled": True}, agent_id=None).columns
    given = {name: json.dumps(columns[name]) for name in ("conditions", "timing", "channels")}
    given |= {name: columns[name] for name in ("name", "severity", "reads", "sifted")}
    async with stage.db.tenant(tenant_id) as connection:
        await connection.execute(_RULES if each else _ONE, given | {"tenant": tenant_id})


class Figures:
    """What a program says of itself, read again and again: each pass of an alerter, as it ends."""

    def __init__(self, program: Program) -> None:
        self._url = f"{program.url}/metrics"
        self.now: dict[str, float] = {}
        self.passes: list[float] = []
        """Seconds of each pass that has ended since `watching` began."""

    def __getitem__(self, name: str) -> float:
        return sum(value for key, value in self.now.items() if key == name or key.startswith(f"{name}{{"))

    async def read(self) -> None:
        """Read all figures once."""
        async with httpx.AsyncClient(timeout=60) as client:
            self._take((await client.get(self._url)).text)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator["Figures"]:
        """Read them all the time meanwhile."""
        await self.read()
        self.passes.clear()
        task = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            while True:
                self._take((await client.get(self._url)).text)
                await asyncio.sleep(SEEN_EVERY)

    def _take(self, said: str) -> None:
        before = self._sums()
        pairs = (line.rpartition(" ") for line in said.splitlines() if not line.startswith("#"))
        self.now = {name: float(value) for name, _, value in pairs}
        count, seconds = (after - then for after, then in zip(self._sums(), before, strict=True))
        if count:
            self.passes += [seconds / count] * int(count)

    def _sums(self) -> tuple[float, float]:
        name = "agent_monitor_tick_seconds"
        return self.now.get(f"{name}_count", 0.0), self.now.get(f"{name}_sum", 0.0)
