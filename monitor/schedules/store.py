"""Scheduled runs in SQL: what is due is planned, claimed, called, marked. `now` is the caller's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import schedules
from monitor.errors import InvalidInput, NotFound
from monitor.ids import uuid7
from monitor.schedules.tables import RunStatus, ScheduledRun

PLANNED_AT_ONCE = 500
"""Agents that one statement plans; after it comes the next."""
MISSED_AT_MOST = 100
"""Times that are noted, newest first, of those that passed while nobody was there to call."""

_log = structlog.get_logger(__name__)

# Suspended tenants' agents are due as others are, so that they need no planning when the tenant is active again.
_DUE = text("""
    SELECT s.tenant_id, s.agent_id, s.next_run_at, a.schedule, a.timezone, a.webhook_url IS NOT NULL AS called,
           a.status = 'active' AND coalesce(a.deleted_at, a.retired_at) IS NULL AND t.status = 'active' AS active
    FROM agent_schedules s
    JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id
    JOIN tenants t ON t.id = s.tenant_id
    WHERE s.next_run_at <= :now
    ORDER BY s.next_run_at LIMIT :at_most
    FOR UPDATE OF s SKIP LOCKED
""")
_PLAN = text("""
    INSERT INTO scheduled_runs (tenant_id, id, agent_id, due_at, status, next_attempt_at)
    SELECT * FROM unnest(CAST(:tenants AS uuid[]), CAST(:ids AS uuid[]), CAST(:agents AS uuid[]),
                         CAST(:due AS timestamptz[]), CAST(:statuses AS text[]), CAST(:next AS timestamptz[]))
    ON CONFLICT DO NOTHING
""")
_MOVE = text("""
    UPDATE agent_schedules s SET next_run_at = n.next_run_at
    FROM unnest(CAST(:tenants AS uuid[]), CAST(:agents AS uuid[]), CAST(:next AS timestamptz[]))
         AS n (tenant_id, agent_id, next_run_at)
    WHERE s.tenant_id = n.tenant_id AND s.agent_id = n.agent_id
""")
_CLAIM = text("""
    WITH due AS (
        SELECT r.tenant_id, r.id FROM scheduled_runs r
        WHERE r.next_attempt_at <= :now AND (r.claimed_until IS NULL OR r.claimed_until <= :now)
        ORDER BY r.next_attempt_at LIMIT :at_most
        FOR UPDATE SKIP LOCKED)
    UPDATE scheduled_runs r SET
        claimed_until = :until, started_at = coalesce(r.started_at, :now),
        status = CASE WHEN r.finished_at IS NULL THEN 'running' ELSE r.status END,
        attempts = r.attempts + CASE WHEN r.finished_at IS NULL THEN 1 ELSE 0 END
    FROM due, agents a, tenants t
    WHERE r.tenant_id = due.tenant_id AND r.id = due.id AND a.tenant_id = r.tenant_id AND a.id = r.agent_id
      AND t.id = r.tenant_id
    RETURNING r.tenant_id, r.id, r.agent_id, r.due_at, r.status, r.attempts, r.started_at, r.finished_at,
              r.http_status, r.error, a.external_id, a.config, a.webhook_url,
              a.status = 'active' AND coalesce(a.deleted_at, a.retired_at) IS NULL AND t.status = 'active' AS active
""")
_QUEUE = text("""
    SELECT r.tenant_id, r.id, r.agent_id, r.due_at, r.next_attempt_at FROM scheduled_runs r
    WHERE r.next_attempt_at IS NOT NULL AND r.finished_at IS NULL
    ORDER BY r.next_attempt_at LIMIT :at_most
""")
_OURS = "tenant_id = :tenant_id AND id = :id AND attempts = :attempts AND finished_at IS NULL"
_RETRY = text(f"""
    UPDATE scheduled_runs SET status = 'pending', next_attempt_at = :at, claimed_until = NULL,
        http_status = :http_status, error = :error
    WHERE {_OURS}
