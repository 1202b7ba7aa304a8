"""Runs, logs and news of them, in few words."""

from typing import Any
from uuid import UUID

import httpx
from msgspec.structs import replace
from sqlalchemy import text

from monitor.db import Database
from monitor.runs import news
from monitor.runs.model import RunStatus, Task, ToolExecution, ToolStatus
from tests.conftest import SettableClock
from tests.factories import TenantMade
from tests.runs.makers import task, tool


def failed(agent_id: UUID, message: str = "no answer after 30 s", **values: Any) -> Task:
    """A task that failed."""
    given = {"status": RunStatus.FAILED, "error_type": "TimeoutError", "error_message": message} | values
    seconds, took = given.pop("seconds", 0.0), given.pop("took", 1.0)
    return replace(task(agent_id, seconds=seconds, took=took), **given)


def broken(agent_id: UUID, **values: Any) -> ToolExecution:
    """A call of a tool that failed."""
    return tool(
        agent_id, **({"status": ToolStatus.ERROR, "error_message": "no such file", "error_code": "404"} | values)
    )


async def follow(db: Database, clock: SettableClock) -> int:
    """The job, until there is no news."""
    return await news.run_once(db, clock())


async def groups(db: Database, tenant_id: UUID) -> list[dict[str, Any]]:
    """Groups of errors, the most frequent first."""
    async with db.tenant(tenant_id) as connection:
        found = await connection.execute(text("SELECT * FROM error_groups ORDER BY count DESC, fingerprint"))
        return [dict(row) for row in found.mappings()]


async def get(api: httpx.AsyncClient, tenant: TenantMade, path: str, **params: Any) -> Any:
    """What an address answers, which must be well."""
    answer = await api.get(f"/api/v1/{path}", params=params, headers=tenant.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()
