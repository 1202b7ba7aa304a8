"""`/api/v1/traces`: searched, and one with everything in it."""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from monitor.agents.store import get_agent
from monitor.errors import Unreadable
from monitor.http.deps import Given, Reader
from monitor.http.described import MISSING
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.runs import search
from monitor.series.routes import parse_time

router = APIRouter(prefix="/api/v1", tags=["runs"])

Milliseconds = Annotated[float | None, Query(ge=0, description="milliseconds")]
Dollars = Annotated[Decimal | None, Query(ge=0, description="US dollars")]
Text = Annotated[str | None, Query(max_length=200)]
Time = Annotated[str | None, Query(max_length=40, description="RFC 3339, Unix seconds, or relative, as in -24h")]


class TraceBody(BaseModel):
    """What a trace comes to: the sums of its tasks. Durations are milliseconds, costs US dollars."""

    trace_id: str
    name: str
    status: Literal["running", "completed", "failed"]
    agents: list[str]
    models: list[str]
    conversation: str | None
    tasks: int
    failed_tasks: int
    tokens: int
    cost_usd: Decimal
    started_at: datetime
    ended_at: datetime | None
    duration_ms: int | None


class StepBody(BaseModel):
    """One step, in the order of their starts; `parent_id` is its parent's `span_id`. `id` is that of the run that it
    became, if it became one."""

    span_id: str
    parent_id: str | None
    id: UUID
    kind: str
    name: str
    status: str
    agent: str | None
    service: str | None
    started_at: datetime
    ended_at: datetime | None
    facts: dict[str, Any]
    attributes: dict[str, Any] | None
    events: list[Any] | None
    links: list[Any] | None
    tokens: int | None
    cost_usd: Decimal | None


class TracePageBody(BaseModel):
    """A trace with its runs and steps. `trace` is null where none of it became a task; `errors` counts steps that
    failed; `cut`: there are more steps than are shown."""

    trace: TraceBody | None
    errors: int
    cut: bool
    tasks: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    executions: list[dict[str, Any]]
    steps: list[StepBody]


@router.get("/traces", responses=MISSING)
async def list_traces(
    deps: Given,
    principal: Reader,
    agent: Text = None,
    model: Text = None,
    status: Literal["running", "completed", "failed"] | None = None,
    errors: Annotated[bool | None, Query(description="whether any of its tasks failed")] = None,
    text: Annotated[str | None, Query(max_length=200, description="in names, texts and errors of its tasks")] = None,
    conversation: Text = None,
    min_duration: Milliseconds = None,
    max_duration: Milliseconds = None,
    min_cost: Dollars = None,
    max_cost: Dollars = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[TraceBody]:
    """Traces by their start, newest first; all conditions hold. `since` and `until` are of the start."""
    before, now = _place(decode(cursor, parts=2)), deps.clock()
    async with deps.db.tenant(principal.tenant_id) as connection:
        agent_id = None
        if agent is not None:
            agent_id = (await get_agent(connection, principal.tenant_id, uuid_of(agent) or agent, now)).id
        wanted = search.Search(
            agent=agent_id, model=model, status=status, errors=errors, text=text or None, conversation=conversation,
            min_duration_ms=min_duration, max_duration_ms=max_duration, min_cost_usd=min_cost, max_cost_usd=max_cost,
            since=None if since is None else parse_time(since, now=now, path="since"),
            until=None if until is None else parse_time(until, now=now, path="until"),
        )  # fmt: skip
        rows = await search.list_traces(connection, principal.tenant_id, wanted, limit=limit, before=before)
    found = page(rows, limit, lambda row: [row.started_at.isoformat(timespec="microseconds"), row.trace_id])
    return Page[TraceBody](items=[TraceBody(**asdict(row)) for row in found["items"]], next=found["next"])


@router.get("/traces/{trace_id}", response_model=TracePageBody)
async def get_trace(deps: Given, principal: Reader, trace_id: str) -> Response:
    """One trace: what it comes to, the runs that it became, and its steps as a list that makes a tree."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        found = await search.get_trace(connection, principal.tenant_id, trace_id.lower())
    # Thousands of steps: they go out as PostgreSQL wrote them, not checked against a model first.
    return Response(msgspec.json.encode(found), media_type="application/json")


def _place(key: list[str] | None) -> tuple[datetime, str] | None:
    if key is None:
        return None
    try:
        return datetime.strptime(key[0], "%Y-%m-%dT%H:%M:%S.%f%z"), key[1]
    except ValueError:
        raise Unreadable("cursor is not one that was given out") from None
