"""`/api/v1/agents` and `/api/v1/agent-types`."""

import asyncio
import secrets
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import mirror, patience_routes, planning, store
from monitor.agents.bodies import (
    AgentBody,
    AgentChanges,
    AgentTypeBody,
    EvidenceBody,
    LastValueBody,
    LogBody,
    NewAgentBody,
    StatusBody,
)
from monitor.agents.counters import NONE, Counters, read_counters
from monitor.agents.mirror import Reading
from monitor.agents.presence import LiveRow, get_live
from monitor.agents.status import assess
from monitor.errors import Unreadable
from monitor.http.deps import Deps, Given, Reader, Writer
from monitor.http.outbound import Allowed
from monitor.http.paging import Cursor, Limit, Page, decode, page
from monitor.http.problems import uuid_of
from monitor.ids import uuid7
from monitor.principal import Principal

router = APIRouter(prefix="/api/v1", tags=["agents"])
router.include_router(patience_routes.router)


def _shown(deps: Deps, row: store.AgentRow, counters: Counters) -> AgentBody:
    values = asdict(row) | asdict(counters)
    token = values.pop("ping_token")
    return AgentBody(**values, ping_url=f"{deps.settings.public_url.rstrip('/')}/ping/{token}")


async def _show(deps: Deps, connection: AsyncConnection, principal: Principal, row: store.AgentRow) -> AgentBody:
    counted = await read_counters(connection, principal.tenant_id, [row.id])
    return _shown(deps, row, counted.get(row.id, NONE))


def _check(deps: Deps, values: dict[str, Any]) -> None:
    """Raise InvalidInput for a schedule or a webhook that cannot be."""
    planning.check_schedule(values, now=deps.clock())
    if values.get("webhook_url") is not None:
        planning.check_webhook(values["webhook_url"], Allowed.of(deps.settings.webhook_allow))


async def _complete(connection: AsyncConnection, tenant_id: UUID, row: store.AgentRow, values: dict[str, Any]) -> None:
    """Lay the type's defaults under the configuration, where one of the two is changed."""
    if "agent_type" in values or "config" in values:
        own = values.get("config", row.config)
        values["config"] = await planning.config_of(
            connection, tenant_id, values.get("agent_type", row.agent_type), own
        )


async def _find(deps: Deps, connection: AsyncConnection, principal: Principal, agent: str) -> store.AgentRow:
    return await store.get_agent(connection, principal.tenant_id, uuid_of(agent) or agent, deps.clock())


@router.get("/agents")
async def list_agents(
    deps: Given,
    principal: Reader,
    limit: Limit = 100,
    cursor: Cursor = None,
    status: str | None = None,
    agent_type: str | None = None,
    q: Annotated[str | None, Query(max_length=200, description="part of the external id or the name")] = None,
) -> Page[AgentBody]:
    """Agents by external id."""
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
        )
        found = page(rows, limit, lambda row: [row.external_id])
        counted = await read_counters(connection, principal.tenant_id, [row.id for row in found["items"]])
    items = [_shown(deps, row, counted.get(row.id, NONE)) for row in found["items"]]
    return Page[AgentBody](items=items, next=found["next"])


@router.post("/agents", status_code=201)
async def create_agent(deps: Given, principal: Writer, body: NewAgentBody) -> AgentBody:
    """Make an agent before its first message. 409 when the external id is taken."""
    now = deps.clock()
    agent_id = uuid7(now)
    _check(deps, body.model_dump())
    values = body.model_dump(exclude={"metadata"}) | {
        "meta": body.metadata,
        "name": body.name or body.external_id,
        "ping_token": secrets.token_urlsafe(16),
        "created_by": principal.user_id,
    }
    async with deps.db.tenant(principal.tenant_id) as connection:
        config = await planning.config_of(connection, principal.tenant_id, body.agent_type, body.config)
        await store.insert_agent(connection, principal.tenant_id, agent_id, values | {"config": config})
        await planning.plan(connection, principal.tenant_id, agent_id, values, now=now)
        await deps.audit(
            connection, principal, "agent.created", resource=("agent", str(agent_id)), new=body.model_dump()
        )
        row = await store.get_agent(connection, principal.tenant_id, agent_id, deps.clock())
        return await _show(deps, connection, principal, row)


@router.get("/agents/{agent}")
async def get_agent(deps: Given, principal: Reader, agent: str) -> AgentBody:
    """One agent, by UUID or external id."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        return await _show(deps, connection, principal, await _find(deps, connection, principal, agent))


async def _change(deps: Deps, principal: Principal, agent: str, action: str, values: dict[str, Any]) -> AgentBody:
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await _find(deps, connection, principal, agent)
        await _complete(connection, principal.tenant_id, row, values)
        old = {name: asdict(row).get("metadata" if name == "meta" else name) for name in values}
        if values:
            await store.update_agent(connection, principal.tenant_id, row.id, values)
            if any(name in values and values[name] != getattr(row, name, None) for name in _PLANNED):
                planned = asdict(row) | values
                await planning.plan(connection, principal.tenant_id, row.id, planned, now=deps.clock())
            await deps.audit(
                connection, principal, action, resource=("agent", str(row.id)), old=_plain(old), new=_plain(values)
            )
        if not values.get("deleted_at"):
            row = await store.get_agent(connection, principal.tenant_id, row.id, deps.clock())
        shown = await _show(deps, connection, principal, row)
    mirror.forget(deps.live, principal.tenant_id, row)
    return shown


@router.patch("/agents/{agent}")
async def update_agent(deps: Given, principal: Writer, agent: str, body: AgentChanges) -> AgentBody:
    """Change what people set. Archiving an agent ends what is expected of it, as `retire` does."""
    values = body.model_dump(exclude_unset=True)
    _check(deps, values)
    if "metadata" in values:
        values["meta"] = values.pop("metadata")
    if "status" in values:
        values["retired_at"] = deps.clock() if values["status"] == "archived" else None
    return await _change(deps, principal, agent, "agent.updated", values)


@router.post("/agents/{agent}/retire")
async def retire_agent(deps: Given, principal: Writer, agent: str) -> AgentBody:
    """End what is expected of an agent: its alerts close with that reason and it is not missed any more."""
    return await _change(deps, principal, agent, "agent.retired", {"status": "archived", "retired_at": deps.clock()})


@router.delete("/agents/{agent}")
async def delete_agent(deps: Given, principal: Writer, agent: str) -> AgentBody:
    """Hide an agent. Its logs and history stay until their retention ends."""
    return await _change(
        deps, principal, agent, "agent.deleted", {"deleted_at": deps.clock(), "retired_at": deps.clock()}
    )


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
        row = await _find(deps, connection, principal, agent)
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
        row = await _find(deps, connection, principal, agent)
    values = await deps.series.last_values(principal.tenant_id, row.id)
    return {
        "items": [
            LastValueBody(metric=metric, tags=dict(tags), at=at, value=value, unit=unit)
            for metric, tags, at, value, unit in values
        ]
    }


@router.get("/agent-types")
async def list_types(deps: Given, principal: Reader) -> dict[str, list[AgentTypeBody]]:
    """The tenant's own agent types and the predefined ones."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await store.list_types(connection, principal.tenant_id)
    return {"items": [AgentTypeBody(**row) for row in rows]}


_PLANNED = ("schedule", "timezone", "status", "retired_at", "deleted_at")
_LIVE = ("status", "last_message", "last_duration", "last_execution_at", "consecutive_failures")
_SEEN = ("last_seen_at", "last_heartbeat_at", "last_status")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
        for name, value in values.items()
    }
