"""Agents as people and pages see them: SQL, and rows as frozen dataclasses. The hot path is in live.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents.room import find_room
from monitor.agents.status import NOTHING, Evidence, State, Work, assess
from monitor.agents.tables import Agent, AgentLive, AgentLog, AgentSchedule, Touched
from monitor.agents.work import read_work
from monitor.errors import NotFound
from monitor.ids import uuid7_floor, uuid7_time
from monitor.signals import Touch


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent with what is known of it now. Durations are milliseconds, the heartbeat's interval seconds."""

    id: UUID
    external_id: str
    name: str
    agent_type: str
    description: str | None
    status: str
    tags: dict[str, str]
    capabilities: list[str]
    config: dict[str, Any]
    metadata: dict[str, Any]
    version: str | None
    ephemeral: bool
    webhook_url: str | None
    schedule: str | None
    timezone: str
    next_run_at: datetime | None
    ping_token: str
    retired_at: datetime | None
    created_at: datetime
    updated_at: datetime
    patience: float | None
    last_seen_at: datetime | None
    last_active_at: datetime | None
    last_heartbeat_at: datetime | None
    heartbeat_interval: float | None
    last_status: str | None
    last_message: str | None
    last_duration: int | None
    last_execution_at: datetime | None
    consecutive_failures: int
    role: str | None
    emoji: str | None
    model_provider: str | None
    model: str | None
    temperature: float | None
    max_tokens: int | None
    tools: list[str]
    timeout_seconds: float | None
    max_iterations: int | None
    memory_enabled: bool
    settings_version: int
    state: State
    why: str


@dataclass(frozen=True, slots=True)
class LogRow:
    """One log. `at` is the event's time, `duration` milliseconds."""

    id: UUID
    agent_id: UUID
    at: datetime
    received_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    duration: int | None
    kind: str
    status: str
    level: str | None
    external_id: str | None
    message: str | None
    details: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Stats:
    """Executions of one agent in a window. Durations are milliseconds; rates are shares of one."""

    executions: int
    errors: int
    warnings: int
    success_rate: float | None
    average_duration: float | None
    last_execution_at: datetime | None


_NEXT_RUN = (
    select(AgentSchedule.next_run_at)
    .where(AgentSchedule.tenant_id == Agent.tenant_id, AgentSchedule.agent_id == Agent.id)
    .correlate(Agent)
    .scalar_subquery()
    .label("next_run_at")
)
# What `evidence_of` takes: everything that a state is computed from, but what the agent has in hand.
EVIDENCE = (
    AgentLive.last_seen_at, AgentLive.last_active_at, AgentLive.active_by, AgentLive.last_heartbeat_at,
    AgentLive.heartbeat_interval, AgentLive.heartbeat_status, AgentLive.last_status,
    func.coalesce(AgentLive.expected, False).label("expected"),
    Agent.ephemeral, Agent.retired_at, Agent.patience,
)  # fmt: skip
# Asked of the columns once: to ask them for each row is most of the time that a list of thousands takes.
_EVIDENCE_NAMES = tuple(column.name for column in EVIDENCE if column.name != "retired_at")
_AGENT = (
    *EVIDENCE, Agent.id, Agent.external_id, Agent.name, Agent.agent_type, Agent.description, Agent.status, Agent.tags,
    Agent.capabilities, Agent.config, Agent.meta.label("metadata"), Agent.version, Agent.ping_token,
    Agent.created_at, Agent.updated_at, AgentLive.last_message, AgentLive.last_duration, AgentLive.last_execution_id,
    func.coalesce(AgentLive.consecutive_failures, 0).label("consecutive_failures"),
    Agent.webhook_url, Agent.schedule, Agent.timezone, _NEXT_RUN, Agent.role, Agent.emoji, Agent.model_provider,
    Agent.model, Agent.temperature, Agent.max_tokens, Agent.tools, Agent.timeout_seconds, Agent.max_iterations,
    Agent.memory_enabled, Agent.settings_version,
)  # fmt: skip
_LOG = (
    AgentLog.id, AgentLog.agent_id, AgentLog.received_at, AgentLog.started_at, AgentLog.completed_at,
    AgentLog.duration, AgentLog.kind, AgentLog.status, AgentLog.level, AgentLog.external_id, AgentLog.message,
    AgentLog.details,
)  # fmt: skip


def agents_of(tenant_id: UUID, columns: Sequence[Any] = _AGENT, *, deleted: bool = False) -> Select[*tuple[Any, ...]]:
    """A query for these columns of the tenant's agents and their live rows: those that are there, or were deleted."""
    joined = and_(AgentLive.tenant_id == Agent.tenant_id, AgentLive.agent_id == Agent.id)
    there = Agent.deleted_at.is_not(None) if deleted else Agent.deleted_at.is_(None)
    return select(*columns).outerjoin(AgentLive, joined).where(Agent.tenant_id == tenant_id, there)


def _agent(row: Mapping[str, Any], work: Work, now: datetime) -> AgentRow:
    values = dict(row)
    execution = values.pop("last_execution_id")
    live = assess(evidence_of(row, work), now)
    for name in ("expected", "active_by", "heartbeat_status"):
        del values[name]
    last = None if execution is None else uuid7_time(execution)
    return AgentRow(**values, last_execution_at=last, state=live.state, why=live.why)


def evidence_of(row: Mapping[str, Any], work: Work) -> Evidence:
    """What a row with the columns EVIDENCE says, and what the agent has in hand."""
    values = {name: row[name] for name in _EVIDENCE_NAMES}
    return Evidence(**values, retired=row["retired_at"] is not None, work=work)


