"""Errors from every way in, in groups that stay right whatever is told again, late, or not any more."""

import asyncio
from uuid import UUID

import httpx
import pytest
from msgspec.structs import replace

from monitor.db import Database
from monitor.ids import uuid7
from monitor.runs.fingerprint import fingerprint
from monitor.runs.model import RunStatus
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_agent, make_tenant
from tests.insight.telling import broken, failed, follow, get, groups
from tests.runs.makers import at, put, task, trace


async def test_tasks_tools_and_logs_that_fail_alike_are_groups(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    other = await make_agent(db, tenant.id, "rei-002")
    one = trace()
    tasks = [
        failed(agent_id, "no answer after 30 s", seconds=1, agent_version="1.1", trace_id=one),
        failed(other, "no answer after 7 s", seconds=2, agent_version="1.2"),
        failed(agent_id, "the disk is full", seconds=3),
        task(agent_id, seconds=4),
    ]
    await put(db, tenant.id, tasks=tasks, tools=[broken(agent_id, task_id=tasks[3].id), broken(agent_id, seconds=5)])
    logs = [
        {"agent": "akira-001", "status": "error", "message": "cannot read '/a/b' after 3 tries", "id": "l1"},
        {"agent": "akira-001", "status": "error", "message": "cannot read '/c' after 4 tries"},
        {"agent": "akira-001", "status": "success", "message": "cannot be an error"},
        {"agent": "akira-001", "kind": "line", "status": "error", "message": "a line is no run"},
    ]
    assert (await api.post("/api/v1/logs", json=logs, headers=tenant.headers)).status_code == 202
    assert await follow(db, clock) > 0
    found = (await get(api, tenant, "errors"))["items"]
    assert sorted(item["count"] for item in found) == [1, 2, 2, 2]
    timeout = next(item for item in found if item["error_type"] == "TimeoutError" and item["count"] == 2)
    assert timeout["fingerprint"] == fingerprint("TimeoutError", "no answer after 1 s", None)
    assert (timeout["agents"], timeout["versions"], timeout["first_version"]) == (
        ["akira-001", "rei-002"], ["1.1", "1.2"], "1.1",
    )  # fmt: skip
    assert timeout["message"] == "no answer after 7 s", "the newest one's"
    occurrences = (await get(api, tenant, f"errors/{timeout['fingerprint']}/occurrences"))["items"]
    assert [(item["kind"], item["agent"], item["trace_id"]) for item in occurrences] == [
        ("task", "rei-002", None), ("task", "akira-001", one),
    ]  # fmt: skip
    assert occurrences[1]["task_id"] == str(tasks[0].id)
    kinds = {
        item["fingerprint"]: (await get(api, tenant, f"errors/{item['fingerprint']}/occurrences"))["items"][0]["kind"]
        for item in found
    }
    assert sorted(kinds.values()) == ["log", "task", "task", "tool"]


async def test_an_agent_sees_its_own_and_a_window_what_is_in_it(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    other = await make_agent(db, tenant.id, "rei-002")
    long_ago = [failed(agent_id, seconds=-86_400 * 2) for _ in range(3)]
    await put(db, tenant.id, tasks=[*long_ago, failed(agent_id), failed(other), failed(other, "other")])
    await follow(db, clock)
    assert [item["count"] for item in (await get(api, tenant, "errors"))["items"]] == [2, 1]
    (mine,) = (await get(api, tenant, "errors", agent="akira-001"))["items"]
    assert (mine["count"], mine["total"], mine["agents"]) == (1, 5, ["akira-001"])
    assert [item["count"] for item in (await get(api, tenant, "errors", window="3d"))["items"]] == [5, 1]
    assert (await get(api, tenant, f"errors/{mine['fingerprint']}", window="3d"))["count"] == 5


async def test_groups_come_in_pages(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    words = ["alpha", "beta", "gamma", "delta", "epsilon"]
    await put(db, tenant.id, tasks=[failed(agent_id, word) for word in words for _ in range(1 + len(word) % 2)])
    await follow(db, clock)
    seen, cursor = [], None
    while True:
        page = await get(api, tenant, "errors", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(item["message"] for item in seen) == sorted(words)
    assert [item["count"] for item in seen] == sorted((item["count"] for item in seen), reverse=True)
    occurrences = f"errors/{seen[0]['fingerprint']}/occurrences"
    first = await get(api, tenant, occurrences, limit=1)
    (second,) = (await get(api, tenant, occurrences, limit=1, cursor=first["next"]))["items"]
    assert second["id"] < first["items"][0]["id"]


async def test_the_same_told_again_counts_once_and_what_never_failed_goes_away(
    db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    one = trace()
    made = failed(agent_id, trace_id=one)
    for _ in range(3):
        await put(db, tenant.id, tasks=[made], trace_ids=[one])
        await follow(db, clock)
    (group,) = await groups(db, tenant.id)
    assert group["count"] == 1
    # More of the trace came: it failed with other words.
    await put(db, tenant.id, tasks=[replace(made, error_message="the disk is full")], trace_ids=[one])
    await follow(db, clock)
    (group,) = await groups(db, tenant.id)
    assert (group["count"], group["message"]) == (1, "the disk is full")
    # And then: it did not fail at all.
    done = replace(made, status=RunStatus.COMPLETED, error_type=None, error_message=None)
    await put(db, tenant.id, tasks=[done], trace_ids=[one])
    await follow(db, clock)
    assert await groups(db, tenant.id) == []
    # It is no part of the trace any more.
    await put(db, tenant.id, tasks=[made], trace_ids=[one])
    await put(db, tenant.id, trace_ids=[one])
    await follow(db, clock)
    assert await groups(db, tenant.id) == []


@pytest.mark.parametrize("log_first", [True, False])
async def test_a_task_and_the_log_that_stands_for_it_are_one_failure(
    db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID, log_first: bool
) -> None:
    """They share their id; the task knows more."""
    made = failed(agent_id)

    async def log() -> None:
        insert = (
            "INSERT INTO agent_logs (tenant_id, agent_id, id, kind, status, message) "
            f"VALUES ('{tenant.id}', '{agent_id}', '{made.id}', 'execution', 'error', 'it failed')"
        )
        news = (
            "INSERT INTO run_news (tenant_id, kind, run_ids, agent_ids) "
            f"VALUES ('{tenant.id}', 'log', '{{{made.id}}}', '{{{agent_id}}}')"
        )
        async with db.tenant(tenant.id) as connection:
            await connection.exec_driver_sql(insert)
            await connection.exec_driver_sql(news)

    steps = [log(), put(db, tenant.id, tasks=[made])]
    for step in steps if log_first else reversed(steps):
        await step
        await follow(db, clock)
    (group,) = await groups(db, tenant.id)
    assert (group["count"], group["error_type"]) == (1, "TimeoutError")


async def test_what_is_resolved_and_comes_back_is_regressed_and_what_is_ignored_stays_so(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    await put(db, tenant.id, tasks=[failed(agent_id, "one"), failed(agent_id, "two")])
    await follow(db, clock)
    names = {item["message"]: item["fingerprint"] for item in (await get(api, tenant, "errors"))["items"]}
    for message, status in (("one", "resolved"), ("two", "ignored")):
        path = f"/api/v1/errors/{names[message]}/status"
        answer = await api.post(path, json={"status": status}, headers=tenant.headers)
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    # A failure that is older than the word of whoever resolved it says nothing new.
    await put(db, tenant.id, tasks=[failed(agent_id, "one", seconds=5)])
    await follow(db, clock)
    assert (await get(api, tenant, f"errors/{names['one']}"))["status"] == "resolved"
    late = (clock.advance(60) - at(0)).total_seconds()
    await put(db, tenant.id, tasks=[failed(agent_id, word, seconds=late) for word in ("one", "two")])
    await follow(db, clock)
    clock.advance(5)
    assert (await get(api, tenant, f"errors/{names['one']}"))["status"] == "regressed"
    assert (await get(api, tenant, f"errors/{names['two']}"))["status"] == "ignored"
    assert [item["message"] for item in (await get(api, tenant, "errors", status="regressed"))["items"]] == ["one"]
    audit = (await get(api, tenant, "audit-logs"))["items"][0]
    assert (audit["action"], audit["new_values"]) == ("error.status_set", {"status": "ignored"})
    refused = await api.post(
        f"/api/v1/errors/{names['one']}/status", json={"status": "regressed"}, headers=tenant.headers
    )
    assert refused.status_code == 422


async def test_an_unknown_error_is_not_found(api: httpx.AsyncClient, tenant: TenantMade) -> None:
    for path in ("errors/none", "errors/none/occurrences"):
        assert (await api.get(f"/api/v1/{path}", headers=tenant.headers)).status_code == 404


async def test_several_alerters_at_once_count_everything_once(
    db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    other = await make_tenant(db)
    theirs = await make_agent(db, other.id)
    for number in range(10):
        await put(db, tenant.id, tasks=[failed(agent_id, seconds=number) for _ in range(3)])
        await put(db, other.id, tasks=[failed(theirs, seconds=number)])
        await asyncio.gather(*(follow(db, clock) for _ in range(3)))
    await follow(db, clock)
    assert [group["count"] for group in await groups(db, tenant.id)] == [30]
    assert [group["count"] for group in await groups(db, other.id)] == [10]
    assert await follow(db, clock) == 0


async def test_a_failure_without_a_word_has_a_group_too(
    db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    made = failed(agent_id, "", error_type=None, error_message=None, id=uuid7(at(1)))
    await put(db, tenant.id, tasks=[made])
    await follow(db, clock)
    (group,) = await groups(db, tenant.id)
    assert (group["count"], group["message"]) == (1, None)
