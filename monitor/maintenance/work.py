"""Does what is due, one thing at a time and one process at a time, and writes down what was done."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from psycopg import AsyncConnection, sql

from monitor.db import Database, Role, translated
from monitor.errors import MonitorError
from monitor.maintenance import facts
from monitor.maintenance.planning import Done, Measures, Task, Work, due

_LOCK = 7_305_311_829_014_123
"""Any fixed number: who maintains holds this lock."""
_WAIT = {Task.VACUUM: "5s", Task.ANALYZE: "5s", Task.REINDEX: "5min"}
"""How long others' locks are waited for. Building an index waits for every transaction that began before it."""
_STATEMENTS = {
    Task.VACUUM: "VACUUM (ANALYZE) {}",
    Task.ANALYZE: "ANALYZE {}",
    Task.REINDEX: "REINDEX INDEX CONCURRENTLY {}",
}
# Pauses as autovacuum makes them: by hand it would take all of the disk that it gets.
_GENTLY = "SET vacuum_cost_delay = '2ms'"
_DONE = "SELECT task, relation, completed_at FROM maintenance_runs"
_RECORD = """
    INSERT INTO maintenance_runs (task, relation, completed_at, seconds, bytes_before, bytes_after)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (task, relation) DO UPDATE SET completed_at = EXCLUDED.completed_at, seconds = EXCLUDED.seconds,
        bytes_before = EXCLUDED.bytes_before, bytes_after = EXCLUDED.bytes_after
"""
_SIZE = "SELECT coalesce(pg_table_size(to_regclass(%s)), 0)"
_FORGET = "DELETE FROM maintenance_runs WHERE to_regclass(relation) IS NULL"
# What a rebuilding that was broken off left: it costs every write and is read by nobody.
_LEFT_OVER = """
    SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE NOT i.indisvalid AND c.relnamespace = 'public'::regnamespace AND c.relname ~ '_cc(new|old)[0-9]*$'
      AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.relid = i.indrelid)
"""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one thing took, and the relation's bytes before and after. `failed`: why it was not done."""

    work: Work
    seconds: float
    before: int
    after: int
    failed: str | None = None


async def plan(db: Database, now: datetime, measures: Measures) -> list[Work]:
    """What is due; nothing is done."""
    async with _session(db) as connection:
        return await _due(connection, now, measures)


async def run_once(db: Database, now: datetime, measures: Measures, *, clock: Callable[[], datetime]) -> list[Outcome]:
    """Do what is due, as the owner; what became of each. Nothing where another process is at it."""
    async with _session(db) as connection, _alone(connection) as mine:
        if not mine:
            return []
        for (name,) in await (await connection.execute(_LEFT_OVER)).fetchall():
            await connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))
        outcomes = [await _do(connection, work, clock) for work in await _due(connection, now, measures)]
        await connection.execute(_FORGET)
    return outcomes


async def _due(connection: AsyncConnection[Any], now: datetime, measures: Measures) -> list[Work]:
    rows = await (await connection.execute(_DONE)).fetchall()
    done: Done = {Work(Task(task), relation): at for task, relation, at in rows}
    tables = await facts.relations(connection)
    trees = await facts.indexes(connection, least=measures.index)
    return due(now, tables, trees, done, measures=measures)


async def _do(connection: AsyncConnection[Any], work: Work, clock: Callable[[], datetime]) -> Outcome:
    before, began = await _size(connection, work), time.monotonic()
    failed = None
    statement = sql.SQL(_STATEMENTS[work.task]).format(sql.Identifier(work.relation))
    try:
        with translated():
            await connection.execute(sql.SQL("SET lock_timeout = {}").format(_WAIT[work.task]))
            await connection.execute(statement)
    except MonitorError as error:
        if connection.closed:
            raise
        # A lock that was not had: the others go on, and this one is due still.
        failed = error.message
        _log.warning("maintenance was put off", task=work.task.value, relation=work.relation, error=failed)
    seconds, after = time.monotonic() - began, await _size(connection, work)
    if failed is None:
        given = [work.task.value, work.relation, clock(), seconds, before, after]
        await connection.execute(_RECORD, given)
    return Outcome(work, seconds, before, after, failed)


async def _size(connection: AsyncConnection[Any], work: Work) -> int:
    row = await (await connection.execute(_SIZE, [work.relation])).fetchone()
    return int(row[0]) if row else 0


@contextlib.asynccontextmanager
async def _session(db: Database) -> AsyncIterator[AsyncConnection[Any]]:
    """The owner's connection with each statement by itself: neither task may stand in a transaction."""
    async with db.driver(Role.OWNER) as connection:
        await connection.set_autocommit(True)
        try:
            await connection.execute(_GENTLY)
            yield connection
        finally:
            if not connection.closed:
                await connection.execute("RESET vacuum_cost_delay")
                await connection.execute("RESET lock_timeout")
                await connection.set_autocommit(False)


@contextlib.asynccontextmanager
async def _alone(connection: AsyncConnection[Any]) -> AsyncIterator[bool]:
    """Whether nobody else maintains meanwhile."""
    row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])).fetchone()
    mine = bool(row and row[0])
    try:
        yield mine
    finally:
        if mine and not connection.closed:
            await connection.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