""")
_FINISH = text(f"""
    UPDATE scheduled_runs SET status = :status, finished_at = :at, next_attempt_at = :at,
        http_status = :http_status, error = :error
    WHERE {_OURS}
    RETURNING id
""")
_SKIP = text(f"""
    UPDATE scheduled_runs SET status = 'skipped', finished_at = :at, next_attempt_at = NULL, claimed_until = NULL,
        error = 'the agent was not to be called any more'
    WHERE {_OURS}
""")
_LOGGED = text("""
    UPDATE scheduled_runs SET log_id = :log_id, next_attempt_at = NULL, claimed_until = NULL
    WHERE tenant_id = :tenant_id AND id = :id AND log_id IS NULL
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that is ours until the lease ends: to be called, or, where it is finished, to be logged.

    `active`: whether the agent and its tenant still are. `attempts` counts this one.
    """

    tenant_id: UUID
    id: UUID
    agent_id: UUID
    due_at: datetime
    status: RunStatus
    attempts: int
    started_at: datetime
    finished_at: datetime | None
    http_status: int | None
    error: str | None
    external_id: str
    config: dict[str, Any]
    webhook_url: str | None
    active: bool


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as it is shown."""

    id: UUID
    due_at: datetime
    status: RunStatus
    attempts: int
    next_attempt_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    http_status: int | None
    error: str | None
    log_id: UUID | None


async def plan_due(connection: AsyncConnection, *, now: datetime) -> int:
    """Make runs of what is due, move each schedule to its next time; returns how many agents were due.

    Of several times that have passed only the newest is to be called, the others are noted as missed.
    """
    due = (await connection.execute(_DUE, {"now": now, "at_most": PLANNED_AT_ONCE})).all()
    if not due:
        return 0
    runs: list[tuple[UUID, UUID, datetime, RunStatus]] = []
    following: list[datetime | None] = []
    # Many agents are due at the same full hour by the same expression.
    known: dict[tuple[str, str, datetime], tuple[list[datetime], datetime | None]] = {}
    for row in due:
        key = (row.schedule, row.timezone, row.next_run_at)
        if key not in known:
            known[key] = _times(*key, now=now)
        times, following_at = known[key]
        following.append(following_at)
        if row.active and times:
            past, newest = (RunStatus.MISSED, RunStatus.PENDING) if row.called else (RunStatus.EXPECTED,) * 2
            runs += [(row.tenant_id, row.agent_id, at, newest if at == times[-1] else past) for at in times]
    if runs:
        given = {
            "tenants": [run[0] for run in runs],
            "ids": [uuid7(run[2]) for run in runs],
            "agents": [run[1] for run in runs],
            "due": [run[2] for run in runs],
            "statuses": [str(run[3]) for run in runs],
            "next": [now if run[3] is RunStatus.PENDING else None for run in runs],
        }
        await connection.execute(_PLAN, given)
    moved = {"tenants": [row.tenant_id for row in due], "agents": [row.agent_id for row in due], "next": following}
    await connection.execute(_MOVE, moved)
    return len(due)


def _times(cron: str, timezone: str, first: datetime, *, now: datetime) -> tuple[list[datetime], datetime | None]:
    """The newest times from `first` until now, and the next one; a schedule that cannot be read has none."""
    try:
        schedule = schedules.stored(cron, timezone)
    except InvalidInput as fault:
        _log.warning("a schedule cannot be read", schedule=cron, error=fault.message)
        return [], None
    return schedule.between(first, now, at_most=MISSED_AT_MOST + 1), schedule.after(now)


async def claim(connection: AsyncConnection, *, now: datetime, until: datetime, at_most: int) -> list[Claimed]:
    """Take what is to be called or logged, longest waiting first, until the lease ends."""
    rows = await connection.execute(_CLAIM, {"now": now, "until": until, "at_most": at_most})
    return [Claimed(**{**row, "status": RunStatus(row["status"])}) for row in rows.mappings()]


