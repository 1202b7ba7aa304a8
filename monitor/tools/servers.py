"""MCP servers as a resource: everybody's are read by all, and a tenant has its own beside them."""

from typing import Any, cast

from sqlalchemy import Table

from monitor.errors import InvalidInput
from monitor.http import resource_routes
from monitor.http.resources import Change, Hooks, Resource, Row
from monitor.principal import Slice
from monitor.tools.bodies import NewServerBody, ServerBody, ServerChanges, ServerListing, ServerType
from monitor.tools.schema import check_schema
from monitor.tools.tables import McpServer


class Servers(Hooks):
    """A server can be reached in the way that it says, and its schema is one."""

    async def check(self, change: Change, new: dict[str, Any], old: Row | None) -> None:
        """Raise InvalidInput."""
        whole = {**(old or {}), **new}
        wanted, other = ("command", "url") if whole["server_type"] == ServerType.STDIO else ("url", "command")
        if whole[wanted] is None:
            raise InvalidInput(f"a server of type {whole['server_type']} has one", path=wanted)
        if whole[other] is not None:
            raise InvalidInput(f"a server of type {whole['server_type']} has none", path=other)
        if "config_schema" in new:
            check_schema(new["config_schema"])


SERVERS = Resource(
    kind="mcp_server",
    path="/mcp-servers",
    slice=Slice.TOOLS,
    table=cast(Table, McpServer.__table__),
    new=NewServerBody,
    changes=ServerChanges,
    shown=ServerBody,
    query=ServerListing,
    sorts=("slug", "created_at", "updated_at"),
    name="slug",
    searched=("slug", "name"),
    hooks=Servers(),
    shared=True,
)

router = resource_routes.router(SERVERS)
