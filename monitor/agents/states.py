"""What agents keep in mind of conversations: one state for each conversation and type of agent, with a version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.tables import Agent, AgentState
from monitor.errors import NotFound, PreconditionFailed
from monitor.ids import uuid7


@dataclass(frozen=True, slots=True)
class Key:
    """Whose state: the conversation by the name that callers give it, and the type of agent."""

    tenant_id: UUID
    conversation: str
    agent_type: str


def tag(version: int) -> str:
    """The ETag of a state: its version."""
    return f'"{version}"'


def expected(match: str | None) -> int | None:
    """The version that an If-Match names: None where any will do, and where it is no number 0, which no state has."""
    if match is None or match.strip() == "*":
        return None
    number = match.strip().strip('"')
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0


def _of(tenant_id: UUID, conversation: str) -> Select[*tuple[Any, ...]]:
    columns = (AgentState.id, AgentState.conversation, AgentState.agent_type, AgentState.state, AgentState.version,
               AgentState.created_at, AgentState.updated_at)  # fmt: skip
    return (
        select(*columns, Agent.external_id.label("agent"))
        .outerjoin(Agent, (Agent.tenant_id == AgentState.tenant_id) & (Agent.id == AgentState.agent_id))
        .where(AgentState.tenant_id == tenant_id, AgentState.conversation == conversation)
    )


def _where(key: Key) -> tuple[Any, ...]:
    return (
        AgentState.tenant_id == key.tenant_id,
        AgentState.conversation == key.conversation,
        AgentState.agent_type == key.agent_type,
    )


async def list_states(connection: AsyncConnection, tenant_id: UUID, conversation: str) -> Sequence[Mapping[str, Any]]:
    """All states of a conversation by type."""
    query = _of(tenant_id, conversation).order_by(AgentState.agent_type)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def get_state(connection: AsyncConnection, key: Key) -> dict[str, Any]:
    """One state. Raises NotFound."""
    query = _of(key.tenant_id, key.conversation).where(AgentState.agent_type == key.agent_type)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such state")
    return dict(row)


async def put_state(
    connection: AsyncConnection,
    key: Key,
    state: Mapping[str, Any],
    *,
    agent_id: UUID | None,
    now: datetime,
    expected: int | None = None,
) -> bool:
    """Set a state, in one statement; whether it is new. `expected`: the version that the caller saw.

    Raises PreconditionFailed where it is another one by now.
    """
    values = {"state": dict(state), "version": AgentState.version + 1} | ({"agent_id": agent_id} if agent_id else {})
    if expected is not None:
        changed = update(AgentState).where(*_where(key), AgentState.version == expected).values(values)
        if not (await connection.execute(changed)).rowcount:
            raise PreconditionFailed("somebody changed it since: read it again")
        return False
    made = upsert(AgentState).values(
        tenant_id=key.tenant_id, id=uuid7(now), conversation=key.conversation, agent_type=key.agent_type,
        agent_id=agent_id, state=dict(state),
    )  # fmt: skip
    written = await connection.execute(
        made.on_conflict_do_update(index_elements=["tenant_id", "conversation", "agent_type"], set_=values).returning(
            AgentState.version
        )
    )
    return bool(written.scalar_one() == 1)


async def delete_state(connection: AsyncConnection, key: Key, *, expected: int | None = None) -> None:
    """Forget it. Raises NotFound, and PreconditionFailed as `put_state` does."""
    row = await get_state(connection, key)
    which = delete(AgentState).where(
        *_where(key), AgentState.version == (row["version"] if expected is None else expected)
    )
    if not (await connection.execute(which)).rowcount:
        raise PreconditionFailed("somebody changed it since: read it again")
