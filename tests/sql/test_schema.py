"""Revisions, models and schema.sql say the same."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from sql import dump, migrate
from sql.models import metadata


def _ours(_: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    return not (kind == "table" and name is not None and ("_p2" in name or name == "alembic_version"))


async def test_revisions_make_what_the_models_say(db: Database) -> None:
    """Columns, types, defaults, indexes and constraints."""

    def differences(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True, "include_object": _ours}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with db.owner() as owner:
        assert await owner.run_sync(differences) == []


async def test_no_index_is_the_beginning_of_another(db: Database) -> None:
    """It costs every write, and a planner that knows little of a table may take it for the longer one."""
    query = text("""
        SELECT short.indexrelid::regclass::text || ' of ' || long.indexrelid::regclass::text
        FROM pg_index short
        JOIN pg_class c ON c.oid = short.indrelid AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
        JOIN pg_class how ON how.oid = short.indexrelid
        JOIN pg_index long ON long.indrelid = short.indrelid AND long.indexrelid <> short.indexrelid
        JOIN pg_class how_long ON how_long.oid = long.indexrelid AND how_long.relam = how.relam
        WHERE NOT short.indisunique AND short.indpred IS NULL AND long.indpred IS NULL
          AND short.indexprs IS NULL AND long.indexprs IS NULL
          AND (long.indkey::int2[])[0:short.indnkeyatts - 1] = (short.indkey::int2[])[0:short.indnkeyatts - 1]
    """)
    async with db.owner() as owner:
        assert list((await owner.execute(query)).scalars()) == []


async def test_schema_sql_is_what_the_revisions_make(postgres: EmbeddedPostgres, database_name: str) -> None:
    """`make schema` was run after the last change."""
    assert dump.SCHEMA.read_text(encoding="utf-8") == dump.dump(postgres.url(database=database_name))


async def test_revisions_go_down_and_up_twice(postgres: EmbeddedPostgres, db: Database) -> None:
    """Every downgrade works with rows in, and leads back to the same."""

    async def tables() -> set[str]:
        async with db.owner() as owner:
            query = text(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r','p')"
            )
            return set((await owner.execute(query)).scalars())

    for _ in range(2):
        await migrate.downgrade(db, "base")
        assert await tables() == {"alembic_version"}
        await migrate.upgrade(db)
        assert await tables() == {*metadata.tables, "alembic_version"}


def test_history_is_one_line() -> None:
    """No branches, no gaps: 0001, 0002, …"""
    revisions = [script.revision for script in ScriptDirectory.from_config(migrate.config()).walk_revisions()]
    assert revisions[::-1] == [f"{number:04}" for number in range(1, len(revisions) + 1)]
