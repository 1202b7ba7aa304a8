"""Agents as people change them: one transaction, in which versions and the audit trail are kept; and as is answered."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import mirror, planning, store, versions
from monitor.agents.bodies import AgentBody, AgentDetail
from monitor.agents.counters import NONE, Counters, read_counters
from monitor.agents.tables import Agent
from monitor.http.deps import Deps
from monitor.http.etags import check_match, etag
from monitor.http.outbound import Allowed
from monitor.http.problems import uuid_of
from monitor.principal import Principal

# A change of one of these may change when the agent is due.
_PLANNED = ("schedule", "timezone", "status", "retired_at", "deleted_at")


def key_of(agent: str) -> UUID | str:
    """What a path names an agent by: its UUID or its external id."""
    return uuid_of(agent) or agent


async def find(deps: Deps, connection: AsyncConnection, principal: Principal, agent: str) -> store.AgentRow:
    """The agent of a path. Raises NotFound."""
    return await store.get_agent(connection, principal.tenant_id, key_of(agent), deps.clock())


async def find_deleted(connection: AsyncConnection, principal: Principal, agent: str) -> dict[str, Any]:
    """Id and status of one that was deleted. Raises NotFound."""
    gone = store.agents_of(principal.tenant_id, (Agent.id, Agent.status), deleted=True)
    return await store.find_one(connection, gone, key_of(agent))


def shown(deps: Deps, row: store.AgentRow, counters: Counters) -> AgentBody:
    """As it is answered in lists."""
    return AgentBody.model_validate(_values(deps, row, counters))


def _values(deps: Deps, row: store.AgentRow, counters: Counters) -> dict[str, Any]:
    values = asdict(row) | asdict(counters)
    token = values.pop("ping_token")
    return values | {"ping_url": f"{deps.settings.public_url.rstrip('/')}/ping/{token}"}


async def show(
    deps: Deps, connection: AsyncConnection, principal: Principal, row: store.AgentRow, response: Response
) -> AgentDetail:
    """As it is answered alone, with the ETag of what people set."""
    counted = await read_counters(connection, principal.tenant_id, [row.id])
    stored = await versions.read_agent(connection, principal.tenant_id, row.id)
    response.headers["ETag"] = etag(stored)
    long = {"backstory": stored["backstory"], "system_prompt": stored["system_prompt"]}
    return AgentDetail.model_validate(_values(deps, row, counted.get(row.id, NONE)) | long)


def check(deps: Deps, values: dict[str, Any]) -> None:
    """Raise InvalidInput for a schedule or a webhook that cannot be."""
    planning.check_schedule(values, now=deps.clock())
    if values.get("webhook_url") is not None:
        planning.check_webhook(values["webhook_url"], Allowed.of(deps.settings.webhook_allow))


async def change(
    deps: Deps,
    principal: Principal,
    agent: str,
    action: str,
    values: dict[str, Any],
    response: Response,
    *,
    match: str | None = None,
    deleted: bool = False,
) -> AgentDetail:
    """Store what differs. `deleted`: it is one that was deleted, by its id.

    Raises NotFound, InvalidInput, and PreconditionFailed where `match` says that the caller saw another one.
    """
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        agent_id = UUID(agent) if deleted else (await find(deps, connection, principal, agent)).id
        held = await versions.lock_agent(connection, tenant_id, agent_id)
        check_match(held, match)
        before = held | {"meta": held["metadata"]}
        if "agent_type" in values or "config" in values:
            # The type's defaults are laid under the configuration, where one of the two is changed.
            wanted = before | values
            values = values | {
                "config": await planning.config_of(connection, tenant_id, wanted["agent_type"], wanted["config"])
            }
        values = {name: value for name, value in values.items() if before[name] != value}
        goes = values.get("deleted_at") is not None
        row = await store.get_agent(connection, tenant_id, agent_id, deps.clock()) if goes else None
        await _store(deps, connection, principal, action, before, values)
        row = row or await store.get_agent(connection, tenant_id, agent_id, deps.clock())
        answer = await show(deps, connection, principal, row, response)
    mirror.forget(deps.live, tenant_id, row)
    return answer


async def _store(
    deps: Deps,
    connection: AsyncConnection,
    principal: Principal,
    action: str,
    before: dict[str, Any],
    values: dict[str, Any],
) -> None:
    """Write the change of a row that is held, what follows of it, and who did it."""
    if not values:
        return
    tenant_id, agent_id = principal.tenant_id, before["id"]
    old = {name: before[name] for name in values}
    number = versions.next_version(before, values)
    more = {} if number is None else {"settings_version": number}
    await store.update_agent(connection, tenant_id, agent_id, values | more)
    if number is not None:
        await versions.keep_versions(connection, before, values | more, by=principal.actor)
    if any(name in values for name in _PLANNED):
        await planning.plan(connection, tenant_id, agent_id, before | values, now=deps.clock())
    await deps.audit(
        connection, principal, action, resource=("agent", str(agent_id)), old=plain(old), new=plain(values)
    )


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """As the audit trail holds them."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
        for name, value in values.items()
    }
