"""`/api/v1/agents`."""

import asyncio
import secrets
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime

from monitor.agents import changing, mirror, planning, store
from monitor.agents.bodies import (
    AgentBody,
    AgentChanges,
    AgentDetail,
    EvidenceBody,
    LastValueBody,
    LogBody,
    NewAgentBody,
    StatusBody,
)
from monitor.agents.counters import NONE, read_counters
from monitor.agents.mirror import Reading
from monitor.agents.presence import LiveRow, get_live
from monitor.agents.status import assess
from monitor.errors import Conflict, NotFound, Unreadable
from monitor.http.deps import Deps, Given, Reader, Writer
from monitor.http.etags import Match
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.principal import Principal, Scope

router = APIRouter(prefix="/api/v1", tags=["agents"])


@router.get("/agents")
async def list_agents(
    deps: Given,
    principal: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    status: str | None = None,
    agent_type: str | None = None,
    q: Annotated[str | None, Query(max_length=200, description="part of the external id or the name")] = None,
    deleted: Annotated[bool, Query(description="what was deleted instead; takes the scope write")] = False,
) -> Page[AgentBody]:
    """Agents by external id."""
    if deleted:
        principal.require(Scope.WRITE)
    key = decode(cursor, parts=1)
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await store.list_agents(
            connection,
            principal.tenant_id,
            deps.clock(),
            limit=limit,
            after=None if key is None else key[0],
            status=status,
            agent_type=agent_type,
            search=q,
            deleted=deleted,
        )
        found = page(rows, limit, lambda row: [row.external_id])
        counted = await read_counters(connection, principal.tenant_id, [row.id for row in found["items"]])
    items = [changing.shown(deps, row, counted.get(row.id, NONE)) for row in found["items"]]
    return Page[AgentBody](items=items, next=found["next"])


@router.post("/agents", status_code=201)
async def create_agent(deps: Given, principal: Writer, body: NewAgentBody, response: Response) -> AgentDetail:
    """Make an agent before its first message. 409 when the external id is taken."""
    now = deps.clock()
    agent_id = uuid7(now)
    changing.check(deps, body.model_dump())
    values = body.model_dump(exclude={"metadata"}) | {
        "meta": body.metadata,
        "name": body.name or body.external_id,
        "ping_token": secrets.token_urlsafe(16),
        "created_by": principal.user_id,
    }
    try:
        async with deps.db.tenant(principal.tenant_id) as connection:
            config = await planning.config_of(connection, principal.tenant_id, body.agent_type, body.config)
            await store.insert_agent(connection, principal.tenant_id, agent_id, values | {"config": config})
            await planning.plan(connection, principal.tenant_id, agent_id, values, now=now)
            await deps.audit(
                connection, principal, "agent.created", resource=("agent", str(agent_id)), new=body.model_dump()
            )
            row = await store.get_agent(connection, principal.tenant_id, agent_id, deps.clock())
            return await changing.show(deps, connection, principal, row, response)
    except Conflict:
        raise await _taken(deps, principal, body.external_id) from None


async def _taken(deps: Deps, principal: Principal, external_id: str) -> Conflict:
    """Why an external id is taken: one that was deleted keeps its own."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        try:
            gone = await changing.find_deleted(connection, principal, external_id)
        except NotFound:
            return Conflict("an agent with this external_id exists already")
    return Conflict(f"a deleted agent has this external_id: it comes back by POST /agents/{gone['id']}/restore")


@router.get("/agents/{agent}")
async def get_agent(deps: Given, principal: Reader, agent: str, response: Response) -> AgentDetail:
    """One agent, by UUID or external id. The ETag is of what people set, not of what it does."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await changing.find(deps, connection, principal, agent)
        return await changing.show(deps, connection, principal, row, response)


