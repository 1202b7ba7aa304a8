"""What a database holds: rows of each table, and a sum over hashes of all rows, at one moment."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.db import Database
from monitor.errors import ConfigError, DatabaseDown

ATTEMPTS = 100
LOCK_TIMEOUT = "400ms"
"""Shorter than deadlock_timeout (1 s): where we and a writer wait for each other, we give up, not they."""

_TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname
"""
# Text of a row must not depend on who asks.
_PLAIN = """
    SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true),
        set_config('IntervalStyle', 'postgres', true), set_config('extra_float_digits', '1', true),
        set_config('bytea_output', 'hex', true)
"""


@dataclass(frozen=True, slots=True)
class TableSum:
    """Rows of one table; `checksum`: the sum of hashtextextended(row as text, 0) over them, in decimal digits."""

    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A state of the database: when, and the WAL position that everything in it lies before.

    `snapshot`: its name for other transactions, for as long as this one is open. `segment`: the WAL file of `lsn`.
    """

    at: datetime
    lsn: str
    segment: str
    snapshot: str


async def take(connection: AsyncConnection, *, said: Callable[[str], None] | None = None) -> dict[str, TableSum]:
    """The sums of all tables, as the connection's transaction sees them, each one read from end to end."""
    await connection.execute(text(_PLAIN))
    sums: dict[str, TableSum] = {}
    for table in (await connection.execute(text(_TABLES))).scalars():
        statement = f'SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM "{table}" t'
        rows, checksum = (await connection.execute(text(statement))).one()
        sums[table] = TableSum(rows, checksum)
        if said is not None:
            said(f"{table}: {rows} rows")
    return sums


@contextlib.asynccontextmanager
async def snapshot(db: Database) -> AsyncIterator[tuple[AsyncConnection, Moment]]:
    """A transaction of the owner's over one state, which a logical dump can share."""
    async with db.owner() as connection:
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        yield connection, await _moment(connection)


@contextlib.asynccontextmanager
async def recoverable(db: Database) -> AsyncIterator[tuple[AsyncConnection, Moment]]:
    """The same over a state that recovery to `lsn` (exclusive) gives back row for row.

    A commit can be in the WAL before others see it, so a snapshot alone has no WAL position. For the instant that it
    is taken all writers are held off: at most 400 ms, tried again until nobody is in the way. Raises ConfigError when
    somebody always is.
    """
    async with contextlib.AsyncExitStack() as stack:
        for _attempt in range(ATTEMPTS):
            with contextlib.suppress(DatabaseDown):
                found = await _still(db, stack)
                break
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - only so that two do not keep step
        else:
            raise ConfigError("the database was never still for an instant: a transaction holds its tables for long")
        yield found


async def _still(db: Database, stack: contextlib.AsyncExitStack) -> tuple[AsyncConnection, Moment]:
    async with db.owner() as holding:
        await holding.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        tables = ", ".join(f'"{table}"' for table in (await holding.execute(text(_TABLES))).scalars())
        await holding.execute(text(f"LOCK TABLE {tables} IN SHARE MODE"))
        moment = await _moment(holding)
        reading = await stack.enter_async_context(db.owner())
        await reading.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        await reading.execute(text(f"SET TRANSACTION SNAPSHOT '{moment.snapshot}'"))
    return reading, moment


async def _moment(connection: AsyncConnection) -> Moment:
    statement = """
        SELECT clock_timestamp(), lsn::text, pg_walfile_name(lsn), pg_export_snapshot()
        FROM (SELECT pg_current_wal_insert_lsn() AS lsn) now
    """
    return Moment(*(await connection.execute(text(statement))).one())


def differences(expected: Mapping[str, TableSum], found: Mapping[str, TableSum]) -> list[str]:
    """What is not the same, one line a table."""
    lines = []
    for table in sorted({*expected, *found}):
        old, new = expected.get(table), found.get(table)
        if old is None or new is None:
            lines.append(f"{table}: {'not in the backup' if old is None else 'missing'}")
        elif old != new:
            counts = f"{new.rows} rows instead of {old.rows}" if new.rows != old.rows else "other content"
            lines.append(f"{table}: {counts}")
    return lines
