"""`/api/v1/agents/{agent}/runs` and `/run`."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from monitor.agents.store import get_agent
from monitor.errors import Conflict, InvalidInput, Unreadable
from monitor.http.deps import Given, Reader, Writer
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.schedules import store
from monitor.schedules.tables import RunStatus

router = APIRouter(prefix="/api/v1", tags=["agents"])


class RunBody(BaseModel):
    """One time at which an agent was due, and what became of it. `log_id`: the execution that it became."""

    id: UUID
    agent: str
    due_at: datetime
    status: RunStatus
    attempts: int
    next_attempt_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    http_status: int | None
    error: str | None
    log_id: UUID | None


@router.get("/agents/{agent}/runs")
async def list_runs(
    deps: Given, principal: Reader, agent: str, limit: Limit = 100, cursor: Cursor = None
) -> Page[RunBody]:
    """Scheduled runs of one agent by when they were due, newest first."""
    before = _time(decode(cursor, parts=1))
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await get_agent(connection, principal.tenant_id, uuid_of(agent) or agent, deps.clock())
        rows = await store.list_runs(connection, principal.tenant_id, row.id, limit=limit, before=before)
    found = page(rows, limit, lambda run: [run.due_at.isoformat(timespec="microseconds")])
    return Page[RunBody](
        items=[RunBody(**asdict(run), agent=row.external_id) for run in found["items"]], next=found["next"]
    )


@router.post("/agents/{agent}/run", status_code=202)
async def call_now(deps: Given, principal: Writer, agent: str) -> RunBody:
    """Call an agent's webhook now, as if it were due. 409 when the agent is not active."""
    now = deps.clock()
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await get_agent(connection, principal.tenant_id, uuid_of(agent) or agent, now)
        if row.webhook_url is None:
            raise InvalidInput("the agent has none, so it cannot be called", path="webhook_url")
        if row.status != "active" or row.retired_at is not None:
            raise Conflict(f"the agent is {row.status}: only active ones are called")
        run_id = await store.insert_run(connection, principal.tenant_id, row.id, now=now)
        await deps.audit(
            connection, principal, "agent.called", resource=("agent", str(row.id)), new={"run_id": str(run_id)}
        )
        run = await store.get_run(connection, principal.tenant_id, run_id)
    return RunBody(**asdict(run), agent=row.external_id)


def _time(key: list[str] | None) -> datetime | None:
    if key is None:
        return None
    try:
        # Without a zone it is none of ours either.
        return datetime.strptime(key[0], "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        raise Unreadable("cursor is not one that was given out") from None
