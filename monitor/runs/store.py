"""Writes runs, whole batches of them in a few statements: what assembly makes of traces, what callers of the API post.

An execution's counts, tokens and cost are the sums of its tasks. Whoever writes tasks holds the rows of their
executions first, in order of their ids, and sums up last: so no sum misses a task that another wrote meanwhile.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
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
Stored = Execution | Task | ToolExecution | Interaction

# In this order, since each may point to rows of the ones before.
TABLES: tuple[tuple[type[Any], str], ...] = (
    (Execution, WorkflowExecution.__tablename__),
    (Task, TaskTable.__tablename__),
    (ToolExecution, ToolTable.__tablename__),
    (Interaction, AgentInteraction.__tablename__),
)
_BY_ID = attrgetter("id")
_NOTHING = Total()
_EVER = (UUID(int=0), UUID(int=2**128 - 1))
_SECOND = timedelta(seconds=1)


def _upsert(table: str, columns: Sequence[Column], *, sums: bool) -> str:
    """Insert, or make equal what differs. `sums`: tokens and cost are given too."""
    names = [column.name for column in columns]
    types = [column.type for column in columns]
    picked = [f"n.{name}" for name in names]
    if sums:
        names += ["calls", "input_tokens", "output_tokens", "tokens_used", "cost_usd"]
        types += ["bigint", "bigint", "bigint", "text"]
        picked += [
            "n.calls",
            "n.input_tokens",
            "n.output_tokens",
            "n.input_tokens + n.output_tokens",
            "n.cost::numeric",
        ]
    given = [name for name in names if name not in ("tokens_used", "cost_usd")] + (["cost"] if sums else [])
    kept = [name for name in names if name != "id"]
    ours, theirs = (", ".join(f"{side}.{name}" for name in kept) for side in (table, "excluded"))
    return f"""
        INSERT INTO {table} (tenant_id, source, {", ".join(names)})
        SELECT %s, %s, {", ".join(picked)}
        FROM unnest({", ".join(f"%s::{kind}[]" for kind in types)}) AS n ({", ".join(given)})
        ON CONFLICT (tenant_id, id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in kept)}
        WHERE ({ours}) IS DISTINCT FROM ({theirs})
    """


_UPSERTS = {kind: _upsert(table, COLUMNS[kind], sums=False) for kind, table in TABLES}
_UPSERT_SUMMED = _upsert(TaskTable.__tablename__, COLUMNS[Task], sums=True)

_LOCK = """
    SELECT id FROM workflow_executions WHERE tenant_id = %s AND (id = ANY (%s) OR trace_id = ANY (%s))
    ORDER BY id FOR NO KEY UPDATE
"""
_GONE = """
    DELETE FROM {table} WHERE tenant_id = %s AND trace_id = ANY (%s) AND source = 'trace' AND id <> ALL (%s)
    AND id BETWEEN %s AND %s
"""
_EXECUTIONS_OF = """
    SELECT DISTINCT execution_id FROM tasks WHERE tenant_id = %s AND id = ANY (%s) AND execution_id IS NOT NULL
"""
_RETOTAL = """
    UPDATE tasks t SET calls = n.calls, input_tokens = n.input_tokens, output_tokens = n.output_tokens,
        tokens_used = n.input_tokens + n.output_tokens, cost_usd = n.cost::numeric
    FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[])
        AS n (id, calls, input_tokens, output_tokens, cost)
    WHERE t.tenant_id = %s AND t.id = n.id
        AND (t.calls, t.input_tokens, t.output_tokens, t.cost_usd)
            IS DISTINCT FROM (n.calls, n.input_tokens, n.output_tokens, n.cost::numeric)
