"""The client against the collector itself: runs become logs, tasks and lines of the ledger, once each."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from monitor.embedded import EmbeddedPostgres
from monitor.sdk import Monitor
from tests.factories import make_tenant
from tests.stage import Stage

TASKS = (
    "SELECT t.description, t.status, t.task_type, p.description, t.model, t.input_tokens, t.output_tokens, "
    "t.error_type FROM tasks t LEFT JOIN tasks p ON p.id = t.parent_task_id ORDER BY t.id"
)


@pytest.fixture
async def stage(tmp_path: Path, postgres: EmbeddedPostgres, database_name: str) -> AsyncIterator[Stage]:
    """This test's database, with programs of ours on it."""
    made = Stage(tmp_path, postgres, database_name)
    yield made
    await made.close()


def work(url: str, key: str) -> tuple[int, int]:
    """Three runs, one of them within another; what was given up and refused."""
    with Monitor(url, key=key, agent="akira-001") as monitor:
        with monitor.run("review", task_type="code_review", pr=7) as run:
            run.tokens(input=900, output=120, model="claude-opus-4-1")
            with monitor.run("tests") as inner:
                inner.tokens(input=10, output=2, model="gpt-4o-mini")
        try:
            with monitor.run("merge"):
                raise TimeoutError("no answer")
        except TimeoutError:
            pass
        assert monitor.flush(20)
        return monitor.dropped, monitor.rejected


async def test_runs_are_tasks_with_tokens_and_one_execution_each(stage: Stage) -> None:
    collector = await stage.collector().start()
    tenant = await make_tenant(stage.db)
    assert await asyncio.to_thread(work, collector.url, tenant.key) == (0, 0)

    async def kept(sql: str) -> list[tuple[Any, ...]]:
        async with stage.db.tenant(tenant.id) as connection:
            return [tuple(row) for row in await connection.execute(text(sql))]

    assert await kept(TASKS) == [
        ("review", "completed", "code_review", None, "claude-opus-4-1", 900, 120, None),
        ("tests", "completed", "tests", "review", "gpt-4o-mini", 10, 2, None),
        ("merge", "failed", "merge", None, None, 0, 0, "TimeoutError"),
    ]
    assert await kept("SELECT sum(input_tokens), sum(output_tokens), count(*) FROM model_calls") == [(910, 122, 2)]
    logs = await kept("SELECT message, status, details->>'task_id' FROM agent_logs ORDER BY message")
    assert [log[:2] for log in logs] == [
        ("merge: TimeoutError: no answer", "error"),
        ("review", "success"),
        ("tests", "success"),
    ]
    names = await kept("SELECT external_id FROM run_names")
    assert {log[2] for log in logs} == {name for (name,) in names}
