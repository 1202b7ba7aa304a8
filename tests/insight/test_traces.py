"""Traces as lists that can be searched, and as pages with everything in them."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from msgspec.structs import replace
from sqlalchemy import event, text

from monitor.db import Database, Role
from monitor.ids import microseconds, uuid7_named
from monitor.runs import search
from monitor.runs.model import RunStatus
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_agent
from tests.insight.telling import failed, follow, get
from tests.runs.makers import at, execution, put, task, tool, total, trace


async def span(db: Database, tenant_id: UUID, trace_id: str, number: int, **values: Any) -> None:
    """A step, a child of the first one unless it is that."""
    given = {
        "tenant": tenant_id, "trace": trace_id, "span": f"{number:016x}",
        "parent": None if number == 0 else f"{0:016x}", "kind": "agent" if number == 0 else "other",
        "status": "ok", "at": at(number), "id": uuid7_named(microseconds(at(number)), f"{trace_id}:{number:016x}"),
    } | values  # fmt: skip
    async with db.tenant(tenant_id) as connection:
        await connection.execute(
            text(
                "INSERT INTO spans (tenant_id, id, trace_id, span_id, parent_id, kind, name, status, facts, "
                "started_at, rank) VALUES (:tenant, :id, :trace, :span, :parent, :kind, 'step', :status, "
                '\'{"model": "m"}\', :at, 1)'
            ),
            given,
        )


async def names(api: httpx.AsyncClient, tenant: TenantMade, **params: Any) -> list[str]:
    """Names of the traces that are found."""
    return [item["name"] for item in (await get(api, tenant, "traces", **params))["items"]]


@pytest.fixture
async def three(db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID) -> list[str]:
    """Three traces: `first` with a subtask of another agent, `second` failed, `third` still runs."""
    other = await make_agent(db, tenant.id, "rei-002")
    ids = [trace() for _ in range(3)]
    root = task(agent_id, took=5, trace_id=ids[0], description="first", model="gpt-5", conversation="c-1")
    sub = task(
        other, seconds=1, took=9, trace_id=ids[0], parent_task_id=root.id, model="haiku", input={"q": "Zürich 50%"}
    )
    bad = failed(agent_id, "no answer", seconds=100, took=1, trace_id=ids[1], description="second")
    going = task(agent_id, seconds=200, took=None, trace_id=ids[2], description="third_one")
    await put(
        db, tenant.id, tasks=[root, sub, bad, going, task(agent_id, description="no trace")],
        totals={root.id: total(90, "0.5"), sub.id: total(9, "0.25"), bad.id: total(3, "0.01")},
    )  # fmt: skip
    await follow(db, clock)
    return ids


async def test_a_trace_is_the_sum_of_its_tasks(api: httpx.AsyncClient, tenant: TenantMade, three: list[str]) -> None:
    third, second, first = (await get(api, tenant, "traces"))["items"]
    assert [third["name"], second["name"], first["name"]] == ["third_one", "second", "first"]
    assert [third["status"], second["status"], first["status"]] == ["running", "failed", "completed"]
    assert (first["agents"], first["models"], first["conversation"]) == (
        ["akira-001", "rei-002"], ["gpt-5", "haiku"], "c-1",
    )  # fmt: skip
    assert (first["tasks"], first["tokens"], Decimal(first["cost_usd"])) == (2, 99, Decimal("0.75"))
    assert (first["duration_ms"], second["failed_tasks"], third["duration_ms"]) == (10_000, 1, None)


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"agent": "rei-002"}, ["first"]),
        ({"model": "haiku"}, ["first"]),
        ({"status": "failed"}, ["second"]),
        ({"status": "running"}, ["third_one"]),
        ({"text": "no ANSW"}, ["second"]),
        ({"text": "zürich 50%"}, ["first"]),
        ({"text": "d_o"}, ["third_one"]),
        ({"text": "c_d"}, []),
        ({"text": "%"}, ["first"]),
        ({"conversation": "c-1"}, ["first"]),
        ({"min_duration": 5000}, ["first"]),
        ({"max_duration": 5000}, ["second"]),
        ({"min_cost": "0.01"}, ["second", "first"]),
        ({"min_cost": "0.02", "max_cost": "0.75"}, ["first"]),
        ({"since": at(50).isoformat(), "until": at(150).isoformat()}, ["second"]),
        ({"since": "-24h", "agent": "akira-001", "min_duration": 1}, ["second", "first"]),
    ],
)
async def test_traces_are_found_by_what_they_come_to(
    api: httpx.AsyncClient, tenant: TenantMade, three: list[str], params: dict[str, Any], found: list[str]
) -> None:
    assert await names(api, tenant, **params) == found


async def test_traces_come_in_pages_without_a_gap(api: httpx.AsyncClient, tenant: TenantMade, three: list[str]) -> None:
    seen, cursor = [], None
    for _ in range(3):
        page = await get(api, tenant, "traces", limit=1, **({"cursor": cursor} if cursor else {}))
        seen += [item["trace_id"] for item in page["items"]]
        cursor = page["next"]
    assert (seen, cursor) == (three[::-1], None)
    refused = await api.get("/api/v1/traces", params={"cursor": "WyJ4IiwieSJd"}, headers=tenant.headers)
    assert refused.status_code == 400


async def test_sums_follow_what_becomes_of_the_tasks(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    """However they come, and until none is left."""
    one = trace()
    late = task(agent_id, seconds=50, took=1, trace_id=one, description="late")
    await put(db, tenant.id, tasks=[late])
    await follow(db, clock)
    early = task(agent_id, seconds=-90_000, took=1, trace_id=one, description="early")
    await put(db, tenant.id, tasks=[early, replace(late, status=RunStatus.FAILED)], totals={early.id: total(3, "1")})
    await follow(db, clock)
    (item,) = (await get(api, tenant, "traces"))["items"]
    assert (item["name"], item["tasks"], item["status"]) == ("early", 2, "failed")
    assert Decimal(item["cost_usd"]) == 1
    assert item["duration_ms"] == 90_051_000
    async with db.tenant(tenant.id) as connection:
        await connection.execute(text("UPDATE tasks SET cost_usd = 2 WHERE id = :id"), {"id": late.id})
    await follow(db, clock)
    (item,) = (await get(api, tenant, "traces"))["items"]
    assert Decimal(item["cost_usd"]) == 3
    await put(db, tenant.id, trace_ids=[one])
    await follow(db, clock)
    assert (await get(api, tenant, "traces"))["items"] == []


async def test_contents_that_are_withheld_are_not_searched(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    made = task(agent_id, trace_id=trace(), description="quiet", input={"length": 17, "hash": "00112233aabbccdd"})
    await put(db, tenant.id, tasks=[made])
    await follow(db, clock)
    assert await names(api, tenant, text="quiet") == ["quiet"]
    assert await names(api, tenant, text="00112233") == []


async def test_a_page_has_the_steps_and_what_they_became(
    api: httpx.AsyncClient, db: Database, clock: SettableClock, tenant: TenantMade, agent_id: UUID
) -> None:
    one = trace()
    ids = [uuid7_named(microseconds(at(number)), f"{one}:{number:016x}") for number in range(3)]
    run = execution(trace_id=one)
    root = failed(agent_id, "no", id=ids[0], trace_id=one, execution_id=run.id, took=3)
    used = tool(agent_id, id=ids[1], trace_id=one, task_id=ids[0])
    await put(db, tenant.id, executions=[run], tasks=[root], tools=[used], totals={root.id: total(30, "0.125")})
    for number, status in ((2, "error"), (0, "error"), (1, "ok")):
        await span(db, tenant.id, one, number, status=status)
    await follow(db, clock)
    found = await get(api, tenant, f"traces/{one.upper()}")
    assert [step["span_id"][-1] for step in found["steps"]] == ["0", "1", "2"]
    assert [step["parent_id"] for step in found["steps"]] == [None, f"{0:016x}", f"{0:016x}"]
    assert [step["id"] for step in found["steps"]] == [str(one) for one in ids]
    assert (found["errors"], found["cut"], found["steps"][0]["facts"]) == (2, False, {"model": "m"})
    assert (found["trace"]["status"], found["trace"]["tokens"], Decimal(found["trace"]["cost_usd"])) == (
        "failed", 30, Decimal("0.125"),
    )  # fmt: skip
    assert [(made["id"], made["error_message"], made["agent"]) for made in found["tasks"]] == [
        (str(ids[0]), "no", "akira-001")
    ]
    assert [made["tool_name"] for made in found["tools"]] == ["read_file"]
    assert [made["id"] for made in found["executions"]] == [str(run.id)]


async def test_a_page_that_does_not_show_every_step_says_so(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trace()
    for number in range(3):
        await span(db, tenant.id, one, number)
    monkeypatch.setattr(search, "STEPS_AT_MOST", 2)
    found = await get(api, tenant, f"traces/{one}")
    assert (found["cut"], [step["span_id"][-1] for step in found["steps"]]) == (True, ["0", "1"])


async def test_a_page_takes_two_statements(db: Database, tenant: TenantMade, three: list[str]) -> None:
    statements: list[str] = []
    engine = db._engines[Role.APP].sync_engine
    event.listen(engine, "before_cursor_execute", lambda _c, _u, statement, *_: statements.append(statement))
    async with db.tenant(tenant.id) as connection:
        statements.clear()
        page = await search.get_trace(connection, tenant.id, three[0])
    assert page.trace is not None
    assert len(statements) == 2


async def test_steps_of_which_nothing_became_a_task_have_a_page_and_an_unknown_trace_none(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    one = trace()
    await span(db, tenant.id, one, 0)
    found = await get(api, tenant, f"traces/{one}")
    assert (found["trace"], len(found["steps"]), found["tasks"]) == (None, 1, [])
    assert (await api.get(f"/api/v1/traces/{trace()}", headers=tenant.headers)).status_code == 404
