"""Judgements of runs as rows: evaluations that telemetry tells, and feedback that people give."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import NotFound


class ScoreSource(StrEnum):
    """Who judges; also the first part of the series' name, as in `feedback.helpful`."""

    EVALUATION = "evaluation"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScore:
    """A score to be kept: a value, a label, a comment, or some of them. The same id is the same score."""

    id: UUID
    source: ScoreSource
    name: str
    agent_id: UUID
    at: datetime
    value: float | None = None
    label: str | None = None
    comment: str | None = None
    task_id: UUID | None = None
    trace_id: str | None = None
    span_id: str | None = None
    conversation: str | None = None
    given_by: str | None = None


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One score."""

    id: UUID
    source: ScoreSource
    name: str
    value: float | None
    label: str | None
    comment: str | None
    agent: str
    task_id: UUID | None
    trace_id: str | None
    span_id: str | None
    conversation: str | None
    given_by: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judgement is about: the agent by its external id, and the run as far as it is known."""

    agent: str
    task_id: UUID | None
    trace_id: str | None
    conversation: str | None


_INSERT = text("""
    INSERT INTO scores (tenant_id, id, source, name, value, label, comment, agent_id, task_id, trace_id, span_id,
                        conversation, given_by, at)
    VALUES (:tenant_id, :id, :source, :name, :value, :label, :comment, :agent_id, :task_id, :trace_id, :span_id,
            :conversation, :given_by, :at)
    ON CONFLICT DO NOTHING
""")
_TASK = text("""
    SELECT a.external_id AS agent, t.id AS task_id, t.trace_id, t.conversation
    FROM tasks t JOIN agents a ON a.tenant_id = t.tenant_id AND a.id = t.agent_id
    WHERE t.tenant_id = :tenant_id AND t.id = :task_id
""")
# Of a trace it is its first agent's, the one that was asked.
_TRACE = text("""
    SELECT a.external_id AS agent, t.id AS task_id, t.trace_id, t.conversation
    FROM tasks t JOIN agents a ON a.tenant_id = t.tenant_id AND a.id = t.agent_id
    WHERE t.tenant_id = :tenant_id AND t.trace_id = :trace_id
    ORDER BY t.parent_task_id IS NOT NULL, t.id LIMIT 1
""")
_ROWS = """
    SELECT s.id, s.source, s.name, s.value, s.label, s.comment, a.external_id AS agent, s.task_id, s.trace_id,
           s.span_id, s.conversation, s.given_by, s.at
    FROM scores s JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id
    WHERE s.tenant_id = :tenant_id
"""


async def insert_scores(connection: AsyncConnection, tenant_id: UUID, scores: Sequence[NewScore]) -> None:
    """Keep scores; those that are kept already stay as they are."""
    rows = [
        {name: getattr(score, name) for name in NewScore.__slots__} | {"tenant_id": tenant_id, "source": score.source}
        for score in scores
    ]
    if rows:
        await connection.execute(_INSERT, rows)


async def find_judged(
    connection: AsyncConnection, tenant_id: UUID, *, task_id: UUID | None = None, trace_id: str | None = None
) -> Judged:
    """The run of this task, or the first task of this trace. Raises NotFound."""
    if task_id is not None:
        found = await connection.execute(_TASK, {"tenant_id": tenant_id, "task_id": task_id})
    else:
        found = await connection.execute(_TRACE, {"tenant_id": tenant_id, "trace_id": trace_id})
    row = found.one_or_none()
    if row is None:
        raise NotFound("there is no such task" if task_id is not None else "there is no such trace")
    return Judged(*row)


async def list_scores(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    limit: int,
    before: UUID | None = None,
    **wanted: Any,
) -> list[ScoreRow]:
    """`limit + 1` scores, newest first. `wanted`: values of columns that they must have, None for any."""
    given = {name: value for name, value in wanted.items() if value is not None}
    sql = _ROWS + "".join(f" AND s.{name} = :{name}" for name in given)
    if before is not None:
        sql += " AND s.id < :before"
        given["before"] = before
    values = given | {"tenant_id": tenant_id, "limit": limit + 1}
    rows = await connection.execute(text(f"{sql} ORDER BY s.id DESC LIMIT :limit"), values)
    return [ScoreRow(**{**row, "source": ScoreSource(row["source"])}) for row in rows.mappings()]
