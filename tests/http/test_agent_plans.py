"""What an agent takes from its type, its schedule and its webhook, as the API checks them; runs as it shows them."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from monitor.agents.planning import merged, missing
from monitor.agents.tables import AgentType
from monitor.db import Database
from monitor.ids import uuid7
from monitor.settings import Settings
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.application import serving

DEFAULTS = {"model": "small", "limits": {"tokens": 1000, "calls": 5}, "tools": ["search"]}
REQUIRED = ["repository", "limits.tokens", {"name": "owner.team"}]


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock, tenant: TenantMade) -> AsyncIterator[httpx.AsyncClient]:
    async with db.tenant(tenant.id) as connection:
        await connection.execute(
            insert(AgentType).values(
                tenant_id=tenant.id, id=uuid7(clock()), slug="reviewer", name="Reviewer", default_config=DEFAULTS,
                required_params=REQUIRED,
            )
        )  # fmt: skip
    async with serving(db, clock, settings=Settings(webhook_allow=("10.1.0.0/16", "runner.internal"))) as client:
        client.headers.update(tenant.headers)
        yield client


OWN = {"repository": "r", "owner": {"team": "t"}, "limits": {"calls": 9}}


def test_objects_are_laid_over_each_other_and_other_values_replace() -> None:
    assert merged({"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"c": [2], "e": 3}, "d": {"f": 1}}) == {
        "a": {"b": 1, "c": [2], "e": 3},
        "d": {"f": 1},
    }
    assert merged({}, {"a": 1}) == merged({"a": 1}, {}) == {"a": 1}
    assert merged({"a": 1}, {"a": None}) == {"a": None}


def test_required_parameters_are_paths() -> None:
    config = {"a": {"b": 0}, "c": None, "e": "x"}
    assert list(missing(["a", "a.b", "c", "d.e", {"name": "e.f"}, 5, {"title": "x"}, ""], config)) == [
        "c",
        "d.e",
        "e.f",
    ]


async def test_a_new_agent_takes_its_types_defaults(api: httpx.AsyncClient) -> None:
    made = await api.post("/api/v1/agents", json={"external_id": "a", "agent_type": "reviewer", "config": OWN})
    assert made.status_code == 201, made.text
    assert made.json()["config"] == {
        "model": "small", "limits": {"tokens": 1000, "calls": 9}, "tools": ["search"], "repository": "r",
        "owner": {"team": "t"},
    }  # fmt: skip


async def test_each_missing_parameter_is_named(api: httpx.AsyncClient) -> None:
    body = {"external_id": "a", "agent_type": "reviewer", "config": {"owner": {}, "limits": {"tokens": None}}}
    answer = await api.post("/api/v1/agents", json=body)
    assert (answer.status_code, answer.json()["path"]) == (422, "config.repository")
    paths = [fault["path"] for fault in answer.json()["errors"]]
    assert paths == ["config.repository", "config.limits.tokens", "config.owner.team"]
    assert (await api.get("/api/v1/agents/a")).status_code == 404


async def test_a_change_of_type_or_configuration_is_checked_in_the_same_way(api: httpx.AsyncClient) -> None:
    await api.post("/api/v1/agents", json={"external_id": "a", "config": {"repository": "r"}})
    refused = await api.patch("/api/v1/agents/a", json={"agent_type": "reviewer"})
    assert [fault["path"] for fault in refused.json()["errors"]] == ["config.owner.team"]
    assert (await api.get("/api/v1/agents/a")).json()["agent_type"] == "custom"
    taken = await api.patch("/api/v1/agents/a", json={"agent_type": "reviewer", "config": OWN})
    assert taken.json()["config"]["model"] == "small"
    refused = await api.patch("/api/v1/agents/a", json={"config": {}})
    assert refused.status_code == 422
    kept = await api.patch("/api/v1/agents/a", json={"name": "A"})
    assert kept.json()["config"] == taken.json()["config"]


async def test_an_agent_that_registers_itself_has_no_configuration(api: httpx.AsyncClient) -> None:
    await api.post("/api/v1/logs", json={"agent": "b", "status": "success"})
    agent = (await api.get("/api/v1/agents/b")).json()
    assert (agent["agent_type"], agent["config"]) == ("custom", {})
    assert (agent["schedule"], agent["timezone"], agent["webhook_url"], agent["next_run_at"]) == (
        None,
        "UTC",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"schedule": "every day"}, "schedule"),
        ({"schedule": "0 0 30 2 *"}, "schedule"),
        ({"schedule": ""}, "schedule"),
        ({"schedule": "0 0 * * *", "timezone": "Moon/Tranquility"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"webhook_url": "example.com"}, "webhook_url"),
        ({"webhook_url": "file:///etc/passwd"}, "webhook_url"),
        ({"webhook_url": "http://127.0.0.1/"}, "webhook_url"),
        ({"webhook_url": "http://[::ffff:10.0.0.1]/"}, "webhook_url"),
        ({"webhook_url": "http://169.254.169.254/latest"}, "webhook_url"),
        ({"webhook_url": "http://public@10.2.0.1/"}, "webhook_url"),
        ({"webhook_url": "http://2130706433/"}, "webhook_url"),
        ({"webhook_url": ""}, "webhook_url"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_path(api: httpx.AsyncClient, body: dict[str, Any], path: str) -> None:
    made = await api.post("/api/v1/agents", json={"external_id": "a", **body})
    assert (made.status_code, made.json().get("path")) == (422, path), made.text
    await api.post("/api/v1/agents", json={"external_id": "a"})
    changed = await api.patch("/api/v1/agents/a", json=body)
    assert (changed.status_code, changed.json().get("path")) == (422, path), changed.text


@pytest.mark.parametrize("url", ["https://hooks.example.com/run", "http://10.1.2.3:8080/", "http://runner.internal/x"])
async def test_a_webhook_that_may_be_called_is_kept(api: httpx.AsyncClient, url: str) -> None:
    made = await api.post("/api/v1/agents", json={"external_id": "a", "webhook_url": url})
    assert (made.status_code, made.json()["webhook_url"]) == (201, url), made.text


async def test_the_next_time_follows_schedule_and_time_zone(api: httpx.AsyncClient, clock: SettableClock) -> None:
    clock.time = datetime.fromisoformat(f"{clock.time.year + 1}-01-15T12:00:00+00:00")

    async def next_run(**changes: Any) -> str | None:
        answer = await api.patch("/api/v1/agents/a", json=changes)
        assert answer.status_code == 200, answer.text
        found: str | None = answer.json()["next_run_at"]
        return None if found is None else found[5:16]

    await api.post("/api/v1/agents", json={"external_id": "a"})
    assert await next_run(schedule="0 9 * * *") == "01-16T09:00"
    assert await next_run(timezone="America/New_York") == "01-15T14:00"
    assert await next_run(description="unchanged") == "01-15T14:00"
    assert await next_run(status="maintenance") is None
    assert await next_run(schedule="0 10 * * *") is None
    assert await next_run(status="active") == "01-15T15:00"
    assert await next_run(schedule=None) is None


async def test_runs_are_shown_in_pages_and_asked_for(api: httpx.AsyncClient, clock: SettableClock) -> None:
    await api.post("/api/v1/agents", json={"external_id": "a"})
    refused = await api.post("/api/v1/agents/a/run")
    assert (refused.status_code, refused.json()["path"]) == (422, "webhook_url")
    await api.patch("/api/v1/agents/a", json={"webhook_url": "https://hooks.example.com/run"})
    asked = []
    for _ in range(5):
        answer = await api.post("/api/v1/agents/a/run")
        assert answer.status_code == 202
        assert (answer.json()["status"], answer.json()["agent"]) == ("pending", "a")
        asked.append(answer.json()["id"])
        clock.advance(1)
    again = await api.post("/api/v1/agents/a/retire")
    assert again.status_code == 200
    assert (await api.post("/api/v1/agents/a/run")).status_code == 409
    seen, params = list[str](), dict[str, Any](limit=2)
    while True:
        page = (await api.get("/api/v1/agents/a/runs", params=params)).json()
        seen += [run["id"] for run in page["items"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert seen == asked[::-1]
    wrong = await api.get("/api/v1/agents/a/runs", params={"cursor": "WyJ4Il0"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "unreadable")
