"""What the tests of the bundled PostgreSQL share."""

from typing import Any

import psycopg


async def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement on a connection of its own; its rows, or an empty list for a command."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(statement.encode())
        return await cursor.fetchall() if cursor.description else []
