"""An import that is killed goes on where it was, and leaves nothing out and brings nothing twice."""

import asyncio
import json
import signal
import sys

from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from tests.conftest import urls
from tests.factories import TenantMade
from tests.imports.conftest import Bring
from tests.imports.stored import FEW, Stored
from tests.imports.test_bring import compare_004, fill_004

BATCH = 25
BATCHES = (2, 9, 13, 17, 22)
"""How many batches each attempt is heard of before it is killed, in the midst of the next one."""


async def test_killed_again_and_again_everything_is_brought_once(
    postgres: EmbeddedPostgres, db: Database, database_name: str, scratch: str, tenant: TenantMade, bring: Bring
) -> None:
    given, parents = await fill_004(scratch, FEW)
    said = {
        "urls": urls(postgres, database_name), "url": scratch, "document": "004", "tenant": str(tenant.id),
        "batch": BATCH,
    }  # fmt: skip
    heard: list[list[str]] = []
    for batches in BATCHES:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.imports.child", json.dumps(said), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        lines: list[str] = []
        while sum(map(len, heard)) + len(lines) < batches and (line := await process.stdout.readline()):
            lines.append(line.decode().strip())
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        heard.append(lines)
    tables = [line.split()[0] for lines in heard for line in lines]
    assert {"agents", "agent_tasks", "agent_metrics"} <= set(tables)
    # Each attempt begins where the one before had come to, at the earliest one batch behind what was heard.
    assert len({line for lines in heard for line in lines}) == sum(map(len, heard))
    reports = await bring("004", scratch)
    assert {(one.read, one.kept) for table, one in reports.items() if table in given} == {(FEW, FEW)}
    stored = Stored(db, tenant)
    await compare_004(stored, given, parents)
    (counted,) = await stored.rows("""
        SELECT (SELECT count(*) FROM model_calls) AS calls, (SELECT count(*) FROM tasks WHERE calls > 1) AS twice,
               (SELECT sum(completed) FROM (SELECT completed FROM agent_totals UNION ALL
                SELECT completed FROM agent_counts) c) AS completed
    """)
    spent = [row for row in given["agent_tasks"] if row["tokens_used"] or row["cost_usd"]]
    completed = [row for row in given["agent_tasks"] if row["status"] == "completed"]
    assert counted == {"calls": len(spent), "twice": 0, "completed": len(completed)}
