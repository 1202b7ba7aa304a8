"""PUT of an agent's state: what it keeps in mind of a conversation, as the tenant wants it stored."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from monitor.agents import states
from monitor.conversations.bodies import StateBody
from monitor.conversations.state_routes import key_of
from monitor.errors import InvalidInput, TooLarge
from monitor.ingest.entry import entered
from monitor.ingest.rows import validated
from monitor.ingest.runs.bodies import Word
from monitor.ingest.schema import told
from monitor.ingest.senders import find_agents, own_agent
from monitor.ingest.service import Ingest
from monitor.principal import Principal

LONGEST = 1 << 20
"""Bytes of a state as JSON."""
_ABOUT = (
    "Set what an agent of this type keeps in mind of a conversation, which need not be told of yet. One statement that "
    "inserts or replaces; 201 where it is new. With If-Match (the ETag, which is the version): 412 where it is another."
)


class StateIn(BaseModel):
    """The state, and whose it is."""

    model_config = ConfigDict(extra="forbid")

    state: dict[str, Any]
    agent: Word = Field(default=None)


def mount(routes: APIRouter, ingest: Ingest) -> None:
    """Add it to the ingest routes."""
    content = {"application/json": {"schema": StateIn.model_json_schema()}}
    names = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 200}}
        for name in ("conversation", "agent_type")
    ]
    match = {"name": "If-Match", "in": "header", "required": False, "schema": {"type": "string"}}
    routes.add_api_route(
        "/api/v1/conversations/{conversation}/states/{agent_type}", _keeping(ingest), methods=["PUT"],
        name="put_state", summary="Keep an agent's state", description=_ABOUT, tags=["conversations"],
        response_class=Response, responses=told(StateBody),
        openapi_extra={"requestBody": {"required": True, "content": content}, "parameters": [*names, match]},
    )  # fmt: skip


def _keeping(ingest: Ingest) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        async with entered(ingest, request) as (principal, raw):
            row, new = await _keep(ingest, principal, request, raw)
        content = msgspec.json.encode(StateBody.model_validate(row).model_dump(mode="json"))
        headers = {"ETag": states.tag(row["version"])}
        return Response(content, status_code=201 if new else 200, headers=headers, media_type="application/json")

    return endpoint


async def _keep(ingest: Ingest, principal: Principal, request: Request, raw: bytes) -> tuple[dict[str, Any], bool]:
    if len(raw) > LONGEST:
        raise TooLarge(f"a state is at most {LONGEST} bytes of JSON")
    if b"\\u0000" in raw:
        raise InvalidInput("the character NUL cannot be stored", path="state")
    given = validated(StateIn, raw)
    now, deps = ingest.deps.clock(), ingest.deps
    policy = await ingest.privacy.of(principal.tenant_id)
    agent_id = principal.agent_id
    if given.agent is not None:
        refs = await find_agents(deps.db, ingest.registry, principal, [given.agent], now=now)
        agent_id = own_agent(refs, principal, given.agent, path="agent")
    conversation, agent_type = (_name(request, name) for name in ("conversation", "agent_type"))
    async with deps.db.tenant(principal.tenant_id) as connection:
        key = await key_of(connection, principal, policy.name(conversation), agent_type)
        new = await states.put_state(
            connection, key, policy.details(given.state), agent_id=agent_id, now=now,
            expected=states.expected(request.headers.get("if-match")),
        )  # fmt: skip
        return await states.get_state(connection, key), new


def _name(request: Request, name: str) -> str:
    given: str = request.path_params[name]
    if not 0 < len(given) <= 200 or "\0" in given:
        raise InvalidInput("1 to 200 characters are expected", path=name)
    return given
