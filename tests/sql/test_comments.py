"""Every table and column says what it is, in the files, in the models and in the database."""

import re
from collections.abc import Iterator

from sqlalchemy import text

from monitor.db import Database
from sql import comments, document, migrate
from sql.models import metadata

COLUMNS = {(table.name, column.name): column for table in metadata.tables.values() for column in table.columns}


def _words(said: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", said.lower())) - {"the", "a", "an", "of", "its", "this", "s"}


def _empty(said: str | None, name: str) -> bool:
    """Nothing, or nothing beyond the name."""
    return said is None or len(said.strip()) < 5 or _words(said) <= _words(name.replace("_", " "))


def test_every_table_says_what_it_is() -> None:
    silent = [table.name for table in metadata.tables.values() if _empty(table.comment, table.name)]
    assert silent == []


def test_every_column_says_what_it_is() -> None:
    """More than its name, in a file of `sql/comments`."""
    silent = [f"{table}.{name}" for (table, name), column in COLUMNS.items() if _empty(column.comment, name)]
    assert silent == []


def test_a_comment_that_repeats_the_name_is_found() -> None:
    assert _empty("The agent's id.", "agent_id")
    assert _empty("", "x")
    assert _empty(None, "x")
    assert not _empty("UUIDv7.", "id")


def _said() -> Iterator[tuple[str, str, str]]:
    for name, tables in comments.files().items():
        if name != comments.EVERYWHERE:
            yield from ((name, table, column) for table, columns in tables.items() for column in columns)


def test_nothing_is_said_of_what_is_gone_or_belongs_elsewhere() -> None:
    slices = {table.name: name for name, tables in document.slices() for table in tables}
    assert [(name, table, column) for name, table, column in _said() if (table, column) not in COLUMNS] == []
    assert [(name, table) for name, table, _ in _said() if slices.get(table) != name] == []


def test_what_is_said_everywhere_is_needed_and_said_nowhere_else() -> None:
    everywhere = comments.files()[comments.EVERYWHERE]["columns"]
    own = {(table, column): comments.files()[name][table][column] for name, table, column in _said()}
    assert [place for place, said in own.items() if everywhere.get(place[1]) == said] == []
    used = {column for table, column in COLUMNS if (table, column) not in own}
    assert used == set(everywhere)


_STORED = text("""
    SELECT c.relname, a.attname, col_description(c.oid, a.attnum) AS said, obj_description(c.oid) AS about
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relispartition = :parts
      AND c.relname <> 'alembic_version'
""")


async def test_the_database_says_the_same(db: Database) -> None:
    async with db.owner() as owner:
        rows = list(await owner.execute(_STORED, {"parts": False}))
    assert {(row.relname, row.attname): row.said for row in rows} == {
        place: column.comment for place, column in COLUMNS.items()
    }
    assert {row.relname: row.about for row in rows} == {one.name: one.comment for one in metadata.tables.values()}


async def test_a_partition_says_nothing_of_its_own(db: Database) -> None:
    async with db.owner() as owner:
        rows = list(await owner.execute(_STORED, {"parts": True}))
    assert rows
    assert {(row.said, row.about) for row in rows} == {(None, None)}


async def test_migrating_again_says_what_differs(db: Database) -> None:
    """Also where there is no revision to run; at an older revision, of what is there."""
    async with db.owner() as owner:
        await owner.execute(text("COMMENT ON TABLE agents IS 'people'"))
        await owner.execute(text("COMMENT ON COLUMN agents.name IS NULL"))
    await migrate.upgrade(db)
    await test_the_database_says_the_same(db)
    await migrate.downgrade(db, "0010")
    async with db.owner() as owner:
        await owner.execute(text("COMMENT ON COLUMN agents.name IS 'wrong'"))
    await migrate.upgrade(db, "0011")
    async with db.owner() as owner:
        said = {(row.relname, row.attname): row.said for row in await owner.execute(_STORED, {"parts": False})}
    assert said["agents", "name"] == COLUMNS["agents", "name"].comment
    assert ("model_calls", "id") not in said
