"""The live part of an agent alone: small enough to be read for many and kept in a cache."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.status import Evidence
from monitor.agents.store import agents_of, find_one
from monitor.agents.tables import Agent, AgentLive
from monitor.ids import uuid7_time


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRow:
    """What is known of an agent now. `metrics`: what its heartbeats said last; `last_duration` in milliseconds."""

    id: UUID
    external_id: str
    status: str
    last_seen_at: datetime | None
    last_heartbeat_at: datetime | None
    heartbeat_interval: float | None
    expected: bool
    last_status: str | None
    last_message: str | None
    last_duration: int | None
    last_execution_at: datetime | None
    consecutive_failures: int
    metrics: dict[str, Any]

    @property
    def evidence(self) -> Evidence:
        """What its state is computed from."""
        return Evidence(self.last_seen_at, self.expected, self.heartbeat_interval, self.last_status)


_LIVE = (
    Agent.id, Agent.external_id, Agent.status, AgentLive.last_seen_at, AgentLive.last_heartbeat_at,
    AgentLive.heartbeat_interval, func.coalesce(AgentLive.expected, False).label("expected"), AgentLive.last_status,
    AgentLive.last_message, AgentLive.last_duration, AgentLive.last_execution_id,
    func.coalesce(AgentLive.consecutive_failures, 0).label("consecutive_failures"),
    func.coalesce(AgentLive.metrics, text("'{}'")).label("metrics"),
)  # fmt: skip


def _live(row: Mapping[str, Any]) -> LiveRow:
    values = dict(row)
    execution = values.pop("last_execution_id")
    return LiveRow(**values, last_execution_at=None if execution is None else uuid7_time(execution))


async def get_live(connection: AsyncConnection, tenant_id: UUID, key: UUID | str) -> LiveRow:
    """By UUID or external id. Raises NotFound."""
    return _live(await find_one(connection, agents_of(tenant_id, _LIVE), key))


async def list_live(connection: AsyncConnection, tenant_id: UUID, agent_ids: Sequence[UUID]) -> list[LiveRow]:
    """Those of these agents that are there."""
    query = agents_of(tenant_id, _LIVE).where(Agent.id == func.any(list(agent_ids)))
    return [_live(dict(row)) for row in (await connection.execute(query)).mappings()]
