"""Agents over HTTP: made, read, changed, retired, deleted."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.application import serving


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock, tenant: TenantMade) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(db, clock) as client:
        client.headers.update(tenant.headers)
        yield client


async def _log(api: httpx.AsyncClient, **log: Any) -> None:
    answer = await api.post("/api/v1/logs", json={"agent": "akira-001", "status": "success"} | log)
    assert answer.status_code == 202, answer.text


async def test_an_agent_is_made_before_its_first_message(api: httpx.AsyncClient) -> None:
    body = {
        "external_id": "akira-001",
        "agent_type": "coder",
        "tags": {"env": "prod", "empty": ""},
        "metadata": {"a": 1},
    }
    made = await api.post("/api/v1/agents", json=body)
    assert made.status_code == 201, made.text
    agent = made.json()
    assert (agent["name"], agent["tags"], agent["metadata"]) == ("akira-001", {"env": "prod"}, {"a": 1})
    assert (agent["state"], agent["status"], agent["last_seen_at"]) == ("unknown", "active", None)
    for key in ("akira-001", agent["id"]):
        assert (await api.get(f"/api/v1/agents/{key}")).json() == agent
    again = await api.post("/api/v1/agents", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    ping = await api.get(agent["ping_url"].removeprefix("http://127.0.0.1:4318"))
    assert (ping.status_code, ping.text) == (200, "OK")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "external_id"),
        ({"external_id": ""}, "external_id"),
        ({"external_id": "x" * 201}, "external_id"),
        ({"external_id": "x\x00y"}, "external_id"),
        ({"external_id": "x", "tags": {"a": 1}}, "tags.a"),
        ({"external_id": "x", "tags": {str(n): "v" for n in range(33)}}, "tags"),
        ({"external_id": "x", "status": "dead"}, "status"),
        ({"external_id": "x", "colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_value_is_named(api: httpx.AsyncClient, body: dict[str, Any], path: str) -> None:
    answer = await api.post("/api/v1/agents", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert path in {fault["path"] for fault in answer.json()["errors"]}


async def test_the_live_part_follows_the_logs(api: httpx.AsyncClient, clock: SettableClock) -> None:
    await _log(api, duration=250)
    await _log(api, status="error", message="boom")
    status = (await api.get("/api/v1/agents/akira-001/status")).json()
    assert (status["state"], status["last_status"], status["last_message"]) == ("error", "error", "boom")
    assert status["consecutive_failures"] == 1
    stats = (await api.get("/api/v1/agents/akira-001/stats", params={"window": "1h"})).json()
    assert (stats["executions"], stats["errors"], stats["success_rate"]) == (2, 1, 0.5)
    assert stats["average_duration"] == 250.0
    metrics = (await api.get("/api/v1/agents/akira-001/metrics")).json()["items"]
    assert 250.0 in [item["value"] for item in metrics]
    clock.advance(3600 * 2)
    later = (await api.get("/api/v1/agents/akira-001/stats", params={"window": "1h"})).json()
    assert (later["executions"], later["success_rate"]) == (0, None)


@pytest.mark.parametrize("window", ["soon", "0s", "999d", "-1h", "1h2"])
async def test_an_impossible_window_is_refused(api: httpx.AsyncClient, window: str) -> None:
    await _log(api)
    answer = await api.get("/api/v1/agents/akira-001/stats", params={"window": window})
    assert (answer.status_code, answer.json()["path"]) == (422, "window")


async def test_logs_come_in_pages_newest_first(api: httpx.AsyncClient, clock: SettableClock) -> None:
    base = clock().timestamp() - 100
    for number in range(5):
        await _log(api, message=f"log {number}", completed_at=base + number)
    await _log(api, kind="line", message="a line")
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2, "kind": "execution"}
    while True:
        page = (await api.get("/api/v1/agents/akira-001/logs", params=params)).json()
        seen += [log["message"] for log in page["items"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert seen == [f"log {number}" for number in (4, 3, 2, 1, 0)]
    found = (await api.get("/api/v1/agents/akira-001/logs", params={"contains": "LOG 3"})).json()["items"]
    assert [log["message"] for log in found] == ["log 3"]
    wrong = await api.get("/api/v1/agents/akira-001/logs", params={"cursor": "nonsense"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "unreadable")


async def test_lists_page_by_external_id_and_filter(api: httpx.AsyncClient) -> None:
    for name, kind in (("c", "coder"), ("a", "support"), ("b_1", "coder"), ("bX1", "coder")):
        await api.post("/api/v1/agents", json={"external_id": name, "agent_type": kind})
    first = (await api.get("/api/v1/agents", params={"limit": 3})).json()
    rest = (await api.get("/api/v1/agents", params={"limit": 3, "cursor": first["next"]})).json()
    assert [agent["external_id"] for agent in first["items"] + rest["items"]] == sorted(["a", "b_1", "bX1", "c"])
    assert rest["next"] is None
    coders = (await api.get("/api/v1/agents", params={"agent_type": "coder", "q": "b_"})).json()["items"]
    assert [agent["external_id"] for agent in coders] == ["b_1"]


async def test_a_change_is_made_audited_and_told_to_the_alerter(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    await _log(api)
    changed = await api.patch("/api/v1/agents/akira-001", json={"name": "Akira", "tags": {"env": "prod"}})
    assert (changed.json()["name"], changed.json()["tags"]) == ("Akira", {"env": "prod"})
    entry = (await api.get("/api/v1/audit-logs")).json()["items"][0]
    assert (entry["action"], entry["old_values"]["name"], entry["new_values"]["name"]) == (
        "agent.updated",
        "akira-001",
        "Akira",
    )
    assert entry["actor"] == f"key:{tenant.key_id}"


async def test_a_retired_agent_is_archived_and_expected_no_more(api: httpx.AsyncClient) -> None:
    await api.post("/api/v1/heartbeats", json={"agent": "akira-001", "status": "active", "interval": 10})
    retired = (await api.post("/api/v1/agents/akira-001/retire")).json()
    assert retired["status"] == "archived"
    assert retired["retired_at"] is not None
    revived = (await api.patch("/api/v1/agents/akira-001", json={"status": "active"})).json()
    assert (revived["status"], revived["retired_at"]) == ("active", None)


async def test_a_deleted_agent_is_hidden_and_its_messages_are_refused(api: httpx.AsyncClient) -> None:
    await _log(api)
    assert (await api.delete("/api/v1/agents/akira-001")).status_code == 200
    assert (await api.get("/api/v1/agents/akira-001")).status_code == 404
    assert (await api.get("/api/v1/agents")).json()["items"] == []
    assert (await api.delete("/api/v1/agents/akira-001")).status_code == 404


async def test_predefined_types_are_readable_by_all(api: httpx.AsyncClient) -> None:
    types = (await api.get("/api/v1/agent-types")).json()["items"]
    assert {"custom", "coder", "host"} <= {kind["slug"] for kind in types if kind["predefined"]}