"""
_SUM_UP = """
    UPDATE workflow_executions e SET total_tasks = s.total, completed_tasks = s.completed, failed_tasks = s.failed,
        total_tokens = s.tokens, total_cost_usd = s.cost
    FROM (
        SELECT wanted.id, count(t.id) AS total, count(*) FILTER (WHERE t.status = 'completed') AS completed,
            count(*) FILTER (WHERE t.status = 'failed') AS failed, coalesce(sum(t.tokens_used), 0) AS tokens,
            coalesce(sum(t.cost_usd), 0) AS cost
        FROM unnest(%s) AS wanted (id)
        LEFT JOIN tasks t ON t.tenant_id = %s AND t.execution_id = wanted.id
        GROUP BY wanted.id
    ) s
    WHERE e.tenant_id = %s AND e.id = s.id
        AND (e.total_tasks, e.completed_tasks, e.failed_tasks, e.total_tokens, e.total_cost_usd)
            IS DISTINCT FROM (s.total, s.completed, s.failed, s.tokens, s.cost)
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
) -> None:
    """Make the tables equal to `runs`, in the caller's transaction: of one request, or of many traces of one tenant.

    `trace_ids`: traces that `runs` tells completely: what assembly made of them before and is not among `runs` goes
    away. `within`: from the earliest to the latest start of anything in these traces; it spares a look into every
    partition. `totals`: what the calls of each task come to, by its id, as `put_calls` returns them; a task that is
    not named has none. Without `totals` the tasks' tokens and cost stay as they are. The calls themselves are the
    ledger's.

    A transaction that writes for several tenants takes them in order of their ids, so that none blocks another.
    """
    made = _gathered(runs)
    driver = await _driver(connection)
    executions = {task.execution_id for task in made[Task] if task.execution_id is not None}
    executions |= {execution.id for execution in made[Execution]}
    if executions or trace_ids:
        known = await driver.execute(_LOCK, [tenant_id, list(executions), list(trace_ids)])
        executions |= {row[0] for row in await known.fetchall()}
    for kind, _table in TABLES:
        if made[kind]:
            await _write(driver, tenant_id, kind, made[kind], source=source, totals=totals)
    if trace_ids:
        await _remove(driver, tenant_id, made, trace_ids, within)
    if executions:
        await driver.execute(_SUM_UP, [list(executions), tenant_id, tenant_id])


def _gathered(runs: Iterable[Runs]) -> dict[type[Any], list[Any]]:
    """Rows by kind, in order of their ids, so that two writers of the same ones cannot deadlock; each id once."""
    made: dict[type[Any], dict[UUID, Any]] = {kind: {} for kind, _table in TABLES}
    for one in runs:
        for kind, rows in ((Execution, one.executions), (Task, one.tasks), (ToolExecution, one.tools)):
            made[kind].update((row.id, row) for row in rows)
        made[Interaction].update((row.id, row) for row in one.interactions)
    return {kind: sorted(rows.values(), key=_BY_ID) for kind, rows in made.items()}


async def _driver(connection: AsyncConnection) -> Driver:
    """The psycopg connection of this transaction: it sends arrays, which SQLAlchemy does not know."""
    raw = await connection.get_raw_connection()
    driver: Driver = raw.driver_connection  # type: ignore[assignment]
    arrays.register(driver)
    return driver


async def _write(
    driver: Driver,
    tenant_id: UUID,
    kind: type[Any],
    rows: Sequence[Any],
    *,
    source: Source,
    totals: Mapping[UUID, Total] | None,
) -> None:
    values: list[Any] = [tenant_id, str(source), *(column.of(rows) for column in COLUMNS[kind])]
    if kind is not Task or totals is None:
        await driver.execute(_UPSERTS[kind], values)
        return
    sums = [totals.get(task.id, _NOTHING) for task in rows]
    values += [
        arrays.int8s_or_null([total.calls for total in sums]),
        arrays.int8s_or_null([total.input_tokens for total in sums]),
        arrays.int8s_or_null([total.output_tokens for total in sums]),
        arrays.texts([str(total.cost_usd) for total in sums]),
    ]
    await driver.execute(_UPSERT_SUMMED, values)


async def _remove(
    driver: Driver,
    tenant_id: UUID,
    made: Mapping[type[Any], Sequence[Any]],
    trace_ids: Collection[str],
    within: tuple[datetime, datetime] | None,
) -> None:
    low, high = _EVER if within is None else (uuid7_floor(within[0]), uuid7_floor(within[1] + _SECOND))
    # What points to others goes before them.
    for kind, table in reversed(TABLES):
        kept = [row.id for row in made[kind]]
        await driver.execute(_GONE.format(table=table), [tenant_id, list(trace_ids), kept, low, high])


async def put_totals(connection: AsyncConnection, tenant_id: UUID, totals: Mapping[UUID, Total]) -> None:
    """Set what the calls of tasks come to, after a price came or changed, and sum up their executions anew."""
    driver = await _driver(connection)
    ids = sorted(totals)
    found = await driver.execute(_EXECUTIONS_OF, [tenant_id, ids])
    executions = [row[0] for row in await found.fetchall()]
    if executions:
        await driver.execute(_LOCK, [tenant_id, executions, []])
    sums = [totals[task_id] for task_id in ids]
    values = [
        arrays.uuids(ids),
        arrays.int8s_or_null([total.calls for total in sums]),
        arrays.int8s_or_null([total.input_tokens for total in sums]),
        arrays.int8s_or_null([total.output_tokens for total in sums]),
        arrays.texts([str(total.cost_usd) for total in sums]),
    ]
    await driver.execute(_RETOTAL, [*values, tenant_id])
    if executions:
        await driver.execute(_SUM_UP, [executions, tenant_id, tenant_id])
