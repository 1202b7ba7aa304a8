"""A tenant with agents whose calls are put into the ledger, and every level at which they are added up."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text

from monitor.db import Database
from monitor.ids import PLATFORM_TENANT, uuid7
from monitor.runs.tables import Task, WorkflowExecution
from monitor.usage.ledger import Posted, put_calls
from monitor.usage.model import Call, Tokens
from monitor.usage.tables import ModelPrice
from tests.factories import TenantMade, make_agent, make_tenant

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Stage:
    """Makes what a test needs and reads back what became of it."""

    db: Database
    tenant: TenantMade
    now: datetime
    agents: list[UUID] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    @staticmethod
    async def of(db: Database, now: datetime, *, agents: int = 2) -> "Stage":
        """A tenant with some agents."""
        stage = Stage(db, await make_tenant(db), now)
        for number in range(agents):
            stage.agents.append(await make_agent(db, stage.tenant.id, f"agent-{number}"))
        return stage

    def call(self, *, at: datetime | None = None, tokens: Tokens | None = None, **more: Any) -> Call:
        """A call of the first agent that began a minute ago, unless told otherwise."""
        started = at or self.now - timedelta(minutes=1) + timedelta(milliseconds=next(self._numbers))
        values: dict[str, Any] = {
            "id": uuid7(started), "agent_id": self.agents[0], "model": "m-1", "started_at": started,
            "tokens": tokens or Tokens(input=1000, output=100),
        }  # fmt: skip
        return Call(**values | more)

    async def put(self, calls: Iterable[Call], **more: Any) -> Posted:
        """Put calls into the ledger, in a transaction of the application's role."""
        async with self.db.tenant(self.tenant.id) as connection:
            return await put_calls(connection, self.tenant.id, calls, **more)

    async def task(self, *, execution_id: UUID | None = None) -> UUID:
        """A stored task."""
        task_id = uuid7(self.now)
        values = {"tenant_id": self.tenant.id, "id": task_id, "agent_id": self.agents[0], "task_type": "t"}
        async with self.db.tenant(self.tenant.id) as connection:
            await connection.execute(insert(Task).values(**values, execution_id=execution_id))
        return task_id

    async def execution(self) -> UUID:
        """A stored execution of a workflow."""
        execution_id = uuid7(self.now)
        async with self.db.tenant(self.tenant.id) as connection:
            values = {"tenant_id": self.tenant.id, "id": execution_id, "name": "nightly"}
            await connection.execute(insert(WorkflowExecution).values(**values))
        return execution_id

    async def price(self, model: str, input: str, output: str, *, platform: bool = True, **more: Any) -> UUID:  # noqa: A002
        """A stored price, without the work that follows from one."""
        price_id = uuid7(self.now)
        values: dict[str, Any] = {
            "tenant_id": PLATFORM_TENANT if platform else self.tenant.id, "id": price_id, "model": model,
            "valid_from": LONG_AGO, "input": Decimal(input), "output": Decimal(output),
            "source": "imported" if platform else "tenant",
        }  # fmt: skip
        async with self.db.owner() as owner:
            await owner.execute(insert(ModelPrice).values(**values | more))
        return price_id

    async def rows(self, query: str, **given: Any) -> list[Any]:
        """What a query of the tenant's own rows says."""
        async with self.db.tenant(self.tenant.id) as connection:
            return list(await connection.execute(text(query), {"tenant": self.tenant.id} | given))
