"""The live part of an agent alone: small enough to be read for many and kept in a cache."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.status import NOTHING, Evidence, Work
from monitor.agents.store import EVIDENCE, agents_of, evidence_of, find_one
from monitor.agents.tables import Agent, AgentLive
from monitor.agents.work import read_work
from monitor.ids import uuid7_time


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRow:
    """What is known of an agent now. `metrics`: what its heartbeats said last; `last_duration` in milliseconds."""

    id: UUID
    external_id: str
    status: str
    evidence: Evidence
    last_message: str | None
    last_duration: int | None
    last_execution_at: datetime | None
    consecutive_failures: int
    metrics: dict[str, Any]


_OWN = (
    Agent.id, Agent.external_id, Agent.status, AgentLive.last_message, AgentLive.last_duration,
    AgentLive.last_execution_id,
    func.coalesce(AgentLive.consecutive_failures, 0).label("consecutive_failures"),
    func.coalesce(AgentLive.metrics, text("'{}'")).label("metrics"),
)  # fmt: skip
_OWN_NAMES = tuple(column.name for column in _OWN)
_LIVE = (*_OWN, *EVIDENCE)


def _live(row: Mapping[str, Any], work: Work) -> LiveRow:
    values = {name: row[name] for name in _OWN_NAMES}
    execution = values.pop("last_execution_id")
    last = None if execution is None else uuid7_time(execution)
    return LiveRow(**values, last_execution_at=last, evidence=evidence_of(row, work))


async def get_live(connection: AsyncConnection, tenant_id: UUID, key: UUID | str, now: datetime) -> LiveRow:
    """By UUID or external id. Raises NotFound."""
    row = await find_one(connection, agents_of(tenant_id, _LIVE), key)
    work = await read_work(connection, [(tenant_id, row["id"])], now)
    return _live(row, work.get((tenant_id, row["id"]), NOTHING))


async def list_live(
    connection: AsyncConnection, tenant_id: UUID, agent_ids: Sequence[UUID], now: datetime
) -> list[LiveRow]:
    """Those of these agents that are there."""
    query = agents_of(tenant_id, _LIVE).where(Agent.id == func.any(list(agent_ids)))
    rows = (await connection.execute(query)).mappings().all()
    work = await read_work(connection, [(tenant_id, row["id"]) for row in rows], now)
    return [_live(dict(row), work.get((tenant_id, row["id"]), NOTHING)) for row in rows]
