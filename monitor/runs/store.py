"""Writes runs, whole batches of them in a few statements: what assembly makes of traces, what callers of the API post.

An execution counts its tasks. Whoever writes tasks holds the rows of their executions afterwards, in order of their
ids, and counts then: so no count misses a task that another wrote meanwhile. Tasks before executions is the ledger's
order, too. Tokens and cost of both are the ledger's sums.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import arrays
from monitor.ids import uuid7_floor
from monitor.runs.columns import COLUMNS, Column
from monitor.runs.model import Execution, Interaction, Runs, Source, Task, ToolExecution
from monitor.runs.tables import AgentInteraction, WorkflowExecution
from monitor.runs.tables import Task as TaskTable
from monitor.runs.tables import ToolExecution as ToolTable
from monitor.usage.model import Total

Driver = psycopg.AsyncConnection[Any]

TABLES: dict[type[Any], str] = {
    Execution: WorkflowExecution.__tablename__,
    Task: TaskTable.__tablename__,
    ToolExecution: ToolTable.__tablename__,
    Interaction: AgentInteraction.__tablename__,
}
_BY_ID = attrgetter("id")
_NOTHING = Total()
_EVER = (UUID(int=0), UUID(int=2**128 - 1))
_SECOND = timedelta(seconds=1)


class _Sum(NamedTuple):
    """A column that is a sum of calls: its type on the way, what is stored, and its value."""

    name: str
    type: str
    stored: str
    of: Callable[[Total], Any]


_SUMS: dict[type[Any], tuple[_Sum, ...]] = {
    Task: (
        _Sum("calls", "bigint", "n.calls", attrgetter("calls")),
        _Sum("input_tokens", "bigint", "n.input_tokens", attrgetter("input_tokens")),
        _Sum("output_tokens", "bigint", "n.output_tokens", attrgetter("output_tokens")),
        _Sum("tokens_used", "bigint", "n.tokens_used", attrgetter("tokens")),
        _Sum("cost_usd", "text", "n.cost_usd::numeric", lambda total: str(total.cost_usd)),
    ),
    Execution: (
        _Sum("total_tokens", "bigint", "n.total_tokens", attrgetter("tokens")),
        _Sum("total_cost_usd", "text", "n.total_cost_usd::numeric", lambda total: str(total.cost_usd)),
    ),
}


def _upsert(table: str, columns: Sequence[Column], sums: Sequence[_Sum] = ()) -> str:
    """Insert, or make equal what differs."""
    names = [column.name for column in columns] + [one.name for one in sums]
    types = [column.type for column in columns] + [one.type for one in sums]
    picked = [f"n.{column.name}" for column in columns] + [one.stored for one in sums]
    kept = [name for name in names if name != "id"]
    ours, theirs = (", ".join(f"{side}.{name}" for name in kept) for side in (table, "excluded"))
    return f"""
        INSERT INTO {table} (tenant_id, source, created_at, {", ".join(names)})
        SELECT %s, %s, coalesce(%s, now()), {", ".join(picked)}
        FROM unnest({", ".join(f"%s::{kind}[]" for kind in types)}) AS n ({", ".join(names)})
        ON CONFLICT (tenant_id, id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in kept)}
        WHERE ({ours}) IS DISTINCT FROM ({theirs})
    """


_UPSERTS = {kind: _upsert(table, COLUMNS[kind]) for kind, table in TABLES.items()}
_UPSERTS_SUMMED = {kind: _upsert(TABLES[kind], COLUMNS[kind], sums) for kind, sums in _SUMS.items()}

_LOCK = """
    SELECT id FROM workflow_executions WHERE tenant_id = %s AND (id = ANY (%s) OR trace_id = ANY (%s))
    ORDER BY id FOR NO KEY UPDATE
"""
# Not `id <> ALL (…)`: where that is planned for any array, each row is compared with all of it.
_GONE = """
    DELETE FROM {table} r WHERE tenant_id = %s AND trace_id = ANY (%s) AND source = 'trace'
    AND NOT EXISTS (SELECT FROM unnest(%s::uuid[]) AS kept (id) WHERE kept.id = r.id)
    AND id BETWEEN %s AND %s {returning}
"""
_COUNT = """
    UPDATE workflow_executions e SET total_tasks = s.total, completed_tasks = s.completed, failed_tasks = s.failed
    FROM (
        SELECT wanted.id, count(t.id) AS total, count(*) FILTER (WHERE t.status = 'completed') AS completed,
            count(*) FILTER (WHERE t.status = 'failed') AS failed
        FROM unnest(%s) AS wanted (id)
        LEFT JOIN tasks t ON t.tenant_id = %s AND t.execution_id = wanted.id
        GROUP BY wanted.id
    ) s
    WHERE e.tenant_id = %s AND e.id = s.id
        AND (e.total_tasks, e.completed_tasks, e.failed_tasks) IS DISTINCT FROM (s.total, s.completed, s.failed)
