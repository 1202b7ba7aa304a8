"""A database made from a document: its tables as the facts beside the suite have them."""

import re

import psycopg

from tests.seeds import ddl, names

LISTED = frozenset({"002"})
"""Documents that list fields and have no statements."""
SHIM = "CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()'"
"""Documents use the function of an extension that they do not make, and that a server need not have."""


def statements(number: str) -> list[str]:
    """CREATE TABLE of every table that a document has statements for, in an order in which references hold."""
    has = names.known()[number].has
    said = {
        table: [*(f'"{column}" {said}' for column, said in columns.items()), *has.keys.get(table, [])]
        for table, columns in has.tables.items()
        if columns and all(columns.values())
    }
    made: list[str] = []
    while len(made) < len(said):
        for table, parts in said.items():
            wanted = set(re.findall(r"REFERENCES (\w+)", " ".join(parts))) - {table, *made}
            if table not in made and not wanted:
                made.append(table)
    return [f"CREATE TABLE {table} ({', '.join(said[table])})" for table in made]


async def create(url: str, number: str) -> None:
    """Make the tables in an empty database."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(SHIM)
        for statement in ddl.statements(number) if number in LISTED else statements(number):
            await connection.execute(statement)


async def insert(url: str, rows: dict[str, list[dict[str, object]]]) -> None:
    """Rows of tables, in this order."""
    async with await psycopg.AsyncConnection.connect(url) as connection, connection.cursor() as cursor:
        for table, given in rows.items():
            if given:
                columns = list(given[0])
                places = ", ".join(["%s"] * len(columns))
                said = ", ".join(f'"{column}"' for column in columns)
                query = f"INSERT INTO {table} ({said}) VALUES ({places})"
                await cursor.executemany(query, [[row[column] for column in columns] for row in given])
