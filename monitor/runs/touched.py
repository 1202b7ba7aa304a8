"""What the assembler has to do, and the steps that it reads: the SQL of `touched_traces` and `spans`.

A claim is a lock on the trace until the end of the transaction, and the removal of its rows in `touched_traces`.
Steps are read after that. Whoever commits steps later adds a row of their own in the same transaction, so that the
last to read a trace has read all of it, however many assemblers there are.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.runs.steps import Step, StepKind, StepStatus

Key = tuple[UUID, str]
"""A tenant and a trace of it."""

# The lock is tried row by row until there are enough: others' traces are passed over.
_TRY = "pg_try_advisory_xact_lock(hashtextextended('trace ' || tenant_id || trace_id, 0))"
_LOCK = text(f"""
    WITH waiting AS MATERIALIZED (
        SELECT tenant_id, trace_id, min(due_at) AS since FROM (
            SELECT tenant_id, trace_id, due_at FROM touched_traces WHERE due_at <= :now ORDER BY due_at LIMIT :look
        ) first GROUP BY tenant_id, trace_id ORDER BY since
    )
    SELECT tenant_id, trace_id FROM waiting WHERE {_TRY} LIMIT :limit
""")
_LOCK_ONE = text(f"SELECT tenant_id, trace_id FROM (VALUES (:tenant, :trace)) AS t (tenant_id, trace_id) WHERE {_TRY}")
_TAKE = text("""
    DELETE FROM touched_traces t
    USING unnest(CAST(:tenants AS uuid[]), CAST(:traces AS text[])) AS n (tenant_id, trace_id)
    WHERE t.tenant_id = n.tenant_id AND t.trace_id = n.trace_id
    RETURNING t.tenant_id, t.trace_id, t.due_at, t.news, t.holds, t.tries
""")
_ADD = text("""
    INSERT INTO touched_traces (tenant_id, trace_id, due_at, news, holds, tries, error)
    VALUES (:tenant_id, :trace_id, :due_at, :news, :holds, :tries, :error)
""")
_LAG = text("SELECT min(due_at) FROM touched_traces WHERE news")
# Times as numbers: reading them as text costs more than all the rest of a row.
_READ = """
    SELECT array_position(%(tenants)s::uuid[], tenant_id), trace_id, span_id, parent_id, kind, name, status, agent,
           service, facts::text, (extract(epoch FROM started_at) * 1000000)::bigint,
           (extract(epoch FROM ended_at) * 1000000)::bigint, received_at > %(fresh)s
    FROM spans WHERE tenant_id = ANY (%(tenants)s) AND trace_id = ANY (%(traces)s) LIMIT %(most)s
"""
_KINDS = {kind.value: kind for kind in StepKind}
_STATUSES = {status.value: status for status in StepStatus}
_decode = msgspec.json.Decoder().decode


class Errand(NamedTuple):
    """A row of `touched_traces`: see its model."""

    tenant_id: UUID
    trace_id: str
    due_at: datetime
    news: bool = True
    holds: bool = False
    tries: int = 0
    error: str | None = None

    @property
    def key(self) -> Key:
        """Which trace."""
        return self.tenant_id, self.trace_id


class Told(NamedTuple):
    """The steps of a trace. `fresh`: span ids of those that came a moment ago."""

    steps: list[Step]
    fresh: set[str]


async def claim(connection: AsyncConnection, *, now: datetime, at_most: int) -> dict[Key, list[Errand]]:
    """Take what waits longest: by trace all that there is to do, also what is not due yet."""
    given = {"now": now, "look": 8 * at_most, "limit": at_most}
    return await _taken(connection, [(row[0], row[1]) for row in await connection.execute(_LOCK, given)])


async def claim_one(connection: AsyncConnection, key: Key) -> dict[Key, list[Errand]]:
    """Take one trace, unless somebody else has it."""
    given = {"tenant": key[0], "trace": key[1]}
    return await _taken(connection, [(row[0], row[1]) for row in await connection.execute(_LOCK_ONE, given)])


async def _taken(connection: AsyncConnection, keys: Sequence[Key]) -> dict[Key, list[Errand]]:
    taken: dict[Key, list[Errand]] = {key: [] for key in keys}
    if keys:
        given = {"tenants": [key[0] for key in keys], "traces": [key[1] for key in keys]}
        for row in await connection.execute(_TAKE, given):
            taken[row.tenant_id, row.trace_id].append(Errand(*row))
    return {key: errands for key, errands in taken.items() if errands}


async def add(connection: AsyncConnection, errands: Iterable[Errand]) -> None:
    """Write down what is to be done later."""
    rows = [errand._asdict() for errand in errands]
    if rows:
        await connection.execute(_ADD, rows)


async def waiting_since(connection: AsyncConnection) -> datetime | None:
    """When the oldest of what is to be done was due, or is."""
    since: datetime | None = (await connection.execute(_LAG)).scalar()
    return since


async def read(
    connection: AsyncConnection, keys: Iterable[Key], *, fresh_since: datetime, at_most: int
) -> Mapping[Key, Told] | None:
    """The steps of some traces, in one statement; None where there are more than `at_most`."""
    wanted = set(keys)
    tenants = sorted({key[0] for key in wanted})
    given = {
        "tenants": tenants,
        "traces": sorted({key[1] for key in wanted}),
        "fresh": fresh_since,
        "most": at_most + 1,
    }
    raw = await connection.get_raw_connection()
    driver: psycopg.AsyncConnection[Any] = raw.driver_connection  # type: ignore[assignment]
    async with driver.cursor(binary=True) as cursor:
        await cursor.execute(_READ, given)
        rows = await cursor.fetchall()
    if len(rows) > at_most:
        return None
    found: dict[Key, Told] = {key: Told([], set()) for key in wanted}
    for at, trace, span, parent, kind, name, status, agent, service, facts, started, ended, is_fresh in rows:
        told = found.get((tenants[at - 1], trace))
        if told is None:  # another tenant's trace of the same id, which is not asked for
            continue
        told.steps.append(
            Step(
                trace,
                span,
                parent,
                _KINDS[kind],
                name,
                started,
                ended,
                _STATUSES[status],
                agent,
                service,
                _decode(facts),
            )
        )
        if is_fresh:
            told.fresh.add(span)
    return found
