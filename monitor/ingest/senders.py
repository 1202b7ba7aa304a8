"""Whom rows name: agents by external id or by UUID, as the sender's key allows."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from monitor.agents.registry import Registry, Resolved
from monitor.agents.tables import Agent
from monitor.db import Database
from monitor.errors import Forbidden, InvalidInput
from monitor.http.problems import uuid_of
from monitor.principal import Principal


async def find_agents(
    db: Database, registry: Registry, principal: Principal, names: Collection[str], *, now: datetime
) -> dict[str, Resolved]:
    """The agent of each name, or why there is none. Unknown names are registered, but for a key bound to an agent."""
    spelled = {name: made for name in names if (made := uuid_of(name)) is not None}
    called: dict[str, str] = {}
    if spelled:
        query = select(Agent.id, Agent.external_id).where(Agent.id.in_(list(spelled.values())))
        async with db.tenant(principal.tenant_id) as connection:
            found = {row.id: row.external_id for row in await connection.execute(query)}
        called = {name: found[made] for name, made in spelled.items() if made in found}
    resolved = await registry.resolve(
        principal.tenant_id,
        {called.get(name, name) for name in names},
        now=now,
        register=principal.agent_id is None,
    )
    return {name: resolved[called.get(name, name)] for name in names}


def own_agent(refs: Mapping[str, Resolved], principal: Principal, name: str, *, path: str) -> UUID:
    """The agent that a row speaks for. Raises Forbidden where the key is bound to another, InvalidInput."""
    ref = refs[name]
    if principal.agent_id is not None and (isinstance(ref, str) or ref.id != principal.agent_id):
        raise Forbidden("this key is bound to another agent")
    if isinstance(ref, str):
        raise InvalidInput(ref, path=path)
    return ref.id
