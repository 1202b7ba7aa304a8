"""Takes runs in: names found, changes judged, all of a request written in one transaction, its good rows kept.

A task that ended and has no parent is an execution in its agent's logs as well, so that rules on status and failures
hold for platforms that post nothing else. The log's own id is the task's: who posts both gives both the same id, and
there is one log. It is written after the commit and before the answer; a caller that got none sends again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import work
from monitor.agents.registry import Resolved
from monitor.errors import Conflict, Forbidden, InvalidInput, MonitorError, NotFound
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.ingest import logs
from monitor.ingest.decode import Rows
from monitor.ingest.payloads import LogIn, Outcome
from monitor.ingest.runs import building
from monitor.ingest.runs.bodies import ExecutionIn, InteractionIn, TaskIn, ToolIn
from monitor.ingest.runs.building import Run, Said
from monitor.ingest.runs.ledger import calls_before, post_calls
from monitor.ingest.senders import find_agents, own_agent
from monitor.ingest.service import Ingest
from monitor.ingest.spending import keep_spending
from monitor.principal import Principal
from monitor.runs import names, reading, store
from monitor.runs.model import Execution, Interaction, Runs, RunStatus, Source, Task, ToolExecution
from monitor.runs.names import RunKind
from monitor.runs.tables import Workflow
from monitor.usage.ledger import Posted, share_lock
from monitor.usage.model import Call


class Kind(NamedTuple):
    """One kind of run: how it is said, what it becomes, and which of its fields name others."""

    name: RunKind
    model: type[Any]
    body: type[BaseModel]
    agents: Mapping[str, str]
    refs: Mapping[str, tuple[RunKind, str]]


_IN_EXECUTION = {"execution": (RunKind.EXECUTION, "execution_id")}
_OF_TASK = {"task": (RunKind.TASK, "task_id")}
TASK = Kind(
    RunKind.TASK, Task, TaskIn, {"agent": "agent_id"},
    {**_IN_EXECUTION, "parent_task": (RunKind.TASK, "parent_task_id")},
)  # fmt: skip
EXECUTION = Kind(RunKind.EXECUTION, Execution, ExecutionIn, {}, {})
TOOL = Kind(RunKind.TOOL, ToolExecution, ToolIn, {"agent": "agent_id"}, {**_IN_EXECUTION, **_OF_TASK})
INTERACTION = Kind(
    RunKind.INTERACTION, Interaction, InteractionIn,
    {"from_agent": "from_agent_id", "to_agent": "to_agent_id"}, {**_IN_EXECUTION, **_OF_TASK},
)  # fmt: skip

_LOGGED = {RunStatus.COMPLETED: "success", RunStatus.FAILED: "error"}
_LONG = 2_000


@dataclass(slots=True)
class Row:
    """One row of a request: what is said, and what became of it."""

    index: int
    given: dict[str, Any]
    said: Said | None = None
    run_id: UUID | None = None
    run: Run | None = None
    call: Call | None = None
    new: bool = False
    fault: MonitorError | None = None


@dataclass(slots=True)
class Taking:
    """One request's runs of one kind. `key`: the run that a change is about; without one, runs are told of."""

    ingest: Ingest
    principal: Principal
    kind: Kind
    now: datetime
    key: str | None = None
    refs: dict[str, Resolved] = field(default_factory=dict)

    async def take(self, rows: Sequence[Row]) -> dict[UUID, dict[str, Any]]:
        """Write the good rows; returns them as they are stored, by id. The others have their fault."""
        rows = [row for row in rows if self._is_timely(row)]
        await self._find_agents(rows)
        policy = await self.ingest.privacy.of(self.principal.tenant_id)
        for row in rows:
            row.given = building.redacted(row.given, policy)
        tenant_id = self.principal.tenant_id
        async with self.ingest.deps.db.tenant(tenant_id) as connection:
            if self.kind is TASK:
                # Before any row is held: who prices anew holds this lock alone, and then waits for rows.
                await share_lock(connection, tenant_id)
            await self._find_runs(connection, rows)
            await self._build(connection, rows)
            kept = [row for row in rows if row.run is not None]
            runs = _runs_of([row.run for row in kept if row.run is not None])
            await store.put_runs(connection, tenant_id, [runs], source=Source.API, received_at=self.now)
            calls = {row.call.id: row.call for row in kept if row.call is not None}
            posted = await post_calls(connection, tenant_id, list(calls.values())) if calls else Posted()
            ids = [row.run.id for row in kept if row.run is not None]
            stored = await reading.get_runs(connection, tenant_id, self.kind.name, ids)
            active = building.agents_of(row.run for row in kept)
            # Last of all: from here on whoever writes for these agents waits.
            await work.mark_active(connection, tenant_id, active, now=self.now)
        self.ingest.mirror.changed(tenant_id, active)
        if self.kind is TASK:
            await keep_spending(self.ingest, self.principal, posted)
            await self._log(kept, stored)
        return stored

    def _is_timely(self, row: Row) -> bool:
        """Checked before anything is set aside for it: ids carry these times."""
        try:
            building.check_times(row.given, self.ingest.window())
        except InvalidInput as fault:
            row.fault = fault
        return row.fault is None

    async def _find_agents(self, rows: Sequence[Row]) -> None:
        wanted = {str(row.given[name]) for row in rows for name in self.kind.agents if row.given.get(name)}
        self.refs = await find_agents(self.ingest.deps.db, self.ingest.registry, self.principal, wanted, now=self.now)

    def _agent(self, name: str, path: str) -> UUID:
        # A bound key speaks for its agent: whom that works with may be anybody.
        if path in ("agent", "from_agent"):
            return own_agent(self.refs, self.principal, name, path=path)
        ref = self.refs[name]
        if isinstance(ref, str):
            raise InvalidInput(ref, path=path)
        return ref.id

    async def _find_runs(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Give each row its id, and the ids of those that it names; names of nobody yet are set aside."""
        tenant_id = self.principal.tenant_id
        wanted: dict[RunKind, dict[str, datetime]] = {kind: {} for kind in RunKind}
        for row in rows:
            at = building.start_of(row.given, self.now)
            if row.given.get("id") is not None:
                wanted[self.kind.name][row.given["id"]] = at
            for name, (kind, _field) in self.kind.refs.items():
                if row.given.get(name) is not None:
                    wanted[kind].setdefault(row.given[name], at)
        found = {kind: await names.resolve(connection, tenant_id, kind, given) for kind, given in wanted.items()}
        own = found[self.kind.name]
        given = [row.given["id"] for row in rows if row.given.get("id") is not None]
        await names.hold(connection, tenant_id, self.kind.name, given)
        if self.key is not None:
            own = await names.find(connection, tenant_id, self.kind.name, [self.key])
            if self.key not in own:
                raise NotFound(f"there is no such {self.kind.name}")
        for row in rows:
            called: str | None = self.key if self.key is not None else row.given.get("id")
            row.run_id = own[called] if called is not None else uuid7(building.start_of(row.given, self.now))
            for name, (kind, _field) in self.kind.refs.items():
                if row.given.get(name) is not None:
                    row.given[name] = found[kind][row.given[name]]

    async def _build(self, connection: AsyncConnection, rows: Sequence[Row]) -> None:
        """Make the runs, one after another: rows of one request may be about the same one."""
        tenant_id, kind = self.principal.tenant_id, self.kind
        ids = [row.run_id for row in rows if row.run_id is not None]
        held = await reading.lock_runs(connection, tenant_id, kind.name, ids)
        flows = await self._workflows(connection, rows) if kind is EXECUTION else {}
        calls = await calls_before(connection, tenant_id, ids) if kind is TASK else {}
        for row in rows:
            if row.run_id is None:
                continue
            try:
                row.said = self._said(row, flows)
                before = held.get(row.run_id)
                if before is None and self.key is not None:
                    raise NotFound(f"there is no such {kind.name}")  # a name that was set aside
                row.new = before is None
                if before is None:
                    run = building.told(kind.model, row.run_id, row.said, now=self.now)
                else:
                    self._check_owner(before[0])
                    run = building.changed(*before, row.said, now=self.now)
                if isinstance(run, Task) and (row.said.usage or run.id in calls):
                    row.call = building.call_of(run, row.said.usage, calls.get(run.id), now=self.now)
                    calls[run.id] = row.call
                row.run, held[run.id] = run, (run, Source.API)
            except (InvalidInput, Conflict, Forbidden, NotFound) as fault:
                row.fault = fault

    def _check_owner(self, run: Run) -> None:
        if self.principal.agent_id is not None and building.agents_of([run]) not in ([], [self.principal.agent_id]):
            raise Forbidden("this key is bound to another agent")

    def _said(self, row: Row, flows: Mapping[str, tuple[UUID, str]]) -> Said:
        if self.key is not None and "id" in row.given:
            raise InvalidInput("a run keeps its own", path="id")
        values = {name: value for name, value in row.given.items() if name not in ("id", "duration_ms", "workflow")}
        for name, model_field in self.kind.agents.items():
            if name in values:
                given = values.pop(name)
                if given is not None:
                    values[model_field] = self._agent(given, name)
        for name, (_kind, model_field) in self.kind.refs.items():
            if name in values:
                values[model_field] = values.pop(name)
        usage = {name: values.pop(name) for name in (*building.USAGE, "provider") if name in values}
        if row.given.get("workflow") is not None:
            if row.given["workflow"] not in flows:
                raise InvalidInput("there is no such workflow", path="workflow")
            values["workflow_id"], name = flows[row.given["workflow"]]
            values.setdefault("name", name)
        if values.get("user_id") is not None and self.kind is EXECUTION:
            raise InvalidInput("say who in initiator: it need not be a user here", path="user_id")
        return Said(values, usage, row.given.get("duration_ms"))

    async def _workflows(self, connection: AsyncConnection, rows: Sequence[Row]) -> dict[str, tuple[UUID, str]]:
        """Workflows that are defined, by slug and by id as text."""
        wanted = {row.given["workflow"] for row in rows if row.given.get("workflow")}
        ids = [made for name in wanted if (made := uuid_of(name)) is not None]
        query = select(Workflow.id, Workflow.slug, Workflow.name).where(
            Workflow.tenant_id == self.principal.tenant_id,
            Workflow.deleted_at.is_(None),
            Workflow.slug.in_(list(wanted)) | Workflow.id.in_(ids),
        )
        known: dict[str, tuple[UUID, str]] = {}
        for row in await connection.execute(query) if wanted else ():
            known[str(row.id)] = known[row.slug] = (row.id, row.name)
        return known

    async def _log(self, rows: Iterable[Row], stored: Mapping[UUID, Mapping[str, Any]]) -> None:
        made: list[LogIn | str] = [
            _log_of(stored[row.run.id])
            for row in rows
            if isinstance(row.run, Task) and row.said is not None and "status" in row.said.values and _counts(row.run)
        ]
        if made:
            outcome = Outcome()
            drafts = logs.drafts(Rows(made), self.ingest.window(), outcome)
            await self.ingest.keep_logs(self.principal, drafts, outcome)


def _counts(task: Task) -> bool:
    """Whether a task is an execution of its agent: subtasks are parts of one, and a cancelled one says nothing."""
    return task.status in _LOGGED and task.parent_task_id is None


def _log_of(task: Mapping[str, Any]) -> LogIn:
    own = task["external_id"] or str(task["id"])
    said = task["error_message"] if task["status"] == RunStatus.FAILED else None
    details = {
        "task_id": str(task["id"]),
        "task_type": task["task_type"],
        **{name: task[name] for name in ("error_type", "model") if task[name] is not None},
        **({"tokens": task["tokens_used"]} if task["tokens_used"] else {}),
    }
    return LogIn(
        agent=task["agent"],
        status=_LOGGED[RunStatus(task["status"])],
        message=(said or task["description"] or task["task_type"])[:_LONG],
        details=details,
        started_at=None if task["started_at"] is None else task["started_at"].isoformat(),
        completed_at=task["completed_at"].isoformat(),
        # Each attempt is an execution of its own.
        id=own[-190:] + (f"#{task['retry_count']}" if task["retry_count"] else ""),
    )


def _runs_of(runs: Sequence[Run]) -> Runs:
    return Runs(
        executions=tuple(run for run in runs if isinstance(run, Execution)),
        tasks=tuple(run for run in runs if isinstance(run, Task)),
        tools=tuple(run for run in runs if isinstance(run, ToolExecution)),
        interactions=tuple(run for run in runs if isinstance(run, Interaction)),
    )
