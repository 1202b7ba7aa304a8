"""An import in a process of its own, that a test may kill: `python -m tests.imports.child JSON`. Says each batch."""

import asyncio
import json
import sys
from datetime import UTC
from uuid import UUID

from monitor import clock
from monitor.db import Database, Role
from monitor.imports import source
from monitor.imports.report import Report
from monitor.imports.running import Import
from monitor.sealing import Ring
from monitor.series.postgres import PostgresSeriesStore


def _say(report: Report) -> None:
    sys.stdout.write(f"{report.table} {report.read}\n")
    sys.stdout.flush()


async def main() -> None:
    """Bring it, in small batches."""
    given = json.loads(sys.argv[1])
    source.BATCH = given["batch"]
    db = Database({Role(role): url for role, url in given["urls"].items()}, pool_size=3)
    tenant = UUID(given["tenant"])
    series, ring = PostgresSeriesStore(db), Ring(given["keys"])
    await Import(given["document"], given["url"], db, series, tenant, clock.now, UTC, tell=_say, ring=ring).run()
    await db.close()


if __name__ == "__main__":
    asyncio.run(main())
