"""`/api/v1/tool-patience`: how long calls of tools may take."""

from typing import Annotated

from fastapi import APIRouter, Path

from monitor.agents import work
from monitor.agents.bodies import PatienceBody, ToolPatienceBody
from monitor.http.deps import Given, Reader, Writer

router = APIRouter(prefix="/api/v1/tool-patience", tags=["agents"])

ToolName = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$", description="* for all others")]


@router.get("")
async def list_patience(deps: Given, principal: Reader) -> dict[str, list[ToolPatienceBody]]:
    """What was set, by tool."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        rows = await work.list_patience(connection, principal.tenant_id)
    return {"items": [ToolPatienceBody(tool=row["tool"], patience=row["seconds"]) for row in rows]}


@router.put("/{tool_name}")
async def put_patience(deps: Given, principal: Writer, tool_name: ToolName, body: PatienceBody) -> ToolPatienceBody:
    """Set the patience with a tool. Who is in it now is judged by the new one."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        old = await work.find_patience(connection, tenant_id, tool_name)
        if old != body.patience:
            await work.put_patience(connection, tenant_id, tool_name, body.patience, deps.clock())
            await deps.audit(
                connection, principal, "tool_patience.set", resource=("tool_patience", tool_name),
                old=None if old is None else {"patience": old}, new={"patience": body.patience},
            )  # fmt: skip
    return ToolPatienceBody(tool=tool_name, patience=body.patience)


@router.delete("/{tool_name}", status_code=204)
async def delete_patience(deps: Given, principal: Writer, tool_name: ToolName) -> None:
    """Back to the usual 10 minutes, or to what was said for `*`."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        old = await work.find_patience(connection, tenant_id, tool_name)
        await work.delete_patience(connection, tenant_id, tool_name, deps.clock())
        await deps.audit(
            connection, principal, "tool_patience.unset", resource=("tool_patience", tool_name), old={"patience": old}
        )