async def find_one(connection: AsyncConnection, agents: Select[*tuple[Any, ...]], key: UUID | str) -> dict[str, Any]:
    """The agent among these with this UUID or external id. Raises NotFound."""
    column = Agent.id if isinstance(key, UUID) else Agent.external_id
    row = (await connection.execute(agents.where(column == key))).mappings().one_or_none()
    if row is None and isinstance(key, UUID):  # an external id may look like one
        row = (await connection.execute(agents.where(Agent.external_id == str(key)))).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such agent")
    return dict(row)


async def get_agent(connection: AsyncConnection, tenant_id: UUID, key: UUID | str, now: datetime) -> AgentRow:
    """By UUID or external id. Raises NotFound."""
    row = await find_one(connection, agents_of(tenant_id), key)
    work = await read_work(connection, [(tenant_id, row["id"])], now)
    return _agent(row, work.get((tenant_id, row["id"]), NOTHING), now)


async def list_agents(
    connection: AsyncConnection,
    tenant_id: UUID,
    now: datetime,
    *,
    limit: int,
    after: str | None = None,
    status: str | None = None,
    agent_type: str | None = None,
    search: str | None = None,
    deleted: bool = False,
) -> list[AgentRow]:
    """`limit + 1` agents by external id, those after `after`."""
    query = agents_of(tenant_id, deleted=deleted).order_by(Agent.external_id).limit(limit + 1)
    if after is not None:
        query = query.where(Agent.external_id > after)
    if status is not None:
        query = query.where(Agent.status == status)
    if agent_type is not None:
        query = query.where(Agent.agent_type == agent_type)
    if search:
        query = query.where(
            or_(Agent.external_id.icontains(search, autoescape=True), Agent.name.icontains(search, autoescape=True))
        )
    rows = (await connection.execute(query)).mappings().all()
    work = await read_work(connection, [(tenant_id, row["id"]) for row in rows], now)
    return [_agent(dict(row), work.get((tenant_id, row["id"]), NOTHING), now) for row in rows]


async def insert_agent(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, values: Mapping[str, Any]) -> None:
    """Make an agent with its live row. Raises Conflict when the external id is taken, and QuotaExceeded."""
    room = await find_room(connection, tenant_id)
    if room is not None and not room.left:
        raise room.refusal
    await connection.execute(insert(Agent).values(tenant_id=tenant_id, id=agent_id, **values))
    await connection.execute(insert(AgentLive).values(tenant_id=tenant_id, agent_id=agent_id))
    await touch(connection, tenant_id, agent_id)


async def update_agent(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, values: Mapping[str, Any]) -> None:
    """Change what people set, and tell the alerter, whose rules may select by it."""
    await connection.execute(
        update(Agent).where(Agent.tenant_id == tenant_id, Agent.id == agent_id).values(dict(values))
    )
    if values.get("retired_at") or values.get("deleted_at"):
        live = update(AgentLive).where(AgentLive.tenant_id == tenant_id, AgentLive.agent_id == agent_id)
        await connection.execute(live.values(expected=False))
    await touch(connection, tenant_id, agent_id)


async def touch(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID) -> None:
    """Tell the alerter that an agent is new or changed."""
    await connection.execute(
        insert(Touched).values(tenant_id=tenant_id, agent_ids=[agent_id], kinds=[int(Touch.AGENT)])
    )


async def list_logs(
    connection: AsyncConnection,
    tenant_id: UUID,
    agent_id: UUID,
    *,
    limit: int,
    before: UUID | None = None,
    kind: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
    contains: str | None = None,
    trace_id: str | None = None,
) -> list[LogRow]:
    """`limit + 1` logs of one agent, newest first, older than the log `before`. `trace_id`: those whose details say
    that they were made in it."""
    query = (
        select(*_LOG)
        .where(AgentLog.tenant_id == tenant_id, AgentLog.agent_id == agent_id)
        .order_by(AgentLog.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(AgentLog.id < before)
    if since is not None:
        query = query.where(AgentLog.id >= uuid7_floor(since))
    if kind is not None:
        query = query.where(AgentLog.kind == kind)
    if status is not None:
        query = query.where(AgentLog.status == status)
    if contains:
        query = query.where(AgentLog.message.icontains(contains, autoescape=True))
    if trace_id:
        query = query.where(AgentLog.details["trace_id"].astext == trace_id)
    rows = (await connection.execute(query)).mappings()
    return [LogRow(**row, at=uuid7_time(row["id"])) for row in rows]


async def get_stats(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, since: datetime) -> Stats:
    """Executions since a time, counted from the stored rows."""
    executions = AgentLog.kind == "execution"
    query = select(
        func.count().filter(executions),
        func.count().filter(executions, AgentLog.status == "error"),
        func.count().filter(executions, AgentLog.status == "warning"),
        func.avg(AgentLog.duration).filter(executions),
    ).where(AgentLog.tenant_id == tenant_id, AgentLog.agent_id == agent_id, AgentLog.id >= uuid7_floor(since))
    total, errors, warnings, average = (await connection.execute(query)).one()
    newest = select(AgentLive.last_execution_id).where(AgentLive.tenant_id == tenant_id, AgentLive.agent_id == agent_id)
    last = (await connection.execute(newest)).scalar()
    return Stats(
        executions=total,
        errors=errors,
        warnings=warnings,
        success_rate=1 - errors / total if total else None,
        average_duration=None if average is None else float(average),
        last_execution_at=None if last is None else uuid7_time(last),
    )
