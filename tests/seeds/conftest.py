"""A tenant, the API as it is served, and the documents' own agents in it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.application import serving

AKIRA = {
    "external_id": "akira-001",
    "name": "Akira - Code Review Master",
    "capabilities": ["security", "performance", "architecture"],
}
YUKI = {
    "external_id": "yuki-002",
    "name": "Yuki - Test Engineering Specialist",
    "capabilities": ["unit_testing", "integration_testing", "e2e_testing"],
}
EXECUTION = "670e9511-f3ac-52e5-b827-557766551111"


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    """Whose rows these are."""
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock, tenant: TenantMade) -> AsyncIterator[httpx.AsyncClient]:
    """Its API."""
    async with serving(db, clock) as client:
        client.headers.update(tenant.headers)
        yield client


@pytest.fixture
async def agents(api: httpx.AsyncClient) -> None:
    """The two agents that document 004 inserts."""
    for body in (AKIRA, YUKI):
        answer = await api.post("/api/v1/agents", json=body)
        assert answer.status_code == 201, answer.text


@pytest.fixture
async def work(api: httpx.AsyncClient, agents: None, clock: SettableClock) -> None:
    """An execution of document 004 with three tasks, of which two are Akira's."""
    body = {"id": EXECUTION, "name": "example", "status": "running"}
    assert (await api.post("/api/v1/workflow-executions", json=body)).status_code == 201
    for place, agent in enumerate(("akira-001", "akira-001", "yuki-002")):
        task = {
            "id": f"task-{place}", "agent_id": agent, "workflow_id": EXECUTION, "task_type": "code_review",
            "description": f"number {place}", "status": "completed", "duration_ms": 1000 * (place + 1),
            "tokens_used": 100 * (place + 1), "cost_usd": "0.25",
        }  # fmt: skip
        answer = await api.post("/api/v1/tasks", json=task)
        assert answer.status_code == 201, answer.text
        clock.advance(1)
