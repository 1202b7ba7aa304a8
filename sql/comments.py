"""What every table and column is, in words: read from `comments/`, attached to the models, told to the database.

Of a table it is what its class says first. Of columns it stands in `comments/<slice>.toml`, by table and column; what
means the same wherever it stands is said once, in `comments/everywhere.toml`, for tables that do not say otherwise.
A partition has the meaning of its parent and no comment of its own.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import cast

from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.schema import SetColumnComment, SetTableComment

from monitor.tables import Base

FOLDER = Path(__file__).parent / "comments"
EVERYWHERE = "everywhere"
Said = Mapping[str, Mapping[str, str]]
"""Columns' comments by table."""

_STORED = text("""
    SELECT c.relname, a.attname, d.description AS said
    FROM pg_class c
    CROSS JOIN LATERAL (
        SELECT NULL AS attname, 0 AS attnum
        UNION ALL
        SELECT a.attname, a.attnum FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) a
    LEFT JOIN pg_description d
        ON d.classoid = CAST('pg_class' AS regclass) AND d.objoid = c.oid AND d.objsubid = a.attnum
    WHERE c.relnamespace = CAST('public' AS regnamespace) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
""")


@cache
def files() -> Mapping[str, Said]:
    """What stands in each file, by its name without the ending."""
    found = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml"))}
    return MappingProxyType(found)


def attach(metadata: MetaData) -> None:
    """Give the models their comments."""
    everywhere = files()[EVERYWHERE]["columns"]
    said = {table: columns for name, one in files().items() if name != EVERYWHERE for table, columns in one.items()}
    for mapper in Base.registry.mappers:
        table = cast(Table, mapper.local_table)
        table.comment = " ".join((mapper.class_.__doc__ or "").split("\n\n")[0].split())
    for table in metadata.tables.values():
        for column in table.columns:
            column.comment = said.get(table.name, {}).get(column.name) or everywhere.get(column.name)


def apply(connection: Connection, metadata: MetaData) -> None:
    """Tell the database what differs, of those tables and columns that it has: it may stand at an older revision."""
    stored = {(row.relname, row.attname): row.said for row in connection.execute(_STORED)}
    for table in metadata.tables.values():
        if stored.get((table.name, None), table.comment) != table.comment:
            connection.execute(SetTableComment(table))
        for column in table.columns:
            if stored.get((table.name, column.name), column.comment) != column.comment:
                connection.execute(SetColumnComment(column))
