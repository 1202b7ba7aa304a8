"""Reading runs: `/api/v1/tasks`, `/workflow-executions`, `/tool-executions`, `/interactions`, and agents' statistics.

They are posted to monitor.ingest.runs; workflows, which people define, are in workflow_routes.py.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import store as agents
from monitor.errors import NotFound, Unreadable
from monitor.http.deps import Deps, Given, Reader
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.http.window import window_of
from monitor.principal import Principal
from monitor.runs import names, reading
from monitor.runs.bodies import (
    ExecutionBody,
    ExecutionPage,
    InteractionBody,
    StatsBody,
    TaskBody,
    TaskStatsBody,
    ToolBody,
)
from monitor.runs.model import InteractionType, RunStatus, ToolStatus
from monitor.runs.names import RunKind
from monitor.series.routes import parse_time

router = APIRouter(prefix="/api/v1", tags=["runs"])

Time = Annotated[str | None, Query(description="RFC 3339, Unix seconds, or relative such as -24h")]
Word = Annotated[str | None, Query(max_length=200)]


class _Listing:
    """What a list is asked for, read from the request's parameters."""

    def __init__(self, deps: Deps, principal: Principal, *, limit: int, cursor: str | None) -> None:
        self._deps = deps
        self._tenant_id = principal.tenant_id
        self._limit = limit
        key = decode(cursor, parts=1)
        self._before = None if key is None else uuid_of(key[0])
        if key is not None and self._before is None:
            raise Unreadable("cursor is not one that was given out")

    async def rows(
        self,
        kind: RunKind,
        where: dict[str, Any],
        *,
        agent: str | None = None,
        execution: str | None = None,
        task: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> dict[str, Any]:
        """One page of rows. Whoever asks for runs of something that is not there gets none."""
        now = self._deps.clock()
        bounds = reading.Bounds(self._limit, self._before, _time(since, now, "since"), _time(until, now, "until"))
        async with self._deps.db.tenant(self._tenant_id) as connection:
            try:
                where = where | {
                    "agent_id": await self._agent(connection, agent, now),
                    "execution_id": await self._id(connection, RunKind.EXECUTION, execution),
                    "task_id": await self._id(connection, RunKind.TASK, task),
                }
            except NotFound:
                return {"items": [], "next": None}
            rows = await reading.list_runs(connection, self._tenant_id, kind, bounds, where)
        return page(rows, self._limit, lambda row: [str(row["id"])])

    async def _agent(self, connection: AsyncConnection, agent: str | None, now: datetime) -> UUID | None:
        if agent is None:
            return None
        return (await agents.get_agent(connection, self._tenant_id, uuid_of(agent) or agent, now)).id

    async def _id(self, connection: AsyncConnection, kind: RunKind, key: str | None) -> UUID | None:
        if key is None:
            return None
        known = await names.find(connection, self._tenant_id, kind, [key])
        if key not in known:
            raise NotFound(f"there is no such {kind}")
        return known[key]


def _time(given: str | None, now: datetime, path: str) -> datetime | None:
    return None if given is None else parse_time(given, now=now, path=path)


@router.get("/tasks")
async def list_tasks(
    deps: Given,
    principal: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    agent: Word = None,
    status: RunStatus | None = None,
    type: Word = None,  # noqa: A002 - what callers know it by
    execution: Word = None,
    trace: Word = None,
    since: Time = None,
    until: Time = None,
) -> Page[TaskBody]:
    """Tasks by their start, newest first. `type` is the task type."""
    listing = _Listing(deps, principal, limit=limit, cursor=cursor)
    where = {"status": status, "task_type": type, "trace_id": trace}
    found = await listing.rows(RunKind.TASK, where, agent=agent, execution=execution, since=since, until=until)
    return Page[TaskBody].model_validate(found)


@router.get("/tasks/{task}")
async def get_task(deps: Given, principal: Reader, task: str) -> TaskBody:
    """One task, by its id or the caller's own."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return TaskBody.model_validate(await reading.get_run(connection, principal.tenant_id, RunKind.TASK, task))


@router.get("/workflow-executions")
async def list_executions(
    deps: Given,
    principal: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    status: RunStatus | None = None,
    type: Word = None,  # noqa: A002
    workflow: Annotated[UUID | None, Query()] = None,
    trace: Word = None,
    since: Time = None,
    until: Time = None,
) -> Page[ExecutionBody]:
    """Executions by their start, newest first. `type` is the workflow type."""
    listing = _Listing(deps, principal, limit=limit, cursor=cursor)
    where = {"status": status, "workflow_type": type, "workflow_id": workflow, "trace_id": trace}
    return Page[ExecutionBody].model_validate(await listing.rows(RunKind.EXECUTION, where, since=since, until=until))


@router.get("/workflow-executions/{execution}")
async def get_execution(deps: Given, principal: Reader, execution: str) -> ExecutionPage:
    """One execution with its tasks, by its id or the caller's own."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return ExecutionPage.model_validate(await reading.get_execution(connection, principal.tenant_id, execution))


@router.get("/tool-executions")
async def list_tools(
    deps: Given,
    principal: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    agent: Word = None,
    status: ToolStatus | None = None,
    tool: Word = None,
    mcp_server: Word = None,
    task: Word = None,
    execution: Word = None,
    trace: Word = None,
    since: Time = None,
    until: Time = None,
) -> Page[ToolBody]:
    """Calls of tools by their start, newest first."""
    listing = _Listing(deps, principal, limit=limit, cursor=cursor)
    where = {"status": status, "tool_name": tool, "mcp_server": mcp_server, "trace_id": trace}
    found = await listing.rows(
        RunKind.TOOL, where, agent=agent, execution=execution, task=task, since=since, until=until
    )
    return Page[ToolBody].model_validate(found)


@router.get("/tool-executions/{tool}")
async def get_tool(deps: Given, principal: Reader, tool: str) -> ToolBody:
    """One call of a tool, by its id or the caller's own."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return ToolBody.model_validate(await reading.get_run(connection, principal.tenant_id, RunKind.TOOL, tool))


@router.get("/interactions")
async def list_interactions(
    deps: Given,
    principal: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    agent: Word = None,
    type: InteractionType | None = None,  # noqa: A002
    task: Word = None,
    execution: Word = None,
    trace: Word = None,
    since: Time = None,
    until: Time = None,
) -> Page[InteractionBody]:
    """Interactions, newest first; `agent` is on either side."""
    listing = _Listing(deps, principal, limit=limit, cursor=cursor)
    where = {"interaction_type": type, "trace_id": trace}
    found = await listing.rows(
        RunKind.INTERACTION, where, agent=agent, execution=execution, task=task, since=since, until=until
    )
    return Page[InteractionBody].model_validate(found)


@router.get("/interactions/{interaction}")
async def get_interaction(deps: Given, principal: Reader, interaction: str) -> InteractionBody:
    """One interaction, by its id or the caller's own."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await reading.get_run(connection, principal.tenant_id, RunKind.INTERACTION, interaction)
    return InteractionBody.model_validate(row)


@router.get("/agents/{agent}/stats")
async def get_stats(deps: Given, principal: Reader, agent: str, window: str = "24h") -> StatsBody:
    """Executions and tasks in a window that ends now."""
    now = deps.clock()
    since = now - window_of(window)
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await agents.get_agent(connection, principal.tenant_id, uuid_of(agent) or agent, now)
        logs = await agents.get_stats(connection, principal.tenant_id, row.id, since)
        tasks = await reading.get_stats(connection, principal.tenant_id, row.id, since)
    return StatsBody(
        agent=row.external_id, window=window, **asdict(logs), tasks=TaskStatsBody.model_validate(asdict(tasks))
    )
