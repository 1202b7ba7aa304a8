"""Traces as lists and pages: what each comes to, kept beside the runs; searched; and one of them with all it holds.

A trace's row is the sum of its tasks, made anew when `run_news` says that one of them changed. Text is found by ILIKE
over `words`, newest first within the window that was asked for: a part of a word is found too, nothing has to be kept
up to date beside the row, and the index on time bounds what is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import NotFound
from monitor.ids import uuid7_floor, uuid7_time

STEPS_AT_MOST = 10_000
"""Steps of one trace that its page shows."""


@dataclass(frozen=True, slots=True)
class Stirred:
    """A trace whose tasks changed, those from `first_id` to `last_id`."""

    tenant_id: UUID
    trace_id: str
    first_id: UUID
    last_id: UUID


@dataclass(frozen=True, slots=True)
class TraceRow:
    """What a trace comes to. Durations are milliseconds, costs US dollars."""

    trace_id: str
    name: str
    status: str
    agents: list[str]
    models: list[str]
    conversation: str | None
    tasks: int
    failed_tasks: int
    tokens: int
    cost_usd: Decimal
    started_at: datetime
    ended_at: datetime | None
    duration_ms: int | None


# Contents that are withheld have nothing to be found by.
_SAID = "CASE WHEN {0} ? 'hash' THEN NULL ELSE left(CAST({0} AS text), 1000) END"
_SUM_UP = text(f"""
    INSERT INTO traces AS r (tenant_id, trace_id, name, status, agent_ids, models, conversation, tasks, failed_tasks,
                             tokens, cost_usd, started_at, ended_at, duration_ms, words, first_id, last_id)
    SELECT s.tenant_id, s.trace_id, s.name,
           CASE WHEN s.running THEN 'running' WHEN s.failed THEN 'failed' ELSE 'completed' END,
           s.agent_ids, s.models, s.conversation, s.tasks, s.failed_tasks, s.tokens, s.cost_usd, s.started_at,
           CASE WHEN s.running THEN NULL ELSE s.ended_at END,
           CASE WHEN s.running THEN NULL
                ELSE round(extract(epoch FROM s.ended_at - s.started_at) * 1000) END,
           s.words, s.first_id, s.last_id
    FROM (
        SELECT w.tenant_id, w.trace_id,
               (array_agg(coalesce(nullif(t.description, ''), t.task_type)
                          ORDER BY t.parent_task_id IS NOT NULL, t.id))[1] AS name,
               bool_or(t.status IN ('pending', 'running')) AS running,
               bool_or(t.status = 'failed' AND t.parent_task_id IS NULL) AS failed,
               array_agg(DISTINCT t.agent_id) AS agent_ids,
               coalesce(array_agg(DISTINCT t.model) FILTER (WHERE t.model IS NOT NULL), '{{}}') AS models,
               min(t.conversation) AS conversation, count(*) AS tasks,
               count(*) FILTER (WHERE t.status = 'failed') AS failed_tasks,
               sum(t.tokens_used) AS tokens, sum(t.cost_usd) AS cost_usd,
               min(coalesce(t.started_at, t.created_at)) AS started_at, max(t.completed_at) AS ended_at,
               (array_agg(t.id ORDER BY t.id))[1] AS first_id, (array_agg(t.id ORDER BY t.id DESC))[1] AS last_id,
               left(string_agg(DISTINCT concat_ws(' ', a.external_id, a.name, t.task_type, t.description, t.model,
                                                  t.conversation, t.user_ref, t.error_type, t.error_message,
                                                  {_SAID.format("t.input")}, {_SAID.format("t.output")}), ' '),
                    8000) AS words
        FROM unnest(CAST(:tenants AS uuid[]), CAST(:traces AS text[]), CAST(:firsts AS uuid[]), CAST(:lasts AS uuid[]))
             AS w (tenant_id, trace_id, first_id, last_id)
        LEFT JOIN traces b ON b.tenant_id = w.tenant_id AND b.trace_id = w.trace_id
        CROSS JOIN LATERAL (
            SELECT * FROM tasks t
            WHERE t.tenant_id = w.tenant_id AND t.trace_id = w.trace_id
              AND t.id BETWEEN least(w.first_id, b.first_id) AND greatest(w.last_id, b.last_id)
        ) t
        JOIN agents a ON a.tenant_id = t.tenant_id AND a.id = t.agent_id
        GROUP BY w.tenant_id, w.trace_id
    ) s
    ON CONFLICT (tenant_id, trace_id) DO UPDATE SET
        name = excluded.name, status = excluded.status, agent_ids = excluded.agent_ids, models = excluded.models,
        conversation = excluded.conversation, tasks = excluded.tasks, failed_tasks = excluded.failed_tasks,
        tokens = excluded.tokens, cost_usd = excluded.cost_usd, started_at = excluded.started_at,
        ended_at = excluded.ended_at, duration_ms = excluded.duration_ms, words = excluded.words,
        first_id = excluded.first_id, last_id = excluded.last_id
    RETURNING r.tenant_id, r.trace_id
