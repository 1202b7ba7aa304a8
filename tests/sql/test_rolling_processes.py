"""A collector and an alerter of the revision before, run out of git's history, work on the newest schema."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from sql import migrate
from tests import parts
from tests.channels.servers import Mailbox
from tests.factories import make_tenant
from tests.stage import ROOT, Program, Stage, open_stage, until

pytestmark = pytest.mark.accept

RULE = {
    "name": "Fails",
    "conditions": {"status": "error", "consecutive_failures": 3},
    "channels": {"email": "ops@example.com"},
}
_COUNTS = text("""
    SELECT (SELECT count(*) FROM agent_logs),
           (SELECT count(*) FROM samples p JOIN series s ON s.tenant_id = p.tenant_id AND s.id = p.series_id
            WHERE s.metric = 'load')
""")


def git(*words: str) -> str:
    """What git says about this checkout; the end of the test where there is no git or no history."""
    parts.program("git")
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else parts.leave_out("the history of this checkout is not here")


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The project as it was in the commit before the newest revision was added."""
    newest = ScriptDirectory.from_config(migrate.config()).get_current_head()
    added = git("log", "--diff-filter=A", "--format=%H", "--", f"sql/versions/{newest}_*.py").split()
    before = git("rev-parse", f"{added[-1]}^") if added else parts.leave_out("the newest revision is not in git yet")
    folder = tmp_path / "older"
    folder.mkdir()
    archive = tmp_path / "older.tar"
    git("archive", f"--output={archive}", before, "monitor", "alerts", "dashboards", "sql")
    shutil.unpack_archive(archive, folder, filter="data")
    assert not list((folder / "sql" / "versions").glob(f"{newest}_*.py"))
    return folder


@pytest.fixture
async def stage(data_dir: Path) -> AsyncIterator[Stage]:
    """A database at the newest revision."""
    async with open_stage(data_dir) as made:
        yield made


def of(folder: Path, program: Program) -> Program:
    """The same program, from the older project."""
    program.cwd = folder
    where = subprocess.run(
        [sys.executable, "-c", "import monitor; print(monitor.__file__)"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()).is_relative_to(folder)
    return program


async def test_programs_of_the_revision_before_go_on_working(stage: Stage, older: Path) -> None:
    tenant = await make_tenant(stage.db)
    mailbox = Mailbox()
    mailbox.controller.start()
    try:
        collector = await of(older, stage.collector()).start()
        alerter = await of(older, stage.alerter(evaluation_interval="500ms", smtp_url=mailbox.url)).start()
        async with httpx.AsyncClient(base_url=collector.url, headers=tenant.headers, timeout=30) as client:
            assert (await client.post("/api/v1/alert-configs", json=RULE)).status_code == 201
            for _ in range(3):
                answer = await client.post("/api/v1/logs", json={"agent": "old", "status": "error", "duration": 1})
                assert answer.status_code == 202, answer.text
            point = {"agent": "old", "metric": "load", "value": 1}
            assert (await client.post("/api/v1/metrics", json=[point])).status_code == 202
            await until(lambda: any("[FIRING]" in str(mail["Subject"]) for mail in mailbox.mails))
            assert (await client.get("/api/v1/agents")).status_code == 200
        alerter.check()
        async with stage.db.tenant(tenant.id) as connection:
            assert tuple((await connection.execute(_COUNTS)).one()) == (3, 1)
    finally:
        mailbox.controller.stop()
