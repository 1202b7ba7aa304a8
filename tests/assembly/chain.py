"""The real chain for tests of traces: steps are kept by ingest, assembled when told, and read back as rows."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from sqlalchemy import text

from monitor.db import Database
from monitor.ingest.assembler import Assembler
from monitor.ingest.payloads import Outcome
from monitor.principal import Principal
from monitor.runs.steps import Step
from tests.conftest import SettableClock
from tests.factories import TenantMade
from tests.http.collector import Collector, collecting

OWN_TIMES = frozenset({"created_at", "updated_at", "received_at", "tenant_id"})
"""Columns that say when and for whom a row was written, and not what happened."""

RUNS = ("workflow_executions", "tasks", "tool_executions", "agent_interactions", "model_calls")


class Chain:
    """One collector, one assembler, and a clock that moves when told."""

    def __init__(self, collector: Collector, clock: SettableClock) -> None:
        self.collector = collector
        self.ingest = collector.ingest
        self.db = collector.ingest.deps.db
        self.clock = clock
        self.figures = CollectorRegistry()
        self.assembler = Assembler(self.db, self.ingest, clock=clock, registry=self.figures)

    @property
    def tenant(self) -> TenantMade:
        """The tenant that is meant where none is named."""
        return self.collector.tenant

    @property
    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return int(self.clock().timestamp() * 1e6)

    async def keep(self, steps: Sequence[Step], *, principal: Principal | None = None) -> Outcome:
        """Take steps in."""
        outcome = Outcome()
        await self.ingest.keep_steps(principal or self.tenant.principal, steps, outcome)
        return outcome

    async def assemble(self) -> int:
        """Turns of the assembler until nothing is left to do now."""
        total = 0
        while done := await self.assembler.run_once(self.clock()):
            total += done
        return total

    async def rows(self, sql: str, *, tenant: UUID | None = None, **values: Any) -> list[dict[str, Any]]:
        """What a query finds in a tenant."""
        async with self.db.tenant(tenant or self.tenant.id) as connection:
            return [dict(row) for row in (await connection.execute(text(sql), values)).mappings()]

    async def stored(self, tables: Iterable[str] = RUNS, *, tenant: UUID | None = None) -> dict[str, list[str]]:
        """Every row of some tables as text, agents by their names, without what says when it was written."""
        agents = {
            str(row["id"]): row["external_id"]
            for row in await self.rows("SELECT id, external_id FROM agents", tenant=tenant)
        }
        found: dict[str, list[str]] = {}
        for table in tables:
            rows = await self.rows(f"SELECT * FROM {table}", tenant=tenant)
            found[table] = sorted(
                repr(
                    {
                        name: agents.get(str(value), value)
                        for name, value in sorted(row.items())
                        if name not in OWN_TIMES and value is not None
                    }
                )
                for row in rows
            )
        return found


@contextlib.asynccontextmanager
async def chained(db: Database, clock: SettableClock) -> AsyncIterator[Chain]:
    """The chain, started."""
    async with collecting(db, clock) as collector:
        yield Chain(collector, clock)
