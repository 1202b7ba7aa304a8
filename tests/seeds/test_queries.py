"""The documents' example queries as `sql/queries.md` has them: they run, say what the API says, and use indexes."""

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.ids import uuid7_floor
from tests.conftest import SettableClock
from tests.factories import TenantMade
from tests.seeds.conftest import EXECUTION
from tests.seeds.queries import FILE, QUERIES, bound

LARGE = ("agents", "tasks", "workflow_executions", "run_names", "calendar_events", "conversations", "messages")
CONVERSATION = "session-1"


class Asked:
    """Runs the queries as the application's role does."""

    def __init__(self, db: Database, tenant: TenantMade, clock: SettableClock) -> None:
        self._db = db
        self._tenant = tenant
        now = clock()
        self._values = {
            "tenant": tenant.id, "agent": "akira-001", "execution": EXECUTION, "conversation": CONVERSATION,
            "since": uuid7_floor(now - timedelta(days=1)), "start": now, "end": now + timedelta(hours=1),
        }  # fmt: skip

    async def rows(self, name: str, *, before: str = "", setting: str | None = None) -> list[dict[str, Any]]:
        """What one of them finds. `before`: stands in front of it."""
        query = QUERIES[name]
        async with self._db.tenant(self._tenant.id) as connection:
            if setting is not None:
                await connection.execute(text(setting))
            return [
                dict(row)
                for row in (await connection.execute(text(before + query), bound(query, self._values))).mappings()
            ]


@pytest.fixture
def asked(db: Database, tenant: TenantMade, clock: SettableClock) -> Asked:
    """The tenant's."""
    return Asked(db, tenant, clock)


@pytest.mark.parametrize("name", QUERIES)
async def test_every_query_runs(asked: Asked, work: None, name: str) -> None:
    found = await asked.rows(name)
    assert isinstance(found, list)


async def test_agents_and_their_figures_are_those_of_the_api(
    api: httpx.AsyncClient, asked: Asked, work: None, clock: SettableClock
) -> None:
    listed = (await api.get("/api/v1/agents", params={"status": "active"})).json()["items"]
    assert [row["external_id"] for row in await asked.rows("Active agents")] == [one["external_id"] for one in listed]
    (figures,) = await asked.rows("Figures of an agent")
    told = (await api.get("/api/v1/agents/akira-001/stats", params={"window": "24h"})).json()["tasks"]
    assert (figures["total_tasks"], float(figures["average_duration_ms"])) == (2, 1500)
    assert (int(figures["tokens"]), float(figures["cost_usd"])) == (300, 0.5)
    assert (told["completed"], told["tokens_used"]) == (2, 300)


async def test_tasks_are_those_of_the_api(api: httpx.AsyncClient, asked: Asked, work: None) -> None:
    listed = (await api.get("/api/v1/tasks", params={"agent": "akira-001", "limit": 20})).json()["items"]
    found = await asked.rows("Recent tasks of an agent")
    assert [str(row["id"]) for row in found] == [one["id"] for one in listed]
    assert len(found) == 2


async def test_an_execution_has_its_tasks_in_order_and_none_is_an_empty_list(
    api: httpx.AsyncClient, asked: Asked, agents: None
) -> None:
    await api.post("/api/v1/workflow-executions", json={"id": EXECUTION, "name": "example"})
    (bare,) = await asked.rows("An execution with its tasks")
    assert bare["tasks"] == []
    for place in range(3):
        task = {"agent_id": "akira-001", "workflow_id": EXECUTION, "task_type": f"t{place}", "status": "running"}
        assert (await api.post("/api/v1/tasks", json=task)).status_code == 201
    (full,) = await asked.rows("An execution with its tasks")
    assert [task["task_type"] for task in full["tasks"]] == ["t0", "t1", "t2"]


async def test_messages_are_those_of_the_api(api: httpx.AsyncClient, asked: Asked, agents: None) -> None:
    said = [
        {"conversation": CONVERSATION, "role": role, "content": content, "agent": agent}
        for role, content, agent in (("user", "Review this.", None), ("assistant", "Two faults.", "akira-001"))
    ]
    answer = await api.post("/api/v1/messages", json=said)
    assert answer.status_code == 201, answer.text
    history = (await api.get(f"/api/v1/conversations/{CONVERSATION}/messages")).json()["items"]
    found = await asked.rows("Messages of a conversation")
    assert [(row["sequence_number"], row["content"]) for row in found] == [(1, "Review this."), (2, "Two faults.")]
    assert [row["content"] for row in found] == [one["content"] for one in history]
    (one,) = await asked.rows("Messages of an agent")
    (listed,) = (await api.get("/api/v1/messages", params={"agent": "akira-001"})).json()["items"]
    assert (str(one["id"]), one["content"]) == (listed["id"], "Two faults.")


@pytest.mark.parametrize("name", [name for name, query in QUERIES.items() if ":tenant" in query])
async def test_an_index_serves_each_query(asked: Asked, work: None, name: str) -> None:
    """With sequential scans made dear, a plan that still has one has no index to use."""
    plan = await asked.rows(name, before="EXPLAIN ", setting="SET LOCAL enable_seqscan = off")
    lines = [row["QUERY PLAN"] for row in plan]
    bare = [line for line in lines for table in LARGE if re.search(rf"Seq Scan on {table}(_p\d+)?\b", line)]
    assert bare == []


def test_every_query_says_which_route_or_command_answers_it() -> None:
    parts = FILE.read_text().split("\n## ")[1:]
    silent = [
        part.partition("\n")[0] for part in parts if "```sql" in part and not re.search("`(GET|agent-monitor)", part)
    ]
    assert silent == []