@router.patch("/agents/{agent}")
async def update_agent(
    deps: Given, principal: Writer, agent: str, body: AgentChanges, response: Response, match: Match = None
) -> AgentDetail:
    """Change what people set. Archiving an agent ends what is expected of it, as `retire` does."""
    values = body.model_dump(exclude_unset=True)
    changing.check(deps, values)
    if "metadata" in values:
        values["meta"] = values.pop("metadata")
    if "status" in values:
        values["retired_at"] = deps.clock() if values["status"] == "archived" else None
    return await changing.change(deps, principal, agent, "agent.updated", values, response, match=match)


@router.post("/agents/{agent}/retire")
async def retire_agent(
    deps: Given, principal: Writer, agent: str, response: Response, match: Match = None
) -> AgentDetail:
    """End what is expected of an agent: its alerts close with that reason and it is not missed any more."""
    values = {"status": "archived", "retired_at": deps.clock()}
    return await changing.change(deps, principal, agent, "agent.retired", values, response, match=match)


@router.delete("/agents/{agent}")
async def delete_agent(
    deps: Given, principal: Writer, agent: str, response: Response, match: Match = None
) -> AgentDetail:
    """Hide an agent. Its logs and history stay until their retention ends; `restore` brings it back."""
    values = {"deleted_at": deps.clock(), "retired_at": deps.clock()}
    return await changing.change(deps, principal, agent, "agent.deleted", values, response, match=match)


@router.get("/agents/{agent}/status")
async def get_status(deps: Given, principal: Reader, agent: str) -> StatusBody:
    """The live part alone, a few seconds old at most where Redis is set up."""
    now, began = deps.clock(), asyncio.get_running_loop().time()
    row = await mirror.find(deps.live, principal.tenant_id, agent, now=now)
    if row is None:
        async with deps.db.tenant(principal.tenant_id) as connection:
            row = await get_live(connection, principal.tenant_id, uuid_of(agent) or agent, now)
        mirror.keep(deps.live, agent, Reading(principal.tenant_id, [row], now, began))
    given = {name: getattr(row, name) for name in _LIVE} | {name: getattr(row.evidence, name) for name in _SEEN}
    return StatusBody(agent=row.external_id, **asdict(assess(row.evidence, now)), evidence=_evidence(row), **given)


def _evidence(row: LiveRow) -> EvidenceBody:
    work = row.evidence.work
    return EvidenceBody.model_validate(
        asdict(row.evidence)
        | {"open_call": None if work.call is None else asdict(work.call), "task_since": work.task_since}
    )


@router.get("/agents/{agent}/logs")
async def list_logs(
    deps: Given,
    principal: Reader,
    agent: str,
    limit: Limit = 100,
    cursor: Cursor = None,
    kind: str | None = None,
    status: str | None = None,
    since: AwareDatetime | None = None,
    contains: Annotated[str | None, Query(max_length=1000)] = None,
    trace_id: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[LogBody]:
    """Logs of one agent, newest first."""
    key = decode(cursor, parts=1)
    before = None if key is None else uuid_of(key[0])
    if key is not None and before is None:
        raise Unreadable("cursor is not one that was given out")
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await changing.find(deps, connection, principal, agent)
        rows = await store.list_logs(
            connection,
            principal.tenant_id,
            row.id,
            limit=limit,
            before=before,
            kind=kind,
            status=status,
            since=since,
            contains=contains,
            trace_id=trace_id,
        )
    found = page(rows, limit, lambda log: [str(log.id)])
    items = [LogBody(**{**asdict(log), "agent": row.external_id}) for log in found["items"]]
    return Page[LogBody](items=items, next=found["next"])


@router.get("/agents/{agent}/metrics")
async def list_last_values(deps: Given, principal: Reader, agent: str) -> dict[str, list[LastValueBody]]:
    """The newest value of every series of one agent."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await changing.find(deps, connection, principal, agent)
    values = await deps.series.last_values(principal.tenant_id, row.id)
    return {
        "items": [
            LastValueBody(metric=metric, tags=dict(tags), at=at, value=value, unit=unit)
            for metric, tags, at, value, unit in values
        ]
    }


_LIVE = ("status", "last_message", "last_duration", "last_execution_at", "consecutive_failures")
_SEEN = ("last_seen_at", "last_heartbeat_at", "last_status")
