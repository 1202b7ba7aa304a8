"""Versions: told, seen, and each compared with the one before."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from monitor.db import Database
from monitor.runs.model import Task
from monitor.usage.model import Total
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_agent
from tests.insight.telling import failed, follow, get
from tests.runs.makers import at, put, task, total


async def tell(api: httpx.AsyncClient, tenant: TenantMade, **body: Any) -> Any:
    """A marker that somebody tells of."""
    answer = await api.post("/api/v1/deployments", json=body, headers=tenant.headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_version_that_tasks_name_is_seen_once(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    other = await make_agent(db, tenant.id, "rei-002")
    for seconds in (0, 10):
        await put(
            db, tenant.id,
            tasks=[
                task(agent_id, seconds=seconds + 1, agent_version="1.1"),
                task(agent_id, seconds=seconds + 2, agent_version="1.1", environment="prod"),
                task(other, seconds=seconds + 3, agent_version="1.1"),
                task(agent_id, seconds=seconds + 4),
            ],
        )  # fmt: skip
        await follow(db, clock)
    found = (await get(api, tenant, "deployments"))["items"]
    assert [(item["agent"], item["version"], item["environment"], item["source"]) for item in found] == [
        ("rei-002", "1.1", "", "seen"), ("akira-001", "1.1", "prod", "seen"), ("akira-001", "1.1", "", "seen"),
    ]  # fmt: skip
    assert found[2]["at"].startswith(at(1).strftime("%Y-%m-%dT%H:%M:%S"))
    assert len((await get(api, tenant, "deployments", agent="rei-002"))["items"]) == 1


async def test_what_is_told_takes_the_place_of_what_was_seen_and_is_not_seen_again(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    await put(db, tenant.id, tasks=[task(agent_id, agent_version="1.1")])
    await follow(db, clock)
    told = await tell(
        api, tenant, agent="akira-001", version="1.1", description="smaller prompt", url="https://ci.example.com/7"
    )
    assert (told["source"], told["description"], told["url"]) == ("told", "smaller prompt", "https://ci.example.com/7")
    await put(db, tenant.id, tasks=[task(agent_id, seconds=2, agent_version="1.1")])
    await follow(db, clock)
    (item,) = (await get(api, tenant, "deployments"))["items"]
    assert (item["id"], item["source"]) == (told["id"], "told")
    # The same version went out again.
    again = await tell(api, tenant, agent="akira-001", version="1.1", at=at(-5).isoformat())
    everybodys = await tell(api, tenant, version="2026-07", environment="prod", at=at(-6).isoformat())
    found = (await get(api, tenant, "deployments", agent="akira-001"))["items"]
    assert [item["id"] for item in found] == [told["id"], again["id"], everybodys["id"]]
    page = await get(api, tenant, "deployments", limit=2)
    rest = await get(api, tenant, "deployments", limit=2, cursor=page["next"])
    assert [item["id"] for item in rest["items"]] == [everybodys["id"]]
    audit = (await get(api, tenant, "audit-logs"))["items"][0]
    assert (audit["action"], audit["new_values"]["version"]) == ("deployment.told", "2026-07")


async def test_an_unknown_agent_and_a_nameless_version_are_refused(api: httpx.AsyncClient, tenant: TenantMade) -> None:
    for body, status in (({"agent": "nobody", "version": "1"}, 404), ({"version": ""}, 422), ({}, 422)):
        assert (await api.post("/api/v1/deployments", json=body, headers=tenant.headers)).status_code == status


@pytest.fixture
async def versions(db: Database, tenant: TenantMade, agent_id: UUID) -> None:
    """40 tasks of 1.0; 40 of 1.1, slower, dearer and with failures; 3 of 1.2."""
    tasks: list[Task] = []
    totals: dict[UUID, Total] = {}
    for number in range(40):
        old = task(agent_id, seconds=number, took=1 + number / 100, agent_version="1.0", model="m")
        make = task if number % 4 else failed
        new = make(agent_id, seconds=100 + number, took=3 + number / 100, agent_version="1.1", model="m")
        tasks += [old, new]
        totals |= {old.id: total(30, "0.01"), new.id: total(60, "0.03")}
    tasks += [task(agent_id, seconds=200 + number, agent_version="1.2", model="n") for number in range(3)]
    tasks.append(task(agent_id, seconds=300, took=None, agent_version="1.3"))
    await put(db, tenant.id, tasks=tasks, totals=totals)


@pytest.mark.usefixtures("versions")
async def test_each_version_is_compared_with_the_one_before(api: httpx.AsyncClient, tenant: TenantMade) -> None:
    found = await get(api, tenant, "compare", agent="akira-001")
    newest, new, old = found["items"]
    assert [item["key"] for item in found["items"]] == ["1.2", "1.1", "1.0"]
    assert [item["before"] for item in found["items"]] == ["1.1", "1.0", None]
    assert {metric: one["verdict"] for metric, one in newest["findings"].items()} == dict.fromkeys(
        ("success_rate", "duration_ms", "tokens", "cost_usd"), "too few"
    )
    assert {metric: one["verdict"] for metric, one in new["findings"].items()} == dict.fromkeys(
        ("success_rate", "duration_ms", "tokens", "cost_usd"), "worse"
    )
    assert (new["tasks"], new["success_rate"], new["tokens_per_task"]) == (40, 0.75, 60)
    assert new["cost_per_task_usd"] == pytest.approx(0.03)
    assert (old["p50_ms"], old["p95_ms"], old["findings"]) == (1190, 1370, {})
    assert new["findings"]["success_rate"]["high"] < 0
    assert new["findings"]["duration_ms"]["larger"] == 1
    assert new["findings"]["duration_ms"]["p"] < 1e-6


@pytest.mark.usefixtures("versions")
async def test_models_one_metric_another_floor_and_a_window(api: httpx.AsyncClient, tenant: TenantMade) -> None:
    newest, old = (await get(api, tenant, "compare", agent="akira-001", by="model", metric="tokens"))["items"]
    assert (newest["key"], old["key"], old["tasks"]) == ("n", "m", 80)
    assert list(newest["findings"]) == ["tokens"]
    assert newest["findings"]["tokens"]["verdict"] == "too few"
    (only,) = (await get(api, tenant, "compare", agent="akira-001", floor=41, limit=1))["items"]
    assert (only["key"], only["before"], only["findings"]["tokens"]["verdict"]) == ("1.2", "1.1", "too few")
    assert (await get(api, tenant, "compare", agent="akira-001", window="1m"))["items"] == []
    for params in ({"agent": "akira-001", "window": "0h"}, {"agent": "akira-001", "metric": "x"}):
        assert (await api.get("/api/v1/compare", params=params, headers=tenant.headers)).status_code == 422
