"""The database that is read: one snapshot, tables in order of their keys, batch by batch. Nothing is written there."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import errors, sql
from psycopg.rows import dict_row

from monitor.db import translated
from monitor.errors import InvalidInput

Row = dict[str, Any]
BATCH = 1_000
_KEY = "key of the row"

_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


class Source:
    """An open database."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], name: str) -> None:
        """`name` tells it apart from others; no password is in it."""
        self._connection = connection
        self.name = name

    async def columns(self, table: str) -> dict[str, str]:
        """Columns of a table with their types; none where there is no such table."""
        found = await self._connection.execute(_COLUMNS, [f'"{table}"'])
        return {row[0]: row[1] for row in await found.fetchall()}

    async def rows(self, table: str, query: LiteralString) -> list[Row]:
        """All rows of a query of a table, for what has to be known before; none where there is no such table."""
        if not await self.columns(table):
            return []
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query)
            return await cursor.fetchall()

    async def count(self, table: str) -> int:
        """How many rows there are."""
        found = await self._connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        row = await found.fetchone()
        return 0 if row is None else int(row[0])

    async def batches(
        self,
        table: str,
        key: Sequence[str],
        after: Sequence[str] | None,
        *,
        order: str | None = None,
    ) -> AsyncIterator[tuple[list[Row], list[str]]]:
        """Rows in order of a unique key, with the last one's key as texts, to go on `after`. See Step."""
        types = await self.columns(table)
        places: list[sql.Composable]
        given: list[sql.Composable]
        if order is None:
            places = [sql.Identifier(one) for one in key]
            given = [sql.SQL("%s::{}").format(sql.SQL(types[one])) for one in key]
        else:
            places, given = [sql.SQL(order)], [sql.SQL("%s")]
        query = sql.SQL("SELECT *, ARRAY[{}] AS {} FROM {}{} ORDER BY {}").format(
            sql.SQL(", ").join(sql.SQL("({})::text").format(one) for one in places),
            sql.Identifier(_KEY), sql.Identifier(table),
            sql.SQL("") if after is None else sql.SQL(" WHERE ({}) > ({})").format(
                sql.SQL(", ").join(places), sql.SQL(", ").join(given)
            ),
            sql.SQL(", ").join(places),
        )  # fmt: skip
        # Read from the server as it is asked for: the table is sorted once, and no more than a batch is held here.
        async with self._connection.cursor("rows", row_factory=dict_row) as cursor:
            await cursor.execute(query, after)
            while rows := await cursor.fetchmany(BATCH):
                last = [row.pop(_KEY) for row in rows][-1]
                yield rows, list(last)


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Source]:
    """Everything is read as it is at this moment. Raises DatabaseDown, and InvalidInput for a URL that is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise InvalidInput("a URL that starts with postgresql:// is expected")
    where = f"{parts.hostname or 'local'}:{parts.port or 5432}{parts.path}?{_socket(parts.query)}"
    name = f"{parts.path.strip('/') or 'database'}-{hashlib.blake2b(where.encode(), digest_size=6).hexdigest()}"
    with translated():
        try:
            connection = await psycopg.AsyncConnection.connect(url, connect_timeout=10)
        except errors.ProgrammingError as fault:
            raise InvalidInput(f"the URL cannot be read: {fault}") from None
        async with connection:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield Source(connection, name)


def _socket(query: str) -> str:
    """The part of a query that says where: folders of sockets stand there."""
    return "&".join(part for part in query.split("&") if part.startswith(("host", "port", "dbname")))