async def list_queue(connection: AsyncConnection, *, at_most: int) -> list[dict[str, str]]:
    """The runs that are to be called, in the order of their turns."""
    rows = (await connection.execute(_QUEUE, {"at_most": at_most})).mappings()
    return [
        {
            "run_id": str(row["id"]),
            "tenant_id": str(row["tenant_id"]),
            "agent_id": str(row["agent_id"]),
            "due_at": row["due_at"].isoformat(),
            "next_attempt_at": row["next_attempt_at"].isoformat(),
        }
        for row in rows
    ]


def _fence(run: Claimed) -> dict[str, Any]:
    """What a mark is fenced by: a claim that expired and was taken again has more attempts."""
    return {"tenant_id": run.tenant_id, "id": run.id, "attempts": run.attempts}


async def mark_retry(
    connection: AsyncConnection, run: Claimed, *, at: datetime, http_status: int | None, error: str
) -> None:
    """It is to be called again then."""
    await connection.execute(_RETRY, _fence(run) | {"at": at, "http_status": http_status, "error": error})


async def mark_finished(
    connection: AsyncConnection,
    run: Claimed,
    status: RunStatus,
    *,
    at: datetime,
    http_status: int | None,
    error: str | None,
) -> bool:
    """It is over, and to be logged. False: it was not ours any more."""
    given = _fence(run) | {"status": str(status), "at": at, "http_status": http_status, "error": error}
    return (await connection.execute(_FINISH, given)).one_or_none() is not None


async def mark_skipped(connection: AsyncConnection, run: Claimed, *, at: datetime) -> None:
    """The agent is not to be called any more."""
    await connection.execute(_SKIP, _fence(run) | {"at": at})


async def mark_logged(connection: AsyncConnection, run: Claimed, log_id: UUID | None) -> None:
    """Its log is stored, or, with None, cannot be: nothing is left to be done."""
    await connection.execute(_LOGGED, {"tenant_id": run.tenant_id, "id": run.id, "log_id": log_id})


async def insert_run(connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, *, now: datetime) -> UUID:
    """A run that is due now because somebody asks for it."""
    run_id = uuid7(now)
    values = {"tenant_id": tenant_id, "id": run_id, "agent_id": agent_id, "due_at": now, "next_attempt_at": now}
    await connection.execute(insert(ScheduledRun).values(**values, status=RunStatus.PENDING))
    return run_id


_ROW = (
    ScheduledRun.id, ScheduledRun.due_at, ScheduledRun.status, ScheduledRun.attempts, ScheduledRun.next_attempt_at,
    ScheduledRun.started_at, ScheduledRun.finished_at, ScheduledRun.http_status, ScheduledRun.error,
    ScheduledRun.log_id,
)  # fmt: skip


async def get_run(connection: AsyncConnection, tenant_id: UUID, run_id: UUID) -> RunRow:
    """One run. Raises NotFound."""
    query = select(*_ROW).where(ScheduledRun.tenant_id == tenant_id, ScheduledRun.id == run_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such run")
    return RunRow(**{**row, "status": RunStatus(row["status"])})


async def list_runs(
    connection: AsyncConnection, tenant_id: UUID, agent_id: UUID, *, limit: int, before: datetime | None = None
) -> Sequence[RunRow]:
    """`limit + 1` runs of one agent by when they were due, newest first, earlier than `before`."""
    query = (
        select(*_ROW)
        .where(ScheduledRun.tenant_id == tenant_id, ScheduledRun.agent_id == agent_id)
        .order_by(ScheduledRun.due_at.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(ScheduledRun.due_at < before)
    rows = (await connection.execute(query)).mappings()
    return [RunRow(**{**row, "status": RunStatus(row["status"])}) for row in rows]