""")
_FORGET = text("""
    DELETE FROM traces r USING unnest(CAST(:tenants AS uuid[]), CAST(:traces AS text[])) AS w (tenant_id, trace_id)
    WHERE r.tenant_id = w.tenant_id AND r.trace_id = w.trace_id
""")


async def sum_up(connection: AsyncConnection, stirred: Iterable[Stirred]) -> None:
    """Make the rows of these traces equal to their tasks, in the alerter's transaction; without tasks they go away.

    The caller sees to it that nobody else does so at the same time.
    """
    wanted: dict[tuple[UUID, str], tuple[UUID, UUID]] = {}
    for one in stirred:
        key = one.tenant_id, one.trace_id
        first, last = wanted.get(key, (one.first_id, one.last_id))
        wanted[key] = min(first, one.first_id), max(last, one.last_id)
    if not wanted:
        return
    keys = sorted(wanted)
    values = {
        "tenants": [key[0] for key in keys], "traces": [key[1] for key in keys],
        "firsts": [wanted[key][0] for key in keys], "lasts": [wanted[key][1] for key in keys],
    }  # fmt: skip
    made = {(row.tenant_id, row.trace_id) for row in await connection.execute(_SUM_UP, values)}
    gone = [key for key in keys if key not in made]
    if gone:
        await connection.execute(_FORGET, {"tenants": [key[0] for key in gone], "traces": [key[1] for key in gone]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which traces are wanted: all that is given must hold. Times are of the trace's start. `errors`: whether any of
    its tasks failed."""

    agent: UUID | None = None
    model: str | None = None
    status: str | None = None
    errors: bool | None = None
    text: str | None = None
    conversation: str | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    min_cost_usd: Decimal | None = None
    max_cost_usd: Decimal | None = None
    since: datetime | None = None
    until: datetime | None = None


_WHERE = {
    "agent": "r.agent_ids @> ARRAY[CAST(:agent AS uuid)]",
    "model": "r.models @> ARRAY[CAST(:model AS text)]",
    "status": "r.status = :status",
    "errors": "(r.failed_tasks > 0) = :errors",
    "text": "r.words ILIKE :text",
    "conversation": "r.conversation = :conversation",
    "min_duration_ms": "r.duration_ms >= :min_duration_ms",
    "max_duration_ms": "r.duration_ms <= :max_duration_ms",
    "min_cost_usd": "r.cost_usd >= :min_cost_usd",
    "max_cost_usd": "r.cost_usd <= :max_cost_usd",
    "since": "r.started_at >= :since",
    "until": "r.started_at < :until",
}
_ROW = """
    r.trace_id, r.name, r.status, r.models, r.conversation, r.tasks, r.failed_tasks, r.tokens, r.cost_usd,
    r.started_at, r.ended_at, r.duration_ms,
    ARRAY(SELECT a.external_id FROM agents a WHERE a.tenant_id = r.tenant_id AND a.id = ANY (r.agent_ids)
          ORDER BY a.external_id) AS agents
"""


def _escaped(said: str) -> str:
    for mark in ("\\", "%", "_"):
        said = said.replace(mark, f"\\{mark}")
    return f"%{said}%"


async def list_traces(
    connection: AsyncConnection,
    tenant_id: UUID,
    search: Search,
    *,
    limit: int,
    before: tuple[datetime, str] | None = None,
) -> list[TraceRow]:
    """`limit + 1` traces by their start, newest first, those before `before` (start and trace id)."""
    given = {name: getattr(search, name) for name in _WHERE if getattr(search, name) is not None}
    conditions = ["r.tenant_id = :tenant_id", *(_WHERE[name] for name in given)]
    if "text" in given:
        given["text"] = _escaped(given["text"])
    if before is not None:
        conditions.append("(r.started_at, r.trace_id) < (:before_at, :before_id)")
        given |= {"before_at": before[0], "before_id": before[1]}
    query = text(
        f"SELECT {_ROW} FROM traces r WHERE {' AND '.join(conditions)} "
        "ORDER BY r.started_at DESC, r.trace_id DESC LIMIT :limit"
    )
    rows = await connection.execute(query, given | {"tenant_id": tenant_id, "limit": limit + 1})
    return [TraceRow(**row) for row in rows.mappings()]


