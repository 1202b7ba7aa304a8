"""How a tenant uses MCP servers: configurations that fit the server's schema, with sealed secrets; and the start."""

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy import Table, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import Conflict, Forbidden, InvalidInput
from monitor.http import resource_routes
from monitor.http.deps import Executor, Given
from monitor.http.resources import Change, Hooks, Resource, Row
from monitor.ids import PLATFORM_TENANT
from monitor.principal import Slice
from monitor.sealing import Ring
from monitor.tools.bodies import (
    ConfigBody,
    ConfigChanges,
    ConfigListing,
    LaunchBody,
    NewConfigBody,
    ServerStatus,
)
from monitor.tools.covering import Safe, merge
from monitor.tools.schema import check_config, secrets_of
from monitor.tools.tables import McpServer, McpServerConfig

# The members' own slice is a stranger to this one: they are looked up by their key.
_MEMBERS = text("SELECT user_id FROM memberships WHERE tenant_id = :tenant_id AND status = 'active'")


class Configs(Hooks):
    """A configuration fits its server's schema, is for members alone, and is stored sealed."""

    async def check(self, change: Change, new: dict[str, Any], old: Row | None) -> None:
        """Raise InvalidInput; seal what is to be. Raises Unavailable without a ring of keys."""
        tenant_id = change.principal.tenant_id
        server = await _server(change.connection, tenant_id, (old or new)["server_id"])
        if server is None:
            raise InvalidInput("there is no such server", path="server_id")
        if old is None:
            new |= {"server_tenant_id": server["tenant_id"], "created_by": change.principal.user_id}
        if new.get("allowed_users") is not None:
            await _check_members(change.connection, tenant_id, new["allowed_users"])
        safe = Safe(Ring(change.deps.settings.secret_keys), tenant_id, (old or new)["id"])
        if "config" in new:
            new["config"] = _config(safe, server["config_schema"], {} if old is None else old["config"], new["config"])
        if "environment" in new:
            new["environment"] = _environment(safe, {} if old is None else old["environment"], new["environment"])


def _config(safe: Safe, schema: Mapping[str, Any], old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    secrets = secrets_of(schema)
    merged = merge(safe.open(old, secrets), given)
    check_config(schema, merged)
    return safe.seal(merged, secrets)


def _environment(safe: Safe, old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    merged = merge(safe.open(old, frozenset((name,) for name in old)), given)
    return safe.seal(merged, frozenset((name,) for name in merged))


async def _server(connection: AsyncConnection, tenant_id: UUID, server_id: UUID) -> Row | None:
    """A server of the tenant's own or everybody's."""
    query = select(*McpServer.__table__.columns).where(
        McpServer.tenant_id.in_([tenant_id, PLATFORM_TENANT]), McpServer.id == server_id, McpServer.deleted_at.is_(None)
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else dict(row)


async def _check_members(connection: AsyncConnection, tenant_id: UUID, users: list[UUID]) -> None:
    members = set((await connection.execute(_MEMBERS, {"tenant_id": tenant_id})).scalars())
    for place, user_id in enumerate(users):
        if user_id not in members:
            raise InvalidInput("there is no such active member", path=f"allowed_users.{place}")


CONFIGS = Resource(
    kind="mcp_server_config",
    path="/mcp-server-configs",
    slice=Slice.TOOLS,
    table=cast(Table, McpServerConfig.__table__),
    new=NewConfigBody,
    changes=ConfigChanges,
    shown=ConfigBody,
    query=ConfigListing,
    sorts=("id", "created_at", "updated_at"),
    hooks=Configs(),
)

router: APIRouter = resource_routes.router(CONFIGS)


@router.post("/{mcp_server_config}/launch")
async def launch(deps: Given, principal: Executor, mcp_server_config: str, response: Response) -> LaunchBody:
    """All that is needed to start or reach the server, with its secrets; the audit trail says who asked.

    403 for who is not among its `allowed_users`, 409 where it or the server is switched off.
    """
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        row = await CONFIGS.find(connection, tenant_id, mcp_server_config)
        server = await _server(connection, tenant_id, row["server_id"])
        if row["allowed_users"] is not None and principal.user_id not in row["allowed_users"]:
            raise Forbidden("you are not among the allowed_users of this server")
        if server is None or not row["enabled"] or server["status"] == ServerStatus.DISABLED:
            raise Conflict("this server is switched off")
        safe = Safe(Ring(deps.settings.secret_keys), tenant_id, row["id"])
        opened = LaunchBody(
            server=server["slug"],
            server_type=server["server_type"],
            command=server["command"],
            url=server["url"],
            config=safe.open(row["config"], secrets_of(server["config_schema"])),
            environment=safe.open(row["environment"], frozenset((name,) for name in row["environment"])),
            limits=row["limits"],
        )
        resource = ("mcp_server_config", str(row["id"]))
        await deps.audit(connection, principal, "mcp_server_config.launched", resource=resource)
    response.headers["Cache-Control"] = "no-store"
    return opened
