"""MCP servers of document 002, and how its tenants use them: secrets, which stood there as they are, come sealed."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import InvalidInput
from monitor.ids import PLATFORM_TENANT
from monitor.imports.given import Given, LeftOut
from monitor.imports.into import Into, Server
from monitor.imports.report import Report
from monitor.imports.source import Source
from monitor.imports.step import Made, Step, Values, row, rows_of, same, store
from monitor.imports.writing import Writing
from monitor.tools.bodies import Limits, ServerStatus, ServerType
from monitor.tools.covering import Safe
from monitor.tools.schema import check_schema, secrets_of
from monitor.tools.tables import McpServer, McpServerConfig

_SERVERS = text("SELECT id, tenant_id, slug, config_schema FROM mcp_servers")
_CONFIGS = text("SELECT id, tenant_id, server_id FROM mcp_server_configs")
_LIMITS = frozenset(Limits.model_fields)


async def look(into: Into, source: Source) -> None:
    """Learn which servers and configurations are here, and whose servers are that are not public."""
    async with into.db.owner() as owner:
        for row in await owner.execute(_SERVERS):
            into.known_servers[row.tenant_id, row.slug] = row.id
        into.configured.update(((row.tenant_id, row.server_id), row.id) for row in await owner.execute(_CONFIGS))
    query = "SELECT DISTINCT mcp_server_id, tenant_id FROM mcp_server_configs"
    for one in await source.rows("mcp_server_configs", query):
        into.users_of.setdefault(one["mcp_server_id"], set()).add(one["tenant_id"] or into.tenant_id)


def _server(given: Given) -> list[Values]:
    """A public one is the platform tenant's; another one belongs to each tenant that has a configuration of it."""
    kind, command, url = _start(given)
    into, made = given.into, {"server_type": kind, "command": command, "url": url, **_SERVER(given)}
    using = into.users_of.get(given["id"], set()) & {*into.tenants, into.tenant_id}
    owners = frozenset({PLATFORM_TENANT}) if given["is_public"] else frozenset(using or {into.tenant_id})
    found = {into.known_servers.setdefault((owner, made["slug"]), given["id"]) for owner in owners}
    if found != {given["id"]}:
        raise LeftOut("a server of this slug is here already")
    into.servers[given["id"]] = Server(owners, made["slug"], made["config_schema"])
    return [{"tenant_id": owner, **made} for owner in sorted(owners)]


def _start(given: Given) -> tuple[str, str | None, str | None]:
    """How it is spoken to, what starts it, and where it is. Raises LeftOut where neither of them is told."""
    kind, said = given.word("server_type", [*ServerType], ServerType.STDIO.value), given["command"]
    if not said:
        raise LeftOut("it says nothing of how to start or to reach it")
    if kind == ServerType.STDIO:
        return kind, said, None
    if not said.startswith(("http://", "https://")):
        raise LeftOut(f"a server of type {kind} has an address as its command")
    return kind, None, said


def _schema(given: Given) -> dict[str, Any]:
    """What configurations are to be; one that is no schema is kept beside."""
    made = given.object("configuration_schema")
    try:
        check_schema(made)
    except InvalidInput:
        given.keep("configuration_schema", "a schema that is none was left out")
        return {}
    return made


def _link(column: str) -> Any:
    def made(given: Given) -> str | None:
        url: str | None = given[column]
        if url is None or url.startswith(("http://", "https://")):
            return url
        given.keep(column, "an address that is none was left out")
        return None

    return made


async def _put_servers(into: Into, made: Made[list[Values]], report: Report) -> Writing:
    report.kept += len(made)
    rows = [one for _, rows in made for one in rows]

    async def write(connection: AsyncConnection) -> None:
        await store(connection, McpServer, rows)

    return Writing(rows=write if rows else None)


def _config(given: Given) -> Values:
    """How a tenant uses a server. Of one that was deleted nothing secret is left, and it is switched off."""
    given.belong()
    into = given.into
    server = into.servers.get(given["mcp_server_id"])
    if server is None:
        raise LeftOut("its server was left out")
    owner = given.tenant_id if given.tenant_id in server.tenant_ids else PLATFORM_TENANT
    if into.configured.setdefault((given.tenant_id, given["mcp_server_id"]), given["id"]) != given["id"]:
        raise LeftOut("its tenant has a configuration of this server already")
    gone = given["deleted_at"] is not None
    config = {} if gone else given.object("configuration_values")
    environment = {} if gone else _environment(given)
    safe = Safe(into.ring, given.tenant_id, given["id"])
    return {
        "id": given["id"],
        "server_tenant_id": owner,
        "server_id": given["mcp_server_id"],
        "enabled": given["enabled"] is not False and not gone,
        "config": safe.seal(config, secrets_of(server.schema)),
        "environment": safe.seal(environment, frozenset((name,) for name in environment)),
        "limits": _limits(given),
        "allowed_users": _allowed(given),
        "created_by": given.user("created_by"),
        **given.times(),
    }


def _environment(given: Given) -> dict[str, str]:
    said = given.object("environment_variables")
    return {name: value if isinstance(value, str) else str(value) for name, value in said.items() if value is not None}


def _limits(given: Given) -> dict[str, Any]:
    """Those that a server can have here."""
    said, made = given.object("resource_limits"), dict[str, Any]()
    for name, value in said.items():
        if name in _LIMITS and isinstance(value, int | float) and value > 0:
            made[name] = value
    if len(made) < len(said):
        given.note("limits that are none here were left out")
    return made


def _allowed(given: Given) -> list[UUID] | None:
    """Null is everybody; who was left out may not."""
    said = given["allowed_users"]
    if said is None:
        return None
    users = [given.into.users.get(UUID(str(one))) for one in said]
    if None in users:
        given.note("users who were left out may not use it")
    return [one for one in users if one is not None]


_SERVER = row({
    **same("id", "name", "description", "version", "category", "deleted_at"),
    "slug": lambda given: given["slug"] or given.key,
    "config_schema": _schema,
    "tools": lambda given: given["tool_definitions"] or [],
    "resources": lambda given: given["resource_definitions"] or [],
    "status": lambda given: given.word("status", [*ServerStatus], ServerStatus.ACTIVE.value),
    "documentation_url": _link("documentation_url"),
    "repository_url": _link("repository_url"),
    "created_at": lambda given: given.times()["created_at"],
    "updated_at": lambda given: given.times()["updated_at"],
    "metadata": Given.metadata,
})  # fmt: skip
STEPS = (
    Step("mcp_servers", _server, _put_servers),
    Step("mcp_server_configs", _config, rows_of(McpServerConfig)),
)