# Two statements however large the trace is: when it was, and then everything in it, as JSON, from the few partitions of
# that time.
_KNOWN = text(f"SELECT {_ROW}, r.first_id, r.last_id FROM traces r WHERE r.tenant_id = :tenant_id AND r.trace_id = :id")
_OF = "{0}.tenant_id = :tenant_id AND {0}.trace_id = :id AND {0}.id BETWEEN CAST(:low AS uuid) AND CAST(:high AS uuid)"
_PAGE = text(f"""
    SELECT steps.errors, steps.found, CAST(steps.shown AS text) AS steps, CAST(tasks.shown AS text) AS tasks,
           CAST(tools.shown AS text) AS tools, CAST(executions.shown AS text) AS executions
    FROM (
        SELECT count(*) AS found, count(*) FILTER (WHERE s.status = 'error') AS errors,
               json_agg(json_build_object(
                   'span_id', s.span_id, 'parent_id', s.parent_id, 'id', s.id, 'kind', s.kind, 'name', s.name,
                   'status', s.status, 'agent', s.agent, 'service', s.service, 'started_at', s.started_at,
                   'ended_at', s.ended_at, 'facts', s.facts, 'attributes', s.attributes, 'events', s.events,
                   'links', s.links, 'tokens', m.input_tokens + m.output_tokens,
                   'cost_usd', CAST(m.cost_usd AS text)) ORDER BY s.id) AS shown
        FROM (SELECT * FROM spans s WHERE {_OF.format("s")} ORDER BY s.id LIMIT :limit) s
        LEFT JOIN (SELECT * FROM model_calls m WHERE {_OF.format("m")}) m ON m.id = s.id
    ) steps, (
        SELECT json_agg(json_build_object(
                   'id', t.id, 'agent', a.external_id, 'parent_task_id', t.parent_task_id,
                   'execution_id', t.execution_id, 'task_type', t.task_type, 'description', t.description,
                   'status', t.status, 'error_message', t.error_message, 'error_fingerprint', t.error_fingerprint,
                   'tokens', t.tokens_used, 'cost_usd', CAST(t.cost_usd AS text), 'duration_ms', t.duration_ms)
                   ORDER BY t.id) AS shown
        FROM tasks t JOIN agents a ON a.tenant_id = t.tenant_id AND a.id = t.agent_id
        WHERE {_OF.format("t")}
    ) tasks, (
        SELECT json_agg(json_build_object(
                   'id', t.id, 'task_id', t.task_id, 'tool_name', t.tool_name, 'status', t.status,
                   'error_message', t.error_message, 'duration_ms', t.duration_ms) ORDER BY t.id) AS shown
        FROM tool_executions t WHERE {_OF.format("t")}
    ) tools, (
        SELECT json_agg(json_build_object('id', e.id, 'name', e.name, 'status', e.status) ORDER BY e.id) AS shown
        FROM workflow_executions e WHERE e.tenant_id = :tenant_id AND e.trace_id = :id
    ) executions
""")
AROUND = timedelta(days=1)
"""How long before the first and after the last task of a trace its other steps are looked for."""
_EVER = (UUID(int=0), UUID(int=2**128 - 1))
_NONE = msgspec.Raw(b"[]")


@dataclass(frozen=True, slots=True)
class TracePage:
    """One trace. `trace` is None where nothing of it became a task. Steps and runs are arrays of JSON, in order of
    their start; a step and the run that it became share their id. `errors`: steps that failed. `cut`: there may be
    more.
    """

    trace: TraceRow | None
    errors: int
    cut: bool
    tasks: msgspec.Raw
    tools: msgspec.Raw
    executions: msgspec.Raw
    steps: msgspec.Raw


async def get_trace(connection: AsyncConnection, tenant_id: UUID, trace_id: str) -> TracePage:
    """A trace with all that it holds, `STEPS_AT_MOST` steps at most. Raises NotFound."""
    values: dict[str, Any] = {"tenant_id": tenant_id, "id": trace_id}
    found = (await connection.execute(_KNOWN, values)).mappings().one_or_none()
    low, high, trace = *_EVER, None
    if found is not None:
        given = dict(found)
        first, last = uuid7_time(given.pop("first_id")), uuid7_time(given.pop("last_id"))
        trace = TraceRow(**given)
        low, high = uuid7_floor(first - AROUND), uuid7_floor(max(last, trace.ended_at or last) + AROUND)
    values |= {"low": low, "high": high, "limit": STEPS_AT_MOST}
    row = (await connection.execute(_PAGE, values)).one()
    if trace is None and not (row.steps or row.tasks or row.tools or row.executions):
        raise NotFound("there is no such trace")
    shown = [msgspec.Raw(one) if one else _NONE for one in (row.tasks, row.tools, row.executions, row.steps)]
    return TracePage(trace, row.errors, row.found == STEPS_AT_MOST, *shown)
