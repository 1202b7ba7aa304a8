"""Runs for tests, with everything that nobody asked about filled in."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.ids import uuid7
from monitor.runs import store
from monitor.runs.model import (
    Execution,
    Interaction,
    InteractionType,
    Runs,
    RunStatus,
    Source,
    Task,
    ToolExecution,
    ToolStatus,
)
from monitor.usage.model import Total

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
_numbers = itertools.count()


def at(seconds: float) -> datetime:
    """Seconds after the start of the tests' time, an hour ago."""
    return START + timedelta(seconds=seconds)


def task(agent_id: UUID, *, seconds: float = 0, took: float | None = 1, **values: Any) -> Task:
    """A completed one that began `seconds` after START; with `took` None it is still running."""
    started = at(seconds)
    made = Task(
        id=uuid7(started),
        agent_id=agent_id,
        task_type="code_review",
        status=RunStatus.RUNNING if took is None else RunStatus.COMPLETED,
        started_at=started,
        completed_at=None if took is None else started + timedelta(seconds=took),
    )
    return replace(made, **values)


def execution(*, seconds: float = 0, **values: Any) -> Execution:
    """A running one."""
    made = Execution(
        id=uuid7(at(seconds)), workflow_id=None, name="review", status=RunStatus.RUNNING, started_at=at(seconds)
    )
    return replace(made, **values)


def tool(agent_id: UUID, *, seconds: float = 0, **values: Any) -> ToolExecution:
    """A call that took half a second."""
    made = ToolExecution(
        id=uuid7(at(seconds)),
        agent_id=agent_id,
        tool_name="read_file",
        status=ToolStatus.SUCCESS,
        started_at=at(seconds),
        completed_at=at(seconds + 0.5),
    )
    return replace(made, **values)


def interaction(one: UUID, other: UUID, **values: Any) -> Interaction:
    """A hand-over."""
    made = Interaction(
        id=uuid7(START), from_agent_id=one, to_agent_id=other, interaction_type=InteractionType.HANDOFF, at=START
    )
    return replace(made, **values)


def trace() -> str:
    """A trace id that no other test has."""
    return f"{next(_numbers):032x}"


def total(tokens: int = 0, cost: str = "0", calls: int = 1) -> Total:
    """A third of the tokens were written, the others read."""
    return Total(calls, tokens - tokens // 3, tokens // 3, Decimal(cost))


async def put(
    db: Database,
    tenant_id: UUID,
    *,
    executions: Sequence[Execution] = (),
    tasks: Sequence[Task] = (),
    tools: Sequence[ToolExecution] = (),
    interactions: Sequence[Interaction] = (),
    source: Source = Source.TRACE,
    trace_ids: Sequence[str] = (),
    within: tuple[datetime, datetime] | None = None,
    totals: Mapping[UUID, Total] | None = None,
) -> None:
    """In a transaction of the alerter's, as assembly does, or of the application's."""
    runs = Runs(executions=tuple(executions), tasks=tuple(tasks), tools=tuple(tools), interactions=tuple(interactions))
    door = db.alerter() if source is Source.TRACE else db.tenant(tenant_id)
    async with door as connection:
        await store.put_runs(
            connection, tenant_id, [runs], source=source, trace_ids=trace_ids, within=within, totals=totals
        )


async def rows(db: Database, tenant_id: UUID, table: str) -> list[dict[str, Any]]:
    """All rows of a tenant, by id."""
    async with db.tenant(tenant_id) as connection:
        found = await connection.execute(text(f"SELECT * FROM {table} ORDER BY id"))
        return [dict(row) for row in found.mappings()]


async def one(connection: AsyncConnection, query: str, **values: Any) -> Any:
    """The only row of a query."""
    return (await connection.execute(text(query), values)).mappings().one()
