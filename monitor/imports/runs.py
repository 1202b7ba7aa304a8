"""Tasks, executions and interactions that are brought here: named as their platform names them, with their cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.imports.into import Into
from monitor.imports.report import Report
from monitor.imports.source import Row
from monitor.imports.writing import Writing
from monitor.runs import lifecycle, names, store
from monitor.runs.model import Execution, Interaction, Runs, RunStatus, Source, Task, ToolExecution
from monitor.runs.names import RunKind
from monitor.usage.ledger import put_calls, share_lock
from monitor.usage.model import Call, Tokens

TABLES = ("tasks", "model_calls")
_STATUSES = {status.value: status for status in RunStatus}
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


def status_of(row: Row, report: Report, key: str) -> RunStatus:
    """A word that is none of ours is `pending`, and noted."""
    given = row.get("status") or RunStatus.PENDING.value
    if given not in _STATUSES:
        report.note(f"the status {given!r} is not known here: imported as pending", key)
    return _STATUSES.get(given, RunStatus.PENDING)


def times_of(row: Row, status: RunStatus, report: Report, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Start and end, and what of the source's times they do not say: a duration of its own, an end that cannot be."""
    started, completed, duration = row.get("started_at"), row.get("completed_at"), row.get("duration_ms")
    kept: dict[str, Any] = {}
    if completed is not None and started is not None and completed < started:
        report.note("an end before the start was left out; it stands in metadata.imported", key)
        kept["completed_at"], completed = completed.isoformat(), None
    span = None if duration is None else timedelta(milliseconds=duration)
    if span is not None and completed is None and started is not None and status in lifecycle.ENDED and not kept:
        completed = started + span
    elif span is not None and started is None and completed is not None:
        started = completed - span
    measured = None if started is None or completed is None else (completed - started) / timedelta(milliseconds=1)
    if duration is not None and (measured is None or abs(measured - duration) >= 1):
        kept["duration_ms"] = duration
    return {"started_at": started, "completed_at": completed}, kept


def metadata_of(row: Row, imported: Mapping[str, Any], report: Report, key: str) -> dict[str, Any]:
    """The source's own, with what has no other place under `imported`."""
    given = row.get("metadata")
    if given is not None and not isinstance(given, dict):
        report.note("metadata that is no object stands in metadata.value", key)
        given = {"value": given}
    return {**(given or {}), **({"imported": dict(imported)} if imported else {})}


def taken(into: Into, kind: RunKind, drafts: Sequence[Draft], report: Report) -> Writing:
    """All of a batch, which are of one kind."""
    report.kept += len(drafts)

    async def write(connection: AsyncConnection) -> None:
        tenant_id = into.tenant_id
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

    return Writing(rows=write if drafts else None)


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
