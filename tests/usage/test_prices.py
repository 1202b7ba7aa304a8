"""Prices by HTTP and from the product's list, and what becomes of calls when one comes or goes."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.http.paging import encode
from monitor.ids import PLATFORM_TENANT, uuid7
from monitor.usage import prices, repricing
from monitor.usage.model import Tokens
from monitor.usage.prices import Listed, load_shipped, replace_prices
from monitor.usage.tables import PriceSource
from tests.factories import make_agent, make_tenant
from tests.usage.stage import LONG_AGO, Stage

NEW = {"model": "New-Model", "input": "2", "output": 10.5, "cache_read": "0.25"}


async def test_a_tenants_own_price_is_made_shown_matched_and_forgotten(api: httpx.AsyncClient, stage: Stage) -> None:
    made = (await api.post("/api/v1/prices", json=NEW)).json()
    assert {name: made[name] for name in ("model", "input", "output", "cache_read", "cache_write", "source")} == {
        "model": "new-model", "input": "2", "output": "10.5", "cache_read": "0.25", "cache_write": None,
        "source": "tenant",
    }  # fmt: skip
    assert made["valid_from"] == stage.now.isoformat().replace("+00:00", "Z")
    assert [row["model"] for row in (await api.get("/api/v1/prices")).json()["items"]] == ["m-1", "new-model"]
    match = (await api.get("/api/v1/prices/match", params={"model": "openai/new-model-2026-01-01"})).json()
    assert match["price"]["id"] == made["id"]
    assert match["names"] == [
        "openai/new-model-2026-01-01", "new-model-2026-01-01", "openai/new-model", "new-model",
    ]  # fmt: skip
    assert (await api.post("/api/v1/prices", json=NEW)).status_code == 409
    assert (await api.delete(f"/api/v1/prices/{made['id']}")).status_code == 204
    assert (await api.delete(f"/api/v1/prices/{made['id']}")).status_code == 404
    match = (await api.get("/api/v1/prices/match", params={"model": "new-model"})).json()
    assert (match["names"], match["price"]) == (["new-model"], None)
    # The platform's are not a tenant's to forget.
    theirs = (await api.get("/api/v1/prices", params={"q": "M-1"})).json()["items"][0]
    assert (await api.delete(f"/api/v1/prices/{theirs['id']}")).status_code == 404


WRONG = (
    {"input": -1}, {"input": "NaN"}, {"input": "0.00000000001"}, {"input": 1e9}, {"model": ""}, {"model": "a*b"},
    {"model": "x" * 201}, {"valid_from": "soon"}, {"valid_from": "2026-01-01T00:00:00"}, {"more": 1},
    {"model": "a\x00"},
)  # fmt: skip


async def test_a_price_that_cannot_be_is_refused(api: httpx.AsyncClient) -> None:
    answers = [(await api.post("/api/v1/prices", json=NEW | wrong)).status_code for wrong in WRONG]
    assert answers == [422] * len(WRONG)


async def test_questions_about_prices_that_cannot_be_are_refused(api: httpx.AsyncClient) -> None:
    cursors = ("x", encode(["m", "no-id"]), encode(["m\x00", str(PLATFORM_TENANT)]))
    asked = ({"q": "a\x00"}, *({"cursor": cursor} for cursor in cursors))
    answers = [(await api.get("/api/v1/prices", params=query)).status_code for query in asked]
    assert answers == [422, 400, 400, 400]
    asked_match = ({"model": "a\x00"}, {"model": ""}, {"model": "m", "at": "soon"})
    answers = [(await api.get("/api/v1/prices/match", params=query)).status_code for query in asked_match]
    assert answers == [422] * 3


async def test_prices_are_paged(api: httpx.AsyncClient, db: Database) -> None:
    await load_shipped(db)
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 50} | ({"cursor": cursor} if cursor else {})
        answer = (await api.get("/api/v1/prices", params=query)).json()
        seen += [row["id"] for row in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == len(prices.shipped()) + 1


async def test_unknown_models_are_listed_and_priced_when_a_price_arrives(api: httpx.AsyncClient, stage: Stage) -> None:
    execution = await stage.execution()
    task = await stage.task(execution_id=execution)
    early = stage.now - timedelta(hours=3)
    calls = [
        stage.call(model="vendor-x", at=early, task_id=task, execution_id=execution),
        stage.call(model="vendor-x", task_id=task, execution_id=execution, given_cost=Decimal(1)),
        stage.call(model="vendor-x", at=stage.now - timedelta(hours=1), task_id=task, execution_id=execution),
        stage.call(model=None, at=early),
    ]
    await stage.put(calls)
    budget = (await api.post("/api/v1/budgets", json={"scope": "tenant", "period": "month", "limit": "10"})).json()
    assert budget["spent"] == "1"
    listed = (await api.get("/api/v1/prices/unpriced")).json()["items"]
    assert [(row["model"], row["calls"], row["input_tokens"], row["output_tokens"]) for row in listed] == [
        ("vendor-x", 2, 2000, 200), (None, 1, 1000, 100),
    ]  # fmt: skip
    assert listed[0]["first_seen_at"] == early.isoformat().replace("+00:00", "Z")
    since = (stage.now - timedelta(hours=2)).isoformat()
    await api.post("/api/v1/prices", json={"model": "vendor-x", "valid_from": since, "input": 1, "output": 1})
    assert await repricing.run_once(stage.db) == 1
    # One began before the price was valid, and one said itself what it cost.
    money = Decimal("1.0011")
    assert await totals(stage) == (money, money, money)
    assert [row["calls"] for row in (await api.get("/api/v1/prices/unpriced")).json()["items"]] == [1, 1]
    assert (await api.get(f"/api/v1/budgets/{budget['id']}")).json()["spent"] == "1.0011"
    assert await stage.rows("SELECT FROM price_changes") == []
    assert await repricing.run_once(stage.db) == 0


async def totals(stage: Stage) -> tuple[Decimal, Decimal, Decimal]:
    """Cost of tasks, of executions and of the tenant."""
    queries = (
        "sum(cost_usd) FROM tasks",
        "sum(total_cost_usd) FROM workflow_executions",
        "sum(cost_usd) FROM usage_hours",
    )
    one, two, three = [(await stage.rows(f"SELECT {query}"))[0][0] for query in queries]
    return one, two, three


async def test_prices_for_everybody_reach_every_tenant_in_batches(
    db: Database, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repricing, "BATCH", 3)
    other = Stage(db, await make_tenant(db), stage.now)
    other.agents.append(await make_agent(db, other.tenant.id))
    for each in (stage, other):
        await each.put([each.call(model="vendor-y-20260101") for _ in range(7)])
    await other.price("vendor-y", "5", "5", platform=False)
    listed = Listed(model="vendor-y", valid_from=LONG_AGO, input=Decimal(1), output=Decimal(1))
    async with db.owner() as owner:
        changes = await replace_prices(owner, PLATFORM_TENANT, [listed], source=PriceSource.IMPORTED, whole=False)
    assert changes == (1, 0)
    assert await repricing.run_once(db) == 14
    for each, money in ((stage, Decimal("0.0077")), (other, Decimal("0.0385"))):
        assert (await each.rows("SELECT sum(cost_usd), sum(unpriced) FROM usage_hours"))[0] == (money, 0)


async def test_the_shipped_list_is_loaded_once_and_follows_the_release(db: Database, stage: Stage) -> None:
    shipped = prices.shipped()
    assert await load_shipped(db) == (len(shipped), 0)
    assert await load_shipped(db) == (0, 0)
    # What an operator says stays, what another release said does not.
    opinion = Listed(model="o3", valid_from=shipped[0].valid_from, input=Decimal(9), output=Decimal(9))
    stale = (
        "INSERT INTO model_prices (tenant_id, id, model, valid_from, input, output, source) "
        "VALUES (:tenant, :id, 'gone', now(), 1, 1, 'shipped')"
    )
    async with db.owner() as owner:
        await replace_prices(owner, PLATFORM_TENANT, [opinion], source=PriceSource.IMPORTED, whole=False)
        await owner.execute(text(stale), {"tenant": PLATFORM_TENANT, "id": uuid7(stage.now)})
        await owner.execute(text("UPDATE model_prices SET input = 77 WHERE model = 'o1'"))
    assert await load_shipped(db) == (1, 1)
    rows = await stage.rows(
        "SELECT model, input FROM model_prices WHERE model IN ('o1', 'gone') OR source = 'imported'"
    )
    assert {(row.model, row.input) for row in rows} == {("o1", 15), ("o3", 9), ("m-1", 1)}


async def test_nobody_is_counted_by_what_was_true_a_moment_ago(api: httpx.AsyncClient, stage: Stage) -> None:
    """Calls put in while prices and budgets come: each is priced by the new price, and counted in each budget."""
    task = await stage.task()

    async def put(number: int) -> None:
        await stage.put([stage.call(model="vendor-z", task_id=task, tokens=Tokens(input=1_000_000)) for _ in range(3)])
        await asyncio.sleep(number % 3 / 1000)

    async def change(number: int) -> None:
        if number % 2:
            body = {"scope": "user", "target": f"u{number}", "period": "day", "limit": 1}
        else:
            body = {"scope": "tenant", "period": ("hour", "day", "week", "month")[number // 2], "limit": 1}
        assert (await api.post("/api/v1/budgets", json=body)).status_code == 201
        price = {"model": "vendor-z", "valid_from": (LONG_AGO + timedelta(days=number)).isoformat(), "output": 0}
        assert (await api.post("/api/v1/prices", json=price | {"input": number + 1})).status_code == 201
        await repricing.run_once(stage.db)

    await asyncio.gather(*(put(number) for number in range(12)), *(change(number) for number in range(8)))
    await repricing.run_once(stage.db)
    assert [row[0] for row in await stage.rows("SELECT DISTINCT cost_usd FROM model_calls")] == [8]
    assert (await stage.rows("SELECT calls, cost_usd FROM tasks"))[0] == (36, 288)
    assert (await stage.rows("SELECT sum(calls), sum(cost_usd) FROM usage_hours"))[0] == (36, 288)
    found = (await api.get("/api/v1/budgets")).json()["items"]
    assert {row["spent"] for row in found if row["scope"] == "tenant"} == {"288"}


async def test_usage_by_labels_and_time(api: httpx.AsyncClient, stage: Stage) -> None:
    hour = stage.now.replace(minute=0)
    await stage.put(
        [
            stage.call(at=hour, user="ann", environment="prod", given_cost=Decimal("0.1")),
            stage.call(at=hour + timedelta(minutes=5), agent_id=stage.agents[1], failed=True),
            stage.call(at=hour - timedelta(hours=1), model="who-knows", provider="x"),
            stage.call(at=hour - timedelta(days=2)),
        ]
    )
    whole = (await read(api))[0]
    shown = ("at", "agent", "calls", "failed", "unpriced", "input_tokens", "cost_usd")
    assert {name: whole[name] for name in shown} == {
        "at": None, "agent": None, "calls": 3, "failed": 1, "unpriced": 1, "input_tokens": 3000, "cost_usd": "0.1011",
    }  # fmt: skip
    by_agent = await read(api, by="agent,user")
    assert [(row["agent"], row["user"], row["calls"], row["cost_usd"]) for row in by_agent] == [
        ("agent-0", "ann", 1, "0.1"), ("agent-0", None, 1, "0"), ("agent-1", None, 1, "0.0011"),
    ]  # fmt: skip
    by_hour = await read(api, step="1h", by="model")
    assert [(row["at"][11:16], row["model"], row["calls"]) for row in by_hour] == [
        ("11:00", "who-knows", 1), ("12:00", "m-1", 2),
    ]  # fmt: skip
    by_day = await read(api, step="1d", start="-5d", timezone="America/New_York")
    assert [(row["at"][11:13], row["calls"]) for row in by_day] == [
        (by_day[0]["at"][11:13], 1),
        (by_day[0]["at"][11:13], 3),
    ]
    for wrong in ({"by": "colour"}, {"start": "now"}, {"start": "-500d"}, {"step": "5m"}, {"timezone": "Mars"}):
        assert (await api.get("/api/v1/usage", params=wrong)).status_code == 422


async def read(api: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """Rows of usage."""
    answer = await api.get("/api/v1/usage", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items
