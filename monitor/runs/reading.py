"""Reads runs back: one, pages of them, an execution with its tasks, what an agent's tasks come to in a window."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec.structs import fields
from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from monitor.agents.tables import Agent
from monitor.errors import NotFound
from monitor.ids import uuid7_floor
from monitor.runs import names
from monitor.runs.model import (
    Execution,
    Interaction,
    InteractionType,
    RunStatus,
    Task,
    ToolExecution,
    ToolStatus,
)
from monitor.runs.names import RunKind
from monitor.runs.tables import AgentInteraction, WorkflowExecution
from monitor.runs.tables import Task as TaskRow
from monitor.runs.tables import ToolExecution as ToolRow

TASKS_SHOWN = 1_000
"""Tasks of an execution that are read with it."""

_MODELS: dict[RunKind, tuple[Any, Any]] = {
    RunKind.TASK: (TaskRow, Task),
    RunKind.EXECUTION: (WorkflowExecution, Execution),
    RunKind.TOOL: (ToolRow, ToolExecution),
    RunKind.INTERACTION: (AgentInteraction, Interaction),
}
_TYPES: dict[RunKind, tuple[str, Any]] = {
    RunKind.TASK: ("status", RunStatus),
    RunKind.EXECUTION: ("status", RunStatus),
    RunKind.TOOL: ("status", ToolStatus),
    RunKind.INTERACTION: ("interaction_type", InteractionType),
}
_FIELDS = {"user": "user_ref"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which part of a list is wanted: runs that began in a time, and are older than the one `before`."""

    limit: int
    before: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskStats:
    """An agent's tasks that began in a window. The average is of completed ones; the rate of those that ended."""

    tasks: int
    completed: int
    failed: int
    calls: int
    input_tokens: int
    output_tokens: int
    tokens_used: int
    cost_usd: Decimal
    average_latency_ms: float | None
    success_rate: float | None


def _query(kind: RunKind) -> Select[*tuple[Any, ...]]:
    """Rows of one kind with the names of their agents."""
    table = _MODELS[kind][0]
    columns = list(table.__table__.columns)
    if kind is RunKind.EXECUTION:
        return select(*columns)
    if kind is RunKind.INTERACTION:
        one, other = aliased(Agent), aliased(Agent)
        return (
            select(*columns, one.external_id.label("from_agent"), other.external_id.label("to_agent"))
            .join(one, and_(one.tenant_id == table.tenant_id, one.id == table.from_agent_id))
            .join(other, and_(other.tenant_id == table.tenant_id, other.id == table.to_agent_id))
        )
    joined = and_(Agent.tenant_id == table.tenant_id, Agent.id == table.agent_id)
    return select(*columns, Agent.external_id.label("agent")).join(Agent, joined)


async def _named(connection: AsyncConnection, tenant_id: UUID, rows: Sequence[Any]) -> list[dict[str, Any]]:
    known = await names.names_of(connection, tenant_id, [row["id"] for row in rows])
    return [{**row, "external_id": known.get(row["id"])} for row in rows]


