"""Usage by period: counted once however often, and told by callers."""

from datetime import timedelta
from typing import Any

import httpx

from monitor.db import Database
from monitor.principal import Scope
from monitor.usage import metrics
from monitor.usage.meter import Meter
from monitor.usage.model import Tokens
from monitor.usage.quota import period
from monitor.usage.quota_tables import Resource
from tests.conftest import SettableClock
from tests.factories import make_key, make_tenant
from tests.usage.stage import Stage


async def listed(api: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    """Metrics as they are answered."""
    answer = await api.get("/api/v1/usage-metrics", params={"end": "2099-01-01T00:00:00Z", **query})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_what_is_stored_is_counted_by_day_and_agent_and_counting_again_changes_nothing(
    api: httpx.AsyncClient, db: Database, stage: Stage, clock: SettableClock
) -> None:
    await stage.put([stage.call(tokens=Tokens(input=7, output=2)), stage.call(agent_id=stage.agents[1])])
    for status in ("success", "error"):
        assert (await api.post("/api/v1/logs", json={"agent": "agent-0", "status": status})).status_code == 202
    await api.post("/api/v1/logs", json={"agent": "agent-0", "status": "success", "kind": "line"})
    tool = {"agent": "agent-1", "tool_name": "search", "status": "success"}
    assert (await api.post("/api/v1/tool-executions", json=tool)).status_code == 201
    meter = Meter(db, clock)
    for _ in range(3):
        await meter.enter(stage.tenant.id, clock())
    await meter.close()
    for _ in range(2):
        await metrics.run_once(db, clock.time)
    found = {(row["type"], row["agent"]): row for row in await listed(api)}
    counted = {key: row["value"] for key, row in found.items() if key[0] != "api_calls"}
    assert counted == {
        ("model_calls", "agent-0"): 1, ("tokens_input", "agent-0"): 7, ("tokens_output", "agent-0"): 2,
        ("model_calls", "agent-1"): 1, ("tokens_input", "agent-1"): 1000, ("tokens_output", "agent-1"): 100,
        ("agent_executions", "agent-0"): 2, ("tool_executions", "agent-1"): 1,
    }  # fmt: skip
    assert found["api_calls", None]["value"] >= 3
    start, end = period(Resource.REQUESTS, clock.time)
    assert start is not None
    assert end is not None
    assert {row["period_start"] for row in found.values()} == {start.isoformat().replace("+00:00", "Z")}
    # More of the same day changes the rows that are there.
    await stage.put([stage.call(tokens=Tokens(input=3))])
    await metrics.run_once(db, clock.time)
    again = await listed(api, type="tokens_input", agent="agent-0")
    assert [(row["id"], row["value"]) for row in again] == [(found["tokens_input", "agent-0"]["id"], 10)]


async def test_a_callers_own_count_is_replaced_when_it_is_told_again(api: httpx.AsyncClient, stage: Stage) -> None:
    told = {"type": "seats", "value": 3, "agent": "agent-0", "metadata": {"plan": "team"}}
    for value in (3, 4):
        answer = await api.post("/api/v1/usage", json={**told, "value": value})
        assert (answer.status_code, answer.json()["accepted"]) == (201, 1)
    (only,) = await listed(api, type="seats")
    assert (only["value"], only["agent"], only["metadata"]) == (4, "agent-0", {"plan": "team"})
    # Of the whole tenant, and of another period, it is another one.
    hour = stage.now.replace(minute=0, second=0, microsecond=0)
    more = [
        {"type": "seats", "value": 9},
        {
            "type": "seats", "value": 1, "agent": "agent-0", "period_start": (hour - timedelta(hours=1)).isoformat(),
            "period_end": hour.isoformat(),
        },
    ]  # fmt: skip
    assert (await api.post("/api/v1/usage", json=more)).json()["accepted"] == 2
    assert sorted(row["value"] for row in await listed(api, type="seats")) == [1, 4, 9]


async def test_bad_rows_are_named_and_good_ones_kept(api: httpx.AsyncClient, db: Database, stage: Stage) -> None:
    old = (stage.now - timedelta(days=500)).isoformat()
    rows = [
        {"type": "seats", "value": 1},
        {"type": "api_calls", "value": 1},
        {"type": "seats", "value": -1},
        {"type": "seats", "value": 1, "period_start": old},
        {"type": "seats", "value": 1, "period_start": old, "period_end": stage.now.isoformat()},
        {"type": "seats", "value": 1, "unknown": 1},
        {"type": "seats", "value": 1, "metadata": {"a": "\x00"}},
        {"type": "seats", "value": 2**63},
    ]
    answer = await api.post("/api/v1/usage", json=rows)
    assert answer.status_code == 201
    assert answer.json()["accepted"] == 1
    assert sorted(one["index"] for one in answer.json()["rejected"]) == [1, 2, 3, 4, 5, 6, 7]
    assert (await api.post("/api/v1/usage", json=rows[1:])).status_code == 422
    assert (await api.post("/api/v1/usage", content="{")).status_code == 400
    # A key that is bound to one agent tells of that one alone.
    _, bound = await make_key(db, stage.tenant.id, scopes=(Scope.INGEST,), agent_id=stage.agents[0])
    headers = {"Authorization": f"Bearer {bound}"}
    for agent, status in (("agent-0", 201), ("agent-1", 422), (None, 422)):
        told = {"type": "mine", "value": 1, "agent": agent}
        assert (await api.post("/api/v1/usage", json=told, headers=headers)).status_code == status


async def test_pages_and_filters(api: httpx.AsyncClient, db: Database, stage: Stage) -> None:
    hour = stage.now.replace(minute=0, second=0, microsecond=0)
    rows = [
        {
            "type": "units", "value": number, "period_start": (hour - timedelta(hours=number + 1)).isoformat(),
            "period_end": (hour - timedelta(hours=number)).isoformat(),
        }
        for number in range(5)
    ]  # fmt: skip
    assert (await api.post("/api/v1/usage", json=rows)).json()["accepted"] == 5
    first = (await api.get("/api/v1/usage-metrics", params={"type": "units", "limit": 3})).json()
    rest = (await api.get("/api/v1/usage-metrics", params={"type": "units", "cursor": first["next"]})).json()
    assert [row["value"] for row in first["items"] + rest["items"]] == [4, 3, 2, 1, 0]
    since = (hour - timedelta(hours=2)).isoformat()
    assert [row["value"] for row in await listed(api, type="units", start=since)] == [1, 0]
    assert await listed(api, type="units", start="0001-01-01T00:00:00Z") == first["items"] + rest["items"]
    other = await make_tenant(db)
    assert (await api.get("/api/v1/usage-metrics", headers=other.headers)).json()["items"] == []
