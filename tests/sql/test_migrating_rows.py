"""Revisions with rows in every table: down and up again, and from what the first release dumped to the newest."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from monitor import partitions
from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from monitor.pgbinaries import environment, shipped
from sql import migrate
from sql.models import metadata
from tests.conftest import urls
from tests.http.furnished import PLATFORMS, furnish
from tests.sql.catalogue import read
from tests.sql.test_rolling import BASELINE, baseline

__all__ = ["baseline"]

Rows = Mapping[str, list[str]]


async def _columns(db: Database) -> dict[str, list[str]]:
    """Of every table, as the database has them."""
    async with db.owner() as owner:
        found = await read(owner)
    return {table: sorted(name for of, name in found.columns if of == table) for table in found.tables}


async def _rows(db: Database, columns: Mapping[str, list[str]]) -> Rows:
    """Every row of these tables, in these columns alone."""
    made = {}
    async with db.owner() as owner:
        for table, names in columns.items():
            said = ", ".join(f't."{name}"' for name in names)
            query = f"SELECT ROW({said})::text AS said FROM {table} t ORDER BY said"
            made[table] = list((await owner.execute(text(query))).scalars())
    return made


@pytest.fixture
async def released(baseline: Database) -> dict[str, list[str]]:
    """The first release's tables and their columns."""
    return await _columns(baseline)


async def test_down_and_up_twice_with_rows_in_every_table(db: Database, released: dict[str, list[str]]) -> None:
    """What the first release knows of stays, to the last value; all the way down everything goes, and comes back."""
    for word in ("first", "second"):
        await furnish(db, word)
        full = await _rows(db, await _columns(db))
        assert {table for table, rows in full.items() if not rows} <= PLATFORMS | {
            "rollup_progress",
            "leases",
            "maintenance_runs",
        }
        before = await _rows(db, released)
        await migrate.downgrade(db, BASELINE)
        assert await _columns(db) == released
        assert await _rows(db, released) == before
        await migrate.upgrade(db)
        assert await _rows(db, released) == before
        await migrate.downgrade(db, "base")
        await migrate.upgrade(db)
        assert metadata.tables.keys() <= (await _columns(db)).keys()
        await partitions.apply(db, datetime.now(UTC), retention={})


@pytest.fixture
async def restored(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The name of an empty database."""
    name = f"r_{uuid4().hex}"
    await postgres.create_database(name)
    yield name
    await postgres.drop_database(name)


def _run(program: str, *arguments: str) -> None:
    binaries = shipped()
    command = [binaries[max(binaries)].program(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environment()))
    assert done.returncode == 0, done.stderr


async def test_from_the_first_releases_dump_to_the_newest(
    postgres: EmbeddedPostgres, db: Database, database_name: str, released: dict[str, list[str]], restored: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    """As somebody does who moves a database of that release to a server of today."""
    await furnish(db, "released")
    await migrate.downgrade(db, BASELINE)
    before = await _rows(db, released)
    assert {table for table, rows in before.items() if not rows} <= {"leases"}
    dump = str(tmp_path / "dump")
    await asyncio.to_thread(_run, "pg_dump", "--format=custom", f"--file={dump}", postgres.url(database=database_name))
    await asyncio.to_thread(_run, "pg_restore", "--exit-on-error", f"--dbname={postgres.url(database=restored)}", dump)
    moved = Database(urls(postgres, restored), pool_size=5)
    assert await migrate.current(moved) == (BASELINE, (await migrate.current(db))[1])
    await migrate.upgrade(moved)
    assert await _rows(moved, released) == before
    # And today's programs fill every table of it.
    await partitions.apply(moved, datetime.now(UTC), retention={})
    await furnish(moved, "today")
    await moved.close()
