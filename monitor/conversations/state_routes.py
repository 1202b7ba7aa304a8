"""`/api/v1/conversations/{conversation}/states`: what agents keep in mind of it. They are set by monitor.ingest."""

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import states
from monitor.agents.states import Key
from monitor.conversations import store
from monitor.conversations.bodies import StateBody
from monitor.http.deps import Given, Reader, Writer
from monitor.http.etags import Match
from monitor.principal import Principal

router = APIRouter(prefix="/api/v1", tags=["conversations"])


async def key_of(connection: AsyncConnection, principal: Principal, conversation: str, agent_type: str) -> Key:
    """Whose state a path names: a state's conversation may be one that was never told of."""
    name = await store.name_of(connection, principal.tenant_id, conversation)
    return Key(principal.tenant_id, name, agent_type)


@router.get("/conversations/{conversation}/states")
async def list_states(deps: Given, principal: Reader, conversation: str) -> dict[str, list[StateBody]]:
    """States of a conversation by type of agent; none where nobody keeps any."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        name = await store.name_of(connection, principal.tenant_id, conversation)
        rows = await states.list_states(connection, principal.tenant_id, name)
    return {"items": [StateBody.model_validate(row) for row in rows]}


@router.get("/conversations/{conversation}/states/{agent_type}")
async def get_state(
    deps: Given, principal: Reader, conversation: str, agent_type: str, response: Response
) -> StateBody:
    """One state. Its ETag is its version."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await states.get_state(connection, await key_of(connection, principal, conversation, agent_type))
    response.headers["ETag"] = states.tag(row["version"])
    return StateBody.model_validate(row)


@router.delete("/conversations/{conversation}/states/{agent_type}", status_code=204)
async def delete_state(
    deps: Given, principal: Writer, conversation: str, agent_type: str, match: Match = None
) -> Response:
    """Forget it."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        key = await key_of(connection, principal, conversation, agent_type)
        row = await states.get_state(connection, key)
        await states.delete_state(connection, key, expected=states.expected(match))
        said = {"conversation": key.conversation, "agent_type": agent_type, "version": row["version"]}
        await deps.audit(
            connection, principal, "agent_state.deleted", resource=("agent_state", str(row["id"])), old=said
        )
    return Response(status_code=204)