async def list_runs(
    connection: AsyncConnection, tenant_id: UUID, kind: RunKind, bounds: Bounds, where: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """`limit + 1` rows, newest first. `where`: values by column; those that are None do not matter."""
    table = _MODELS[kind][0]
    query = _query(kind).where(table.tenant_id == tenant_id).order_by(table.id.desc()).limit(bounds.limit + 1)
    if bounds.before is not None:
        query = query.where(table.id < bounds.before)
    if bounds.since is not None:
        query = query.where(table.id >= uuid7_floor(bounds.since))
    if bounds.until is not None:
        query = query.where(table.id < uuid7_floor(bounds.until))
    for name, value in where.items():
        if value is not None:
            query = query.where(_holds(table, name, value))
    return await _named(connection, tenant_id, (await connection.execute(query)).mappings().all())


def _holds(table: Any, name: str, value: Any) -> ColumnElement[bool]:
    """`agent` of an interaction is either side's."""
    if name == "agent_id" and table is AgentInteraction:
        return or_(table.from_agent_id == value, table.to_agent_id == value)
    condition: ColumnElement[bool] = getattr(table, name) == value
    return condition


async def get_runs(
    connection: AsyncConnection, tenant_id: UUID, kind: RunKind, ids: Collection[UUID]
) -> dict[UUID, dict[str, Any]]:
    """Rows by id."""
    table = _MODELS[kind][0]
    query = _query(kind).where(table.tenant_id == tenant_id, table.id.in_(list(ids)))
    found = await _named(connection, tenant_id, (await connection.execute(query)).mappings().all())
    return {row["id"]: row for row in found}


async def get_run(connection: AsyncConnection, tenant_id: UUID, kind: RunKind, key: str) -> dict[str, Any]:
    """By our id or the caller's own. Raises NotFound."""
    known = await names.find(connection, tenant_id, kind, [key])
    found = await get_runs(connection, tenant_id, kind, known.values())
    if not found:
        raise NotFound(f"there is no such {kind}")
    return next(iter(found.values()))


async def lock_runs(
    connection: AsyncConnection, tenant_id: UUID, kind: RunKind, ids: Collection[UUID]
) -> dict[UUID, tuple[Any, str]]:
    """Runs as the model has them, with their source, held against other writers until the transaction ends."""
    table, model = _MODELS[kind]
    query = (
        select(*table.__table__.columns)
        .where(table.tenant_id == tenant_id, table.id.in_(list(ids)))
        .order_by(table.id)
        .with_for_update(key_share=True)
    )
    name, typed = _TYPES[kind]
    held: dict[UUID, tuple[Any, str]] = {}
    for row in (await connection.execute(query)).mappings():
        values = {item.name: row[_FIELDS.get(item.name, item.name)] for item in fields(model)}
        held[row["id"]] = (model(**values | {name: typed(values[name])}), row["source"])
    return held


_WITH_TASKS = text("""
    SELECT e.*, t.tasks FROM workflow_executions e, LATERAL (
        SELECT coalesce(jsonb_agg(to_jsonb(first) ORDER BY first.id), '[]'::jsonb) AS tasks FROM (
            SELECT t.*, a.external_id AS agent FROM tasks t
            JOIN agents a ON a.tenant_id = t.tenant_id AND a.id = t.agent_id
            WHERE t.tenant_id = e.tenant_id AND t.execution_id = e.id ORDER BY t.id LIMIT :shown
        ) first
    ) t
    WHERE e.tenant_id = :tenant AND e.id = :id
""")


async def get_execution(connection: AsyncConnection, tenant_id: UUID, key: str) -> dict[str, Any]:
    """An execution with its first tasks, in one query. Raises NotFound."""
    known = await names.find(connection, tenant_id, RunKind.EXECUTION, [key])
    given = {"tenant": tenant_id, "id": known.get(key), "shown": TASKS_SHOWN}
    row = (await connection.execute(_WITH_TASKS, given)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such execution")
    ids = [UUID(task["id"]) for task in row["tasks"]]
    called = await names.names_of(connection, tenant_id, [row["id"], *ids])
    tasks = [{**task, "external_id": called.get(UUID(task["id"]))} for task in row["tasks"]]
    return {**row, "tasks": tasks, "external_id": called.get(row["id"])}


async def get_stats(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, since: datetime) -> TaskStats:
    """What the agent's tasks come to that began since a time."""
    done = TaskRow.status == RunStatus.COMPLETED
    query = select(
        func.count().label("tasks"),
        func.count().filter(done).label("completed"),
        func.count().filter(TaskRow.status == RunStatus.FAILED).label("failed"),
        func.coalesce(func.sum(TaskRow.calls), 0).label("calls"),
        func.coalesce(func.sum(TaskRow.input_tokens), 0).label("input_tokens"),
        func.coalesce(func.sum(TaskRow.output_tokens), 0).label("output_tokens"),
        func.coalesce(func.sum(TaskRow.tokens_used), 0).label("tokens_used"),
        func.coalesce(func.sum(TaskRow.cost_usd), 0).label("cost_usd"),
        func.avg(TaskRow.duration_ms).filter(done).label("average"),
    ).where(TaskRow.tenant_id == tenant_id, TaskRow.agent_id == agent_id, TaskRow.id >= uuid7_floor(since))
    row = dict((await connection.execute(query)).mappings().one())
    average, ended = row.pop("average"), row["completed"] + row["failed"]
    return TaskStats(
        **row,
        average_latency_ms=None if average is None else float(average),
        success_rate=row["completed"] / ended if ended else None,
    )
