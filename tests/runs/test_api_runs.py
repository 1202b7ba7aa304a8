"""Executions, tools, interactions and workflows over HTTP; lists with filters and pages; who may do what."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from monitor.db import Database
from monitor.principal import Scope
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_key
from tests.runs.makers import rows

STEPS = {"steps": [{"id": "fetch"}, {"id": "review", "depends_on": ["fetch"]}]}


async def post(api: httpx.AsyncClient, path: str, *, answers: int = 201, **values: Any) -> dict[str, Any]:
    answer = await api.post(f"/api/v1/{path}", json=values)
    assert answer.status_code == answers, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def get(api: httpx.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    answer = await api.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def patch(api: httpx.AsyncClient, path: str, *, answers: int = 200, **values: Any) -> dict[str, Any]:
    answer = await api.patch(f"/api/v1/{path}", json=values)
    assert answer.status_code == answers, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_execution_goes_its_way(api: httpx.AsyncClient, clock: SettableClock) -> None:
    flow = await post(api, "workflows", name="Code review", definition=STEPS)
    made = await post(
        api, "workflow-executions", id="run-1", workflow="code-review", initiator="ci", status="running",
        steps_total=2, current_step="fetch", input_data={"pr": 7},
    )  # fmt: skip
    assert (made["workflow_id"], made["name"], made["input"]) == (flow["id"], "Code review", {"pr": 7})
    clock.advance(3)
    await patch(api, "workflow-executions/run-1", steps_completed=1, current_step="review")
    assert (await patch(api, "workflow-executions/run-1", answers=422, steps_completed=3))["path"] == "steps_completed"
    done = await patch(api, "workflow-executions/run-1", status="completed", steps_completed=2, output_data="ok")
    assert (done["status"], done["duration_ms"], done["steps_completed"], done["output"]) == (
        "completed",
        3000,
        2,
        "ok",
    )
    assert (await patch(api, "workflow-executions/run-1", answers=409, status="cancelled"))["code"] == "conflict"
    # Its definition may go: the execution stays.
    assert (await api.delete("/api/v1/workflows/code-review")).status_code == 204
    assert (await get(api, "workflow-executions/run-1"))["workflow_id"] == flow["id"]
    assert (await post(api, "workflow-executions", answers=422, workflow="code-review"))["path"] == "workflow"


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("workflow-executions", {}, "name: missing"),
        ("workflow-executions", {"workflow": "none"}, "workflow: there is no such workflow"),
        ("workflow-executions", {"name": "n", "steps_completed": 2, "steps_total": 1}, "more than steps_total"),
        ("workflow-executions", {"name": "n", "steps_total": -1}, "steps_total:"),
        ("workflow-executions", {"name": "n", "total_tasks": 3}, "total_tasks: Extra"),
        ("workflow-executions", {"name": "n", "status": "done"}, "status:"),
        ("tool-executions", {"tool_name": "t"}, "agent: missing"),
        ("tool-executions", {"agent": "a"}, "tool_name: missing"),
        ("tool-executions", {"agent": "a", "tool_name": "t", "status": "completed"}, "status:"),
        ("tool-executions", {"agent": "a", "tool_name": "t", "execution_time_ms": -1}, "execution_time_ms:"),
        ("interactions", {"from_agent": "a", "to_agent": "b"}, "interaction_type: missing"),
        ("interactions", {"from_agent": "a", "interaction_type": "review"}, "to_agent: missing"),
        ("interactions", {"from_agent": "a", "to_agent": "b", "type": "quarrel"}, "type:"),
        ("workflows", {"name": ""}, "name:"),
        ("workflows", {"name": "?!"}, "slug: none can be made"),
        ("workflows", {"name": "n", "definition": {"steps": [{"id": "a", "depends_on": ["b"]}]}}, "no step 'b'"),
        ("workflows", {"name": "n", "timeout_seconds": 0}, "timeout_seconds:"),
        ("workflows", {"name": "n", "retry": {"max_attempts": 0}}, "retry.max_attempts:"),
        ("workflows", {"name": "n", "retry": {"backoff_seconds": -1}}, "retry.backoff_seconds:"),
        ("workflows", {"name": "n", "agent_ids": ["a", "a"]}, "twice"),
        ("workflows", {"name": "n", "status": "running"}, "status:"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    api: httpx.AsyncClient, path: str, body: dict[str, Any], words: str
) -> None:
    answer = await api.post(f"/api/v1/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    assert words in answer.json()["detail"]


async def test_a_tool_is_called(api: httpx.AsyncClient, clock: SettableClock) -> None:
    made = await post(
        api, "tool-executions", agent="akira-001", tool="read_file", tool_parameters={"path": "x"},
        mcp_server_id="files", server_instance_id="files-1", task_id="t-1", id="call-1", message="m-1",
    )  # fmt: skip
    assert (made["status"], made["mcp_server"], made["mcp_instance"]) == ("running", "files", "files-1")
    assert made["message_id"] == "m-1"
    clock.advance(0.25)
    done = await patch(
        api, "tool-executions/call-1", status="error", error="no such file", error_code="-32602", tool_result={"a": 1}
    )
    assert (done["duration_ms"], done["error_message"], done["error_code"]) == (250, "no such file", "-32602")
    await patch(api, "tool-executions/call-1", answers=409, status="success")
    task = await post(api, "tasks", agent="akira-001", task_type="x", id="t-1")
    assert done["task_id"] == task["id"]
    # A platform that tells of the end alone, with how long it took.
    whole = await post(api, "tool-executions", agent="a", tool_name="t", status="success", execution_time_ms=120)
    assert whole["duration_ms"] == 120


async def test_agents_have_to_do_with_each_other(api: httpx.AsyncClient) -> None:
    made = await post(
        api, "interactions", id="h-1", from_agent_id="akira-001", to_agent_id="yuki-002", type="handoff",
        message="yours", payload={"why": "tests"}, workflow_id=None,
    )  # fmt: skip
    assert (made["from_agent"], made["to_agent"], made["interaction_type"]) == ("akira-001", "yuki-002", "handoff")
    again = await post(
        api, "interactions", answers=200, id="h-1", from_agent="akira-001", to_agent="yuki-002",
        interaction_type="handoff",
    )  # fmt: skip
    assert again == made
    assert (await patch(api, "interactions/h-1", message="ours"))["message"] == "ours"
    for agent in ("akira-001", "yuki-002"):
        assert [one["id"] for one in (await get(api, "interactions", agent=agent))["items"]] == [made["id"]]
    assert (await get(api, "interactions", agent="nobody"))["items"] == []
    assert (await get(api, "interactions", type="review"))["items"] == []


async def test_a_workflow_has_versions_and_an_audit_trail(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    made = await post(api, "workflows", name="Review", definition=STEPS, agent_ids=["akira-001"], timeout_seconds=60)
    assert (made["slug"], made["version"], made["status"], made["retry"]["max_attempts"]) == ("review", 1, "active", 1)
    assert (await api.post("/api/v1/workflows", json={"name": "Review"})).status_code == 409
    same = await patch(api, "workflows/review", description="What", timeout_seconds=60.0)
    assert (same["version"], same["description"]) == (1, "What")
    changed = await patch(api, f"workflows/{made['id']}", retry={"max_attempts": 3}, status="archived")
    assert (changed["version"], changed["retry"]["max_attempts"], changed["status"]) == (2, 3, "archived")
    assert changed["updated_at"] > made["updated_at"]
    await patch(api, "workflows/review", answers=422, definition={"steps": 1})
    assert (await get(api, "workflows", status="archived"))["items"] == [changed]
    assert (await get(api, "workflows", status="draft"))["items"] == []
    await api.delete("/api/v1/workflows/review")
    assert (await api.get("/api/v1/workflows/review")).status_code == 404
    actions = [row["action"] for row in await rows(db, tenant.id, "audit_logs") if row["status"] == "success"]
    assert actions == ["workflow.created", "workflow.updated", "workflow.updated", "workflow.deleted"]


async def test_lists_are_filtered_and_paged(api: httpx.AsyncClient, clock: SettableClock) -> None:
    begin = clock()
    await post(api, "workflow-executions", name="flow", id="flow-1", workflow_type="nightly", trace_id="a" * 32)
    for number in range(7):
        clock.advance(1)
        await post(
            api, "tasks", agent="akira-001" if number % 2 else "yuki-002", task_type=f"type-{number % 3}",
            id=f"t-{number}", status="failed" if number == 3 else "running", started_at=clock().timestamp(),
            execution="flow-1" if number < 2 else None, trace_id="b" * 32 if number == 5 else None,
        )  # fmt: skip
        await post(api, "tool-executions", agent="akira-001", tool_name=f"tool-{number}", task=f"t-{number}")

    async def names(**where: Any) -> list[str]:
        return [one["external_id"] for one in (await get(api, "tasks", **where))["items"]]

    assert await names() == [f"t-{number}" for number in range(6, -1, -1)]
    assert await names(agent="akira-001") == ["t-5", "t-3", "t-1"]
    assert await names(status="failed") == ["t-3"]
    assert await names(type="type-0") == ["t-6", "t-3", "t-0"]
    assert await names(execution="flow-1") == ["t-1", "t-0"]
    assert await names(trace="b" * 32) == ["t-5"]
    assert await names(execution="nothing") == []
    since = (begin.timestamp() + 4, datetime.fromtimestamp(begin.timestamp() + 4, UTC).isoformat(), "-3s")
    for given in since:
        assert await names(since=given) == ["t-6", "t-5", "t-4", "t-3"]
    assert await names(until=since[0]) == ["t-2", "t-1", "t-0"]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await get(api, "tasks", limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [one["external_id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == await names()
    assert [one["tool_name"] for one in (await get(api, "tool-executions", task="t-4"))["items"]] == ["tool-4"]
    assert len((await get(api, "tool-executions", agent="akira-001", limit=5))["items"]) == 5
    assert len((await get(api, "workflow-executions", type="nightly", trace="a" * 32))["items"]) == 1
    assert (await get(api, "workflow-executions", status="failed"))["items"] == []
    assert (await api.get("/api/v1/tasks", params={"cursor": "x"})).status_code == 400
    assert (await api.get("/api/v1/tasks", params={"since": "yesterday"})).status_code == 422


@pytest.mark.parametrize("path", ["tasks", "workflow-executions", "tool-executions", "interactions", "workflows"])
async def test_each_scope_does_its_own(api: httpx.AsyncClient, db: Database, tenant: TenantMade, path: str) -> None:
    """Who ingests tells of runs, who reads reads, who writes defines workflows."""
    url, posting = f"/api/v1/{path}", Scope.WRITE if path == "workflows" else Scope.INGEST
    for scope in (Scope.INGEST, Scope.READ, Scope.WRITE, Scope.ALERTS):
        _key_id, key = await make_key(db, tenant.id, scopes=(scope,))
        api.headers["Authorization"] = f"Bearer {key}"
        assert ((await api.get(url)).status_code == 403) == (scope is not Scope.READ)
        assert ((await api.get(f"{url}/x")).status_code == 403) == (scope is not Scope.READ)
        assert ((await api.post(url, json={})).status_code == 403) == (scope is not posting)
        assert ((await api.patch(f"{url}/x", json={})).status_code == 403) == (scope is not posting)