"""


async def put_runs(
    connection: AsyncConnection,
    tenant_id: UUID,
    runs: Iterable[Runs],
    *,
    source: Source = Source.TRACE,
    trace_ids: Collection[str] = (),
    within: tuple[datetime, datetime] | None = None,
    totals: Mapping[UUID, Total] | None = None,
    received_at: datetime | None = None,
) -> None:
    """Make the tables equal to `runs`, in the caller's transaction: of one request, or of many traces of one tenant.

    `trace_ids`: traces that `runs` tells completely: what assembly made of them before and is not among `runs` goes
    away. `within`: from the earliest to the latest start of anything in these traces; it spares a look into every
    partition. `totals`: what the calls of each task and execution come to, by its id, as `put_calls` returns them; who
    is not named has none. Without `totals` tokens and cost stay as they are. The calls themselves are the ledger's.
    `received_at`: when what is new was told of; None: now, by the database.

    A transaction that writes for several tenants takes them in order of their ids, so that none blocks another.
    """
    made = _gathered(runs)
    writing = _Writing(await _driver(connection), tenant_id, source, totals, received_at)
    executions = {task.execution_id for task in made[Task] if task.execution_id is not None}
    executions |= {execution.id for execution in made[Execution]}
    bounds = _EVER if within is None else (uuid7_floor(within[0]), uuid7_floor(within[1] + _SECOND))
    gone = _Gone(writing, list(trace_ids), bounds)
    if trace_ids:
        executions |= {row[0] for row in await gone.remove(Task, made[Task], "execution_id") if row[0] is not None}
        await gone.remove(ToolExecution, made[ToolExecution])
    await writing.put(Task, made[Task])
    await writing.put(ToolExecution, made[ToolExecution])
    if executions or trace_ids:
        await writing.driver.execute(_LOCK, [tenant_id, list(executions), list(trace_ids)])
    await writing.put(Execution, made[Execution])
    await writing.put(Interaction, made[Interaction])
    if trace_ids:
        # What points to others goes before them.
        await gone.remove(Interaction, made[Interaction])
        await gone.remove(Execution, made[Execution])
    if executions:
        await writing.driver.execute(_COUNT, [list(executions), tenant_id, tenant_id])


def _gathered(runs: Iterable[Runs]) -> dict[type[Any], list[Any]]:
    """Rows by kind, in order of their ids, so that two writers of the same ones cannot deadlock; each id once."""
    made: dict[type[Any], dict[UUID, Any]] = {kind: {} for kind in TABLES}
    for one in runs:
        for kind, rows in ((Execution, one.executions), (Task, one.tasks), (ToolExecution, one.tools)):
            made[kind].update((row.id, row) for row in rows)
        made[Interaction].update((row.id, row) for row in one.interactions)
    return {kind: sorted(rows.values(), key=_BY_ID) for kind, rows in made.items()}


async def _driver(connection: AsyncConnection) -> Driver:
    """The psycopg connection of this transaction."""
    raw = await connection.get_raw_connection()
    driver: Driver = raw.driver_connection  # type: ignore[assignment]
    return driver


@dataclass(frozen=True, slots=True)
class _Writing:
    """One call of `put_runs`: where it writes, and for whom."""

    driver: Driver
    tenant_id: UUID
    source: Source
    totals: Mapping[UUID, Total] | None
    received_at: datetime | None

    async def put(self, kind: type[Any], rows: Sequence[Any]) -> None:
        """Insert, or make equal."""
        if not rows:
            return
        columns = (column.of(rows) for column in COLUMNS[kind])
        values: list[Any] = [self.tenant_id, str(self.source), self.received_at, *columns]
        if self.totals is None or kind not in _SUMS:
            await self.driver.execute(_UPSERTS[kind], values)
            return
        totals = [self.totals.get(row.id, _NOTHING) for row in rows]
        for one in _SUMS[kind]:
            given = [one.of(total) for total in totals]
            values.append(arrays.texts(given) if one.type == "text" else arrays.int8s_or_null(given))
        await self.driver.execute(_UPSERTS_SUMMED[kind], values)


@dataclass(frozen=True, slots=True)
class _Gone:
    """What some traces no longer come to."""

    writing: _Writing
    trace_ids: list[str]
    bounds: tuple[UUID, UUID]

    async def remove(self, kind: type[Any], kept: Sequence[Any], returning: str | None = None) -> list[Any]:
        """Take away what is not among `kept`; of each row that goes, the column `returning`."""
        statement = _GONE.format(table=TABLES[kind], returning=f"RETURNING {returning}" if returning else "")
        kept_ids = arrays.uuids([row.id for row in kept])
        given = [self.writing.tenant_id, self.trace_ids, kept_ids, *self.bounds]
        removed = await self.writing.driver.execute(statement, given)
        return await removed.fetchall() if returning else []
