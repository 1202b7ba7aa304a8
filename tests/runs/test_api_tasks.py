"""Tasks over HTTP: told of, changed, refused, read; their tokens in the ledger, their ends in the agent's log."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.principal import Scope
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_agent, make_key
from tests.runs.makers import put, rows, task, trace

URL = "/api/v1/tasks"
SHORT = {"agent": "akira-001", "task_type": "code_review"}


async def told(api: httpx.AsyncClient, answers: int = 201, **values: Any) -> dict[str, Any]:
    answer = await api.post(URL, json=SHORT | values)
    assert answer.status_code == answers, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_task_is_told_of_and_read_by_both_its_ids(api: httpx.AsyncClient, clock: SettableClock) -> None:
    made = await told(
        api, id="t-1", description="Reads a diff", status="running", priority="high", payload={"pr": 7},
        started_at=clock().isoformat(), user_id="ada", metadata={"k": "v"}, error=None,
    )  # fmt: skip
    expected = {
        "external_id": "t-1", "agent": "akira-001", "status": "running", "priority": "high", "input": {"pr": 7},
        "user": "ada", "metadata": {"k": "v"}, "source": "api", "duration_ms": None, "cost_usd": "0",
    }  # fmt: skip
    assert made == made | expected
    for key in ("t-1", made["id"]):
        assert (await api.get(f"{URL}/{key}")).json() == made
    assert (await api.get(f"{URL}/t-2")).status_code == 404
    assert (await api.get("/api/v1/agents/akira-001")).json()["total_tasks"] == 1


async def test_every_name_that_the_seeds_have_is_taken(api: httpx.AsyncClient) -> None:
    """Three documents, three spellings of the same."""
    first = await told(api, payload={"a": 1}, result={"b": 2}, error="no", status="failed")
    second = await told(api, input_data={"a": 1}, output_data={"b": 2}, error_message="no", status="failed")
    third = await told(api, input={"a": 1}, output={"b": 2}, error="no", status="failed", metadata=None)
    for made in (first, second, third):
        assert (made["input"], made["output"], made["error_message"]) == ({"a": 1}, {"b": 2}, "no")
    run = (await api.post("/api/v1/workflow-executions", json={"name": "w", "id": "w-1"})).json()
    for name in ("execution", "execution_id", "workflow_id"):
        part: dict[str, Any] = {name: "w-1"}
        assert (await told(api, **part))["execution_id"] == run["id"]
    named = await api.post(URL, json={"agent_id": first["agent_id"], "task_type": "x", "session_id": "c-1"})
    assert (named.json()["agent"], named.json()["conversation"]) == ("akira-001", "c-1")


async def test_the_same_id_is_the_same_task(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    first = await told(api, id="t-1", status="running")
    assert await told(api, 200, id="t-1", status="running") == first
    done = await told(api, 200, id="t-1", status="completed", result="fine")
    assert (done["id"], done["status"], done["output"]) == (first["id"], "completed", "fine")
    # What comes late says nothing of the status; the other fields it carries are taken.
    late = await told(api, 200, id="t-1", status="running", description="said late")
    assert late == done | {"description": "said late", "updated_at": late["updated_at"]}
    assert len(await rows(db, tenant.id, "tasks")) == 1
    other = await api.post(URL, json={"agent": "yuki-002", "task_type": "x", "id": "t-1"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


async def test_told_by_many_at_once_it_is_one_task_that_goes_one_way(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    """Agents that repeat themselves over several connections, about a run that nobody knew before."""
    for number in range(3):
        statuses = ["running", "completed", "running", "completed", "pending", "completed", "running"]
        bodies = [SHORT | {"id": f"t-{number}", "status": status, "input_tokens": 5} for status in statuses]
        answers = await asyncio.gather(*(api.post(URL, json=body) for body in bodies))
        assert sorted(answer.status_code for answer in answers) == [200] * 6 + [201]
        assert (await api.get(f"{URL}/t-{number}")).json()["status"] == "completed"
    assert len(await rows(db, tenant.id, "tasks")) == 3
    assert len(await rows(db, tenant.id, "agent_logs")) == 3
    agent = (await api.get("/api/v1/agents/akira-001")).json()
    assert (agent["total_tasks"], agent["total_tasks_completed"], agent["total_tokens_used"]) == (3, 3, 15)


async def test_a_task_is_changed_and_not_reopened(api: httpx.AsyncClient, clock: SettableClock) -> None:
    made = await told(api, status="running", id="t/1")
    clock.advance(2.5)
    changes = {"status": "failed", "error_type": "KeyError", "error": "no order 17", "traceback": "x"}
    answer = await api.patch(f"{URL}/{made['id']}", json=changes)
    assert answer.status_code == 200, answer.text
    failed = answer.json()
    assert (failed["status"], failed["duration_ms"], failed["error_message"]) == ("failed", 2500, "no order 17")
    assert failed["error_fingerprint"]
    # The same again changes nothing, not even later.
    clock.advance(60)
    assert (await api.patch(f"{URL}/{made['id']}", json=changes)).json() == failed
    assert (await api.patch(f"{URL}/{made['id']}", json={"status": "running"})).json() == failed
    assert (await api.patch(f"{URL}/{made['id']}", json={"status": "completed"})).status_code == 409
    again = (await api.patch(f"{URL}/{made['id']}", json={"status": "running", "retry_count": 1})).json()
    assert (again["status"], again["error_fingerprint"], again["completed_at"]) == ("running", None, None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"agent": None}, "agent: missing"),
        ({"task_type": None}, "task_type: missing"),
        ({"agent": "x" * 201}, "agent: 1 to 200"),
        ({"status": "done"}, "status:"),
        ({"priority": "urgent"}, "priority:"),
        ({"retry_count": -1}, "retry_count:"),
        ({"input_tokens": -1}, "input_tokens:"),
        ({"input_tokens": 1.5}, "input_tokens:"),
        ({"cost_usd": -0.1}, "cost_usd:"),
        ({"tokens_used": 5, "input_tokens": 5, "output_tokens": 1}, "tokens_used: not the sum"),
        ({"input_tokens": 5, "cache_read_tokens": 6}, "input_tokens: cached"),
        ({"output_tokens": 5, "reasoning_tokens": 6}, "output_tokens: reasoning"),
        ({"status": "completed", "started_at": 10, "completed_at": 5}, "older than what is kept"),
        ({"started_at": "2026-01-01T00:00:00"}, "started_at: the time has no zone"),
        ({"started_at": 99999999999}, "future"),
        ({"duration_ms": 5}, "duration_ms: started_at or completed_at"),
        ({"duration_ms": -5, "status": "completed"}, "duration_ms:"),
        ({"completed_at": "now"}, "completed_at: not a time"),
        ({"metadata": []}, "metadata:"),
        ({"surprise": 1}, "surprise: Extra"),
        ({"input": 1, "payload": 2}, "payload: Extra"),
        ({"description": 7}, "description: text"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade, body: dict[str, Any], words: str
) -> None:
    answer = await api.post(URL, json=SHORT | body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input"), answer.text
    assert words in answer.json()["detail"]
    assert await rows(db, tenant.id, "tasks") == []


async def test_times_in_the_wrong_order_are_refused(api: httpx.AsyncClient, clock: SettableClock) -> None:
    now = clock().timestamp()
    answer = await api.post(URL, json=SHORT | {"status": "completed", "started_at": now, "completed_at": now - 1})
    assert answer.json()["detail"] == "completed_at: before started_at"
    answer = await api.post(URL, json=SHORT | {"status": "running", "completed_at": now})
    assert answer.json()["path"] == "completed_at"


async def test_a_refused_time_leaves_nothing_behind(api: httpx.AsyncClient, db: Database, tenant: TenantMade) -> None:
    """Neither an agent nor an id of that time, which no partition would take later."""
    for given in (10, 99_999_999_999):
        await told(api, 422, id="t-1", started_at=given)
    assert await rows(db, tenant.id, "run_names") == []
    assert await rows(db, tenant.id, "agents") == []
    assert (await told(api, id="t-1"))["external_id"] == "t-1"


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"7", 422), (b'"x"', 422), (b"\xff", 400)])
async def test_what_cannot_be_read(api: httpx.AsyncClient, body: bytes, status: int) -> None:
    assert (await api.post(URL, content=body)).status_code == status


async def test_of_many_the_good_ones_are_kept_and_the_bad_ones_named(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    many: list[dict[str, Any]] = [
        SHORT | {"id": "a", "status": "running"},
        SHORT | {"priority": "?"},
        SHORT | {"id": "a"},
        {"agent": "b"},
    ]
    many += [SHORT | {"id": "c", "status": "completed", "duration_ms": 1500}]
    answer = await api.post(URL, json=many)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert [(one["external_id"], one["status"]) for one in found["items"]] == [("a", "running"), ("c", "completed")]
    assert [one["index"] for one in found["rejected"]] == [1, 3]
    assert found["items"][1]["duration_ms"] == 1500
    assert (await api.post(URL, json=[many[1], many[3]])).status_code == 422
    assert (await api.post(URL, json=many[4:])).status_code == 200
    assert len(await rows(db, tenant.id, "tasks")) == 2
    assert (await api.post(URL, json=[])).json() == {"items": [], "rejected": []}


async def test_a_child_may_come_before_its_parent_and_the_execution(api: httpx.AsyncClient) -> None:
    child = await told(api, id="child", parent_task_id="parent", workflow_id="flow-1")
    assert (await api.get(f"{URL}/parent")).status_code == 404
    assert (await api.patch(f"{URL}/parent", json={"status": "running"})).status_code == 404
    parent = await told(api, id="parent", execution="flow-1")
    run = (await api.post("/api/v1/workflow-executions", json={"name": "flow", "id": "flow-1"})).json()
    assert (child["parent_task_id"], child["execution_id"]) == (parent["id"], run["id"])
    assert run["total_tasks"] == 2
    page = (await api.get("/api/v1/workflow-executions/flow-1")).json()
    assert {one["external_id"] for one in page["tasks"]} == {"child", "parent"}


async def test_tokens_and_cost_become_one_line_of_the_ledger(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    await api.post("/api/v1/workflow-executions", json={"name": "flow", "id": "flow-1"})
    made = await told(
        api, id="t", workflow_id="flow-1", status="running", model="claude-opus-4-1", input_tokens=900,
        output_tokens=120, cost_usd=0.0123,
    )  # fmt: skip
    assert (made["calls"], made["tokens_used"], made["cost_usd"]) == (1, 1020, "0.0123")
    # More is known later: it is still one call, and what was said stays.
    changed = await api.patch(f"{URL}/t", json={"output_tokens": 200, "status": "completed"})
    assert (changed.json()["calls"], changed.json()["tokens_used"]) == (1, 1100)
    (call,) = await rows(db, tenant.id, "model_calls")
    assert (str(call["task_id"]), call["model"], call["input_tokens"], call["output_tokens"]) == (
        made["id"], "claude-opus-4-1", 900, 200
    )  # fmt: skip
    assert (call["cost_source"], call["workflow"], call["source"]) == ("given", "flow", "api")
    run = (await api.get("/api/v1/workflow-executions/flow-1")).json()
    assert (run["total_tokens"], run["total_cost_usd"]) == (1100, "0.0123")
    agent = (await api.get("/api/v1/agents/akira-001")).json()
    assert (agent["total_tokens_used"], agent["total_cost_usd"], agent["total_tasks_completed"]) == (1100, "0.0123", 1)
    sums = await told(api, tokens_used=50, cost_usd="0.5")
    assert (sums["input_tokens"], sums["tokens_used"], sums["cost_usd"]) == (50, 50, "0.5")
    points = await rows(db, tenant.id, "samples JOIN series ON series.id = samples.series_id")
    spent = {(row["metric"], row["tags"].get("model")): row["value"] for row in points}
    assert spent["cost_usd", "claude-opus-4-1"] == 0.0123
    assert (spent["tokens", "claude-opus-4-1"], spent["tokens", None], spent["cost_usd", None]) == (1100, 50, 0.5)


async def test_a_task_that_ended_is_an_execution_of_its_agent_once(
    api: httpx.AsyncClient, clock: SettableClock, db: Database, tenant: TenantMade
) -> None:
    """Also where the platform posts a log with the same id; not its subtasks, and not what was cancelled."""
    await api.post("/api/v1/logs", json={"agent": "akira-001", "status": "error", "id": "t-1", "message": "no"})
    await told(api, id="t-1", status="failed", error="no order")
    await told(api, id="t-2", status="running")
    clock.advance(1)
    for _ in range(2):
        await api.patch(f"{URL}/t-2", json={"status": "failed", "error": "no order"})
    await told(api, id="t-3", parent_task="t-2", status="failed")
    await told(api, status="cancelled")
    clock.advance(1)
    stored = await told(api, id="t-4", status="completed", duration_ms=250, description="Reads")
    logs = await rows(db, tenant.id, "agent_logs")
    assert [(log["external_id"], log["status"], log["kind"]) for log in logs] == [
        ("t-1", "error", "execution"), ("t-2", "error", "execution"), ("t-4", "success", "execution"),
    ]  # fmt: skip
    assert (logs[1]["message"], logs[2]["message"], logs[2]["duration"]) == ("no order", "Reads", 250)
    assert logs[2]["details"] == {"task_id": stored["id"], "task_type": "code_review"}
    # A new attempt is another execution.
    clock.advance(1)
    await api.patch(f"{URL}/t-2", json={"status": "completed", "retry_count": 1})
    agent = (await api.get("/api/v1/agents/akira-001")).json()
    assert (agent["last_status"], agent["consecutive_failures"]) == ("success", 0)
    assert [log["external_id"] for log in await rows(db, tenant.id, "agent_logs")][-1] == "t-2#1"


async def test_what_is_made_of_a_trace_is_not_changed_by_hand(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    agent_id = await make_agent(db, tenant.id)
    made = task(agent_id, trace_id=trace())
    await put(db, tenant.id, tasks=[made])
    answer = await api.patch(f"{URL}/{made.id}", json={"description": "x"})
    assert (answer.status_code, "trace" in answer.json()["detail"]) == (409, True)


async def test_a_bound_key_tells_of_its_own_agent_only(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    agent_id = await make_agent(db, tenant.id)
    _key_id, key = await make_key(db, tenant.id, scopes=(Scope.INGEST,), agent_id=agent_id)
    api.headers["Authorization"] = f"Bearer {key}"
    assert (await api.post(URL, json=SHORT | {"id": "mine"})).status_code == 201
    assert (await api.post(URL, json=SHORT | {"agent": "yuki-002"})).status_code == 403
    assert (await api.get(URL)).status_code == 403
    api.headers.update(tenant.headers)
    assert (await api.post(URL, json=SHORT | {"agent": "yuki-002", "id": "theirs"})).status_code == 201
    api.headers["Authorization"] = f"Bearer {key}"
    assert (await api.patch(f"{URL}/theirs", json={"status": "running"})).status_code == 403
    assert (await api.patch(f"{URL}/mine", json={"status": "running"})).status_code == 200


async def test_contents_pass_the_tenants_redaction_and_long_texts_are_cut(api: httpx.AsyncClient, db: Database) -> None:
    assert (await api.patch("/api/v1/tenant/privacy", json={"redact": ["emails"]})).status_code == 200
    made = await told(api, input={"from": "ada@example.com"}, description="y" * 70_000, user="ada@example.com")
    assert "ada@example.com" not in str(made)
    assert "[cut " in made["description"]
    async with db.owner() as owner:
        left = await owner.execute(text("SELECT count(*) FROM tasks WHERE tasks::text LIKE '%ada@example%'"))
        assert left.scalar() == 0
