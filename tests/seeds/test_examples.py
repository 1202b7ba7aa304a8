"""The documents' own example rows and values, through the API."""

from typing import Any

import httpx
import pytest

from tests.conftest import SettableClock
from tests.seeds.conftest import AKIRA, EXECUTION, YUKI


async def _ok(api: httpx.AsyncClient, method: str, path: str, status: int, **more: Any) -> Any:
    answer = await api.request(method, f"/api/v1/{path}", **more)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("row", [AKIRA, YUKI], ids=lambda row: str(row["external_id"]))
async def test_the_agents_of_004_are_there(api: httpx.AsyncClient, agents: None, row: dict[str, Any]) -> None:
    """Figures are null before the first task: the document begins with 0 and 100."""
    shown = await _ok(api, "GET", f"agents/{row['external_id']}", 200)
    assert {name: shown[name] for name in row} == row
    assert (shown["status"], shown["total_tasks_completed"], shown["total_tokens_used"]) == ("active", 0, 0)
    assert (shown["average_latency_ms"], shown["success_rate"]) == (None, None)


async def test_the_execution_of_004_is_found_by_its_own_id(api: httpx.AsyncClient, work: None) -> None:
    shown = await _ok(api, "GET", f"workflow-executions/{EXECUTION}", 200)
    assert (shown["external_id"], shown["total_tasks"], shown["completed_tasks"]) == (EXECUTION, 3, 3)
    akira = await _ok(api, "GET", "agents/akira-001", 200)
    assert (akira["total_tasks_completed"], akira["total_tokens_used"], akira["success_rate"]) == (2, 300, 1.0)
    assert akira["average_latency_ms"] == 1500


@pytest.mark.parametrize("status", ["pending", "running", "completed", "failed"])
@pytest.mark.parametrize("priority", ["low", "normal", "high"])
async def test_statuses_and_priorities_of_000(api: httpx.AsyncClient, agents: None, status: str, priority: str) -> None:
    task = {"agent_id": "akira-001", "task_type": "x", "status": status, "priority": priority, "payload": {"a": 1}}
    shown = await _ok(api, "POST", "tasks", 201, json=task)
    assert (shown["status"], shown["priority"], shown["input"]) == (status, priority, {"a": 1})


@pytest.mark.parametrize("agent_type", ["orchestrator", "llm"])
async def test_agent_types_of_000(api: httpx.AsyncClient, agent_type: str) -> None:
    shown = await _ok(api, "POST", "agents", 201, json={"external_id": "a", "agent_type": agent_type})
    assert shown["agent_type"] == agent_type


UNITS = {
    "tasks_processed": None,
    "cpu_usage": None,
    "latency": "ms",
    "tokens": "tokens",
    "cost": "USD",
    "success_rate": "percent",
    "error_rate": "percent",
}


@pytest.mark.parametrize(("metric", "unit"), UNITS.items())
async def test_metrics_of_000_and_004(
    api: httpx.AsyncClient, agents: None, clock: SettableClock, metric: str, unit: str | None
) -> None:
    for value in (10, 30):
        point = {"agent": "akira-001", "metric": metric, "value": value, **({"unit": unit} if unit else {})}
        await _ok(api, "POST", "metrics", 202, json=point)
        clock.advance(1)
    query = {"metric": metric, "agent": "akira-001", "reduce": "mean"}
    (line,) = (await _ok(api, "GET", "query", 200, params=query))["series"]
    assert [value for _at, value in line["points"]] == [20]


@pytest.mark.parametrize("kind", ["handoff", "collaboration", "review", "feedback"])
async def test_interactions_of_004_are_listed_of_both_sides(api: httpx.AsyncClient, agents: None, kind: str) -> None:
    body = {"from_agent_id": "akira-001", "to_agent_id": "yuki-002", "interaction_type": kind, "message": "yours"}
    made = await _ok(api, "POST", "interactions", 201, json=body)
    for agent in ("akira-001", "yuki-002"):
        listed = await _ok(api, "GET", "interactions", 200, params={"agent": agent})
        assert [(one["id"], one["interaction_type"]) for one in listed["items"]] == [(made["id"], kind)]


async def test_the_rule_of_003_is_made_as_it_is_written(api: httpx.AsyncClient, agents: None) -> None:
    conditions = {"status": "error", "consecutive_failures": 3}
    channels = {"email": "user@example.com", "slack": "#alerts"}
    body = {"name": "three errors", "agent": "akira-001", "conditions": conditions, "channels": channels}
    made = await _ok(api, "POST", "alert-configs", 201, json=body)
    assert (made["conditions"], made["channels"], made["enabled"]) == (conditions, channels, True)


async def test_schedule_and_types_of_003(api: httpx.AsyncClient, agents: None) -> None:
    """Agent types that are there from the start, and a cron expression."""
    assert (await _ok(api, "GET", "agent-types", 200))["items"] != []
    shown = await _ok(api, "PATCH", "agents/akira-001", 200, json={"schedule": "0 9 * * 1"})
    assert (shown["schedule"], shown["next_run_at"] is not None) == ("0 9 * * 1", True)


async def test_calendar_of_001_takes_a_touching_end_for_no_conflict(api: httpx.AsyncClient) -> None:
    event = {"title": "Meeting", "location": "here", "description": "d", "all_day": False,
             "start_time": "2026-03-27T09:00:00Z", "end_time": "2026-03-27T10:00:00Z"}  # fmt: skip
    await _ok(api, "POST", "calendar-events", 201, json=event)
    for start, end, found in (("10:00", "11:00", 0), ("09:30", "09:40", 1), ("08:00", "09:00", 0)):
        query = {"start": f"2026-03-27T{start}:00Z", "end": f"2026-03-27T{end}:00Z"}
        assert len((await _ok(api, "GET", "calendar-events", 200, params=query))["items"]) == found


@pytest.mark.parametrize("tool", ["python_repl", "calculator"])
async def test_tools_of_002(api: httpx.AsyncClient, agents: None, tool: str) -> None:
    body = {"agent_id": "akira-001", "tool_name": tool, "status": "success", "tool_input": {"x": 1}, "tool_output": 2}
    made = await _ok(api, "POST", "tool-executions", 201, json=body)
    assert (made["tool_name"], made["parameters"], made["result"]) == (tool, {"x": 1}, 2)
