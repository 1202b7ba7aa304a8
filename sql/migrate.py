"""Bring a database to the newest revision: safe to run twice at once, and before the database answers."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from monitor.db import Database
from monitor.errors import DatabaseDown
from sql import comments
from sql.models import metadata

# Any fixed number: whoever migrates holds this lock, a second one waits and then finds nothing to do.
_LOCK = 7_305_311_829_014_113


def config() -> Config:
    """Alembic's configuration, without a file: revisions stand beside this module."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("path_separator", "os")
    return made


async def wait_for(attempt: Callable[[], Awaitable[None]], *, timeout: float) -> None:
    """Try until the database takes it; raise DatabaseDown when it still does not after `timeout` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        try:
            await attempt()
            return
        except DatabaseDown:
            if loop.time() >= deadline:
                raise
            await asyncio.sleep(0.5)


async def _run(db: Database, step: Callable[[Config], None]) -> None:
    def run(connection: Connection) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        made = config()
        made.attributes["connection"] = connection
        step(made)

    async with db.owner() as connection:
        await connection.run_sync(run)


async def upgrade(db: Database, revision: str = "head") -> None:
    """Run the missing revisions, and say what tables and columns are, in one transaction."""

    def run(made: Config) -> None:
        command.upgrade(made, revision)
        comments.apply(made.attributes["connection"], metadata)

    await _run(db, run)


async def downgrade(db: Database, revision: str) -> None:
    """Undo revisions down to `revision`, or to nothing with `base`."""
    await _run(db, lambda made: command.downgrade(made, revision))


async def current(db: Database) -> tuple[str | None, str | None]:
    """The database's revision and the newest one."""

    def read(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    async with db.owner() as connection:
        found = await connection.run_sync(read)
    return found, ScriptDirectory.from_config(config()).get_current_head()
