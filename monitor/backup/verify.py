"""Proves a backup by restoring it into a server of its own and comparing every table with what the manifest counts."""

import tempfile
from pathlib import Path

from sqlalchemy import text

from monitor.backup import fingerprint, logical
from monitor.backup.place import Kind, Manifest, Place, check
from monitor.backup.recover import recover
from monitor.backup.take import Say
from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres


async def verify(place: Place, manifest: Manifest, *, secret: str | None, say: Say) -> list[str]:
    """What is not as it was, one line a table; empty for a good one. Raises ConfigError where it cannot be restored."""
    with tempfile.TemporaryDirectory(prefix="agent-monitor-verify-") as folder:
        data = Path(folder) / "data"
        if manifest.kind is not Kind.LOGICAL:
            await recover(place, manifest, data, secret=secret, until=None, say=say)
        async with EmbeddedPostgres(data, durable=False, major=manifest.server) as server:
            url = server.url(Role.OWNER, manifest.database)
            if manifest.kind is Kind.LOGICAL:
                check(place.folder(manifest), manifest)
                say("pg_restore")
                await server.drop_database(manifest.database)
                await server.create_database(manifest.database)
                await logical.load(url, place.folder(manifest) / "postgres", secret=secret)
            say("comparing")
            db = Database({Role.OWNER: url}, pool_size=1)
            try:
                async with db.owner() as connection:
                    await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
                    found = await fingerprint.take(connection)
            finally:
                await db.close()
    return fingerprint.differences(manifest.tables, found)
