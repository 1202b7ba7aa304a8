"""What an agent is made of: versions of its settings, and the values that it is configured with by key."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from monitor.agents import changing, configuration, versions
from monitor.agents.bodies import AgentDetail
from monitor.agents.setting_bodies import NewValueBody, ValueBody, VersionBody
from monitor.errors import NotFound, Unreadable
from monitor.http.deps import Given, Reader, Writer
from monitor.http.etags import Match, check_match, etag
from monitor.http.paging import Cursor, Limit, Page, decode, page

router = APIRouter(prefix="/api/v1/agents/{agent}", tags=["agents"])

ValueKey = Annotated[str, Path(min_length=1, max_length=200)]


@router.get("/versions")
async def list_versions(
    deps: Given, principal: Reader, agent: str, limit: Limit = 100, cursor: Cursor = None
) -> Page[VersionBody]:
    """Versions of its settings, newest first: the first one of these is what it has now."""
    key = decode(cursor, parts=1)
    if key is not None and not (key[0].isascii() and key[0].isdigit() and len(key[0]) < 19):
        raise Unreadable("cursor is not one that was given out")
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await changing.find(deps, connection, principal, agent)
        rows = await versions.list_versions(
            connection, principal.tenant_id, row.id, limit=limit, before=None if key is None else int(key[0])
        )
    return Page[VersionBody].model_validate(page(rows, limit, lambda one: [str(one["version"])]))


@router.post("/versions/{version}/restore")
async def restore_version(
    deps: Given,
    principal: Writer,
    agent: str,
    version: Annotated[int, Path(ge=1, lt=2**63)],
    response: Response,
    match: Match = None,
) -> AgentDetail:
    """Give it the settings again that it had then: they are its newest version."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await changing.find(deps, connection, principal, agent)
        values = await versions.get_settings(connection, principal.tenant_id, row.id, version)
    return await changing.change(deps, principal, agent, "agent.settings_restored", values, response, match=match)


@router.get("/configuration")
async def list_configuration(deps: Given, principal: Reader, agent: str) -> dict[str, list[ValueBody]]:
    """The values that it is configured with, by key."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await changing.find(deps, connection, principal, agent)
        rows = await configuration.list_values(connection, principal.tenant_id, row.id)
    return {"items": [ValueBody.model_validate(one) for one in rows]}


@router.put("/configuration/{key}")
async def put_configuration(
    deps: Given,
    principal: Writer,
    agent: str,
    key: ValueKey,
    body: NewValueBody,
    response: Response,
    match: Match = None,
) -> ValueBody:
    """Set one value. Numbers and structures are text here, as the agent reads them."""
    tenant_id, values = principal.tenant_id, body.model_dump()
    async with deps.db.tenant(tenant_id) as connection:
        row = await changing.find(deps, connection, principal, agent)
        await versions.lock_agent(connection, tenant_id, row.id)
        old = await configuration.find_value(connection, tenant_id, row.id, key)
        check_match(old or {}, match)
        if old is None or any(old[name] != value for name, value in values.items()):
            await configuration.put_value(connection, tenant_id, row.id, key, values, new=old is None)
            said = None if old is None else {"key": key, "value": old["value"], "active": old["active"]}
            await deps.audit(
                connection, principal, "agent.configured", resource=("agent", str(row.id)), old=said,
                new={"key": key, **values},
            )  # fmt: skip
        found = await configuration.find_value(connection, tenant_id, row.id, key) or {}
    response.headers["ETag"] = etag(found)
    return ValueBody.model_validate(found)


@router.delete("/configuration/{key}", status_code=204)
async def delete_configuration(
    deps: Given, principal: Writer, agent: str, key: ValueKey, match: Match = None
) -> Response:
    """Take one value away."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        row = await changing.find(deps, connection, principal, agent)
        await versions.lock_agent(connection, tenant_id, row.id)
        old = await configuration.find_value(connection, tenant_id, row.id, key)
        if old is None:
            raise NotFound("there is no such key")
        check_match(old, match)
        await configuration.delete_value(connection, tenant_id, row.id, key)
        said = {"key": key, "value": old["value"], "active": old["active"]}
        await deps.audit(connection, principal, "agent.configured", resource=("agent", str(row.id)), old=said)
    return Response(status_code=204)


@router.post("/restore")
async def restore_agent(deps: Given, principal: Writer, agent: str, response: Response) -> AgentDetail:
    """Bring an agent back that was deleted, with its name and its history as far as that is kept."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await changing.find_deleted(connection, principal, agent)
    values = {"deleted_at": None} | ({} if row["status"] == "archived" else {"retired_at": None})
    return await changing.change(deps, principal, str(row["id"]), "agent.restored", values, response, deleted=True)
