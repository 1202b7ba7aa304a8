"""`agent-monitor maintenance` and `retention` as commands: what is due, and that it is done."""

import asyncio
import sys

from sqlalchemy import text

from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from monitor.ids import uuid7
from tests.conftest import SettableClock, urls
from tests.factories import make_agent, make_tenant
from tests.stage import MAIN, ROOT, VARIABLES

_LOG = text(
    "INSERT INTO agent_logs (tenant_id, agent_id, id, kind, status, message) "
    "VALUES (:tenant, :agent, :id, 'execution', 'success', 'done')"
)


async def run(env: dict[str, str], *words: str) -> tuple[int | None, list[str]]:
    """A command's exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAIN, *words, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode().splitlines()


async def test_what_is_due_is_said_and_done(
    postgres: EmbeddedPostgres, database_name: str, db: Database, clock: SettableClock
) -> None:
    tenant = await make_tenant(db)
    agent = await make_agent(db, tenant.id)
    async with db.tenant(tenant.id) as connection:
        await connection.execute(_LOG, {"tenant": tenant.id, "agent": agent, "id": uuid7(clock())})
    env = {VARIABLES[role]: url for role, url in urls(postgres, database_name).items()}
    assert await run(env, "maintenance", "--dry-run") == (0, ["would analyze agent_logs", "1 due"])
    code, said = await run(env, "maintenance")
    assert (code, said[-1]) == (0, "done")
    assert said[0].startswith("analyze agent_logs: ")
    assert await run(env, "maintenance") == (0, ["nothing is due"])
    async with db.owner() as owner:
        rows = (await owner.execute(text("SELECT task, relation FROM maintenance_runs"))).all()
    assert [tuple(row) for row in rows] == [("analyze", "agent_logs")]
