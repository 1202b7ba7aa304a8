"""Tasks, executions and interactions that are brought here: named as their platform names them, with their cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.imports.given import Given
from monitor.imports.into import Into
from monitor.imports.report import Report
from monitor.imports.step import Columns, Made, Put, row
from monitor.imports.writing import Writing, by_tenant, together
from monitor.runs import lifecycle, names, store
from monitor.runs.model import Execution, Interaction, Runs, RunStatus, Source, Task, ToolExecution
from monitor.runs.names import RunKind
from monitor.usage.ledger import put_calls, share_lock
from monitor.usage.model import Call, Tokens

TABLES = {RunKind.TASK: ("tasks", "model_calls"), RunKind.TOOL: ("tool_executions",)}
_STATUSES = frozenset(status.value for status in RunStatus)
_CREATED = """
    UPDATE {table} r SET created_at = n.at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS timestamptz[])) AS n (id, at)
    WHERE r.tenant_id = :tenant AND r.id = ANY (:ids) AND r.id = n.id AND r.created_at <> n.at
"""
_MADE = {kind: text(_CREATED.format(table=names.TABLES[kind])) for kind in (RunKind.TASK, RunKind.EXECUTION)}


@dataclass(slots=True)
class Draft:
    """One run before the ids of what it names are known. `refs`: fields by what they name, of which kind."""

    name: str
    at: datetime
    model: type[Any]
    values: dict[str, Any]
    refs: dict[str, tuple[RunKind, str]] = field(default_factory=dict)
    created_at: datetime | None = None
    tokens: int = 0
    cost: Decimal | None = None


def status(given: Given) -> RunStatus:
    """A word that is none of ours is `pending`."""
    return RunStatus(given.word("status", _STATUSES, RunStatus.PENDING.value))


def spanned(given: Given, said: RunStatus) -> dict[str, datetime | None]:
    """Start and end, by a duration where one of them is missing; what they do not say of it is kept."""
    started, duration = given["started_at"], given["duration_ms"]
    given_end, completed = given["completed_at"], given.ended(started, "completed_at")
    span = None if duration is None else timedelta(milliseconds=duration)
    if span is not None and given_end is None and started is not None and said in lifecycle.ENDED:
        completed = started + span
    elif span is not None and started is None and completed is not None:
        started = completed - span
    measured = None if started is None or completed is None else (completed - started) / timedelta(milliseconds=1)
    if duration is not None and (measured is None or abs(measured - duration) >= 1):
        given.imported["duration_ms"] = duration
    return {"started_at": started, "completed_at": completed}


def draft(
    model: type[Any], columns: Columns, *, name: str = "id", of: str | None = None, **refs: tuple[RunKind, str]
) -> Callable[[Given], Draft]:
    """What makes a run that has a status and times. `refs`: fields by what they name, and the source's column."""
    made = row(columns, of=of)

    def make(given: Given) -> Draft:
        said = status(given)
        times = spanned(given, said)
        values = {"status": said, **times, **made(given)}
        named = {field: (kind, str(given[column])) for field, (kind, column) in refs.items() if given[column]}
        at = times["started_at"] or given["created_at"] or given.into.now
        return Draft(given.name(name), at, model, values, named, created_at=given["created_at"])

    return make


def put(kind: RunKind) -> Put:
    """Runs of one kind."""

    async def put_them(into: Into, made: Made[Draft], report: Report) -> Writing:
        report.kept += len(made)
        await into.cover(TABLES.get(kind, ()), [one.at for _, one in made])
        parts = by_tenant(made).items()
        return together([(tenant_id, _taken(into, tenant_id, kind, drafts)) for tenant_id, drafts in parts])

    return put_them


def _taken(into: Into, tenant_id: UUID, kind: RunKind, drafts: Sequence[Draft]) -> Writing:
    """All of a batch that one tenant has."""

    async def write(connection: AsyncConnection) -> None:
        await share_lock(connection, tenant_id)
        wanted: dict[RunKind, dict[str, datetime]] = {one: {} for one in RunKind}
        for draft in drafts:
            wanted[kind][draft.name] = draft.at
            for other, name in draft.refs.values():
                wanted[other].setdefault(name, draft.at)
        ids = {one: await names.resolve(connection, tenant_id, one, given) for one, given in wanted.items()}
        made = {ids[kind][draft.name]: draft for draft in drafts}
        runs = [_run(run_id, draft, ids) for run_id, draft in made.items()]
        await store.put_runs(connection, tenant_id, [_runs(runs)], source=Source.API, received_at=into.now)
        calls = [_call(run, made[run.id]) for run in runs if isinstance(run, Task) and _spends(made[run.id])]
        if calls:
            await put_calls(connection, tenant_id, calls)
        if kind in _MADE:
            told = {run_id: draft.created_at for run_id, draft in made.items() if draft.created_at is not None}
            given = {"tenant": tenant_id, "ids": list(told), "times": list(told.values())}
            await connection.execute(_MADE[kind], given)

    return Writing(rows=write)


def _run(run_id: UUID, draft: Draft, ids: Mapping[RunKind, Mapping[str, UUID]]) -> Any:
    refs = {field_name: ids[kind][name] for field_name, (kind, name) in draft.refs.items()}
    return draft.model(id=run_id, **draft.values, **refs)


def _runs(runs: Sequence[Any]) -> Runs:
    return Runs(
        executions=tuple(run for run in runs if isinstance(run, Execution)),
        tasks=tuple(run for run in runs if isinstance(run, Task)),
        tools=tuple(run for run in runs if isinstance(run, ToolExecution)),
        interactions=tuple(run for run in runs if isinstance(run, Interaction)),
    )


def _spends(draft: Draft) -> bool:
    return bool(draft.tokens or draft.cost)


def _call(task: Task, draft: Draft) -> Call:
    """The line of the ledger: where only the sum of tokens is known, all of it counts as read."""
    return Call(
        id=task.id,
        agent_id=task.agent_id,
        model=task.model,
        tokens=Tokens(input=draft.tokens),
        started_at=draft.at,
        completed_at=task.completed_at,
        task_id=task.id,
        execution_id=task.execution_id,
        failed=task.status is RunStatus.FAILED,
        given_cost=draft.cost,
    )
