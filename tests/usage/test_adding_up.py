"""Whatever happens to the ledger, every level says the same: calls, tasks, executions, hours, budgets."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from monitor.db import Database
from monitor.ids import uuid7
from monitor.usage import budget_spending, budgets, hours, repricing
from monitor.usage.model import Call, Tokens
from monitor.usage.prices import Listed, delete_price, insert_price
from monitor.usage.pricing import Price, cost, find
from monitor.usage.tables import BudgetScope, Period, PriceSource, Unit
from tests.conftest import SettableClock
from tests.usage.stage import LONG_AGO, Stage

MODELS = ("m-1", "m-2-20250101", "openai/m-2", "who-knows", None)
STEPS = 14


class World:
    """What the ledger must come to, kept in plain Python: calls by id, and the tenant's prices."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.rng = Random(seed)
        self.calls: dict[UUID, Call] = {}
        self.prices: dict[UUID, Listed] = {}
        self.tasks: list[UUID] = []
        self.executions: list[UUID] = []

    async def begin(self) -> None:
        """Tasks and executions that are stored, and budgets of every scope."""
        self.executions = [await self.stage.execution() for _ in range(2)]
        self.tasks = [await self.stage.task(execution_id=self.executions[number % 2]) for number in range(3)]
        await self.budgets(Unit.COST_USD)

    async def budgets(self, unit: Unit) -> None:
        """A budget of each scope, made now: what was spent before counts."""
        targets = {
            BudgetScope.TENANT: "", BudgetScope.AGENT: str(self.stage.agents[0]), BudgetScope.MODEL: "m-2",
            BudgetScope.USER: "ann", BudgetScope.WORKFLOW: "nightly",
        }  # fmt: skip
        async with self.stage.db.tenant(self.stage.tenant.id) as connection:
            for scope, target in targets.items():
                agent = self.stage.agents[0] if scope is BudgetScope.AGENT else None
                values = {
                    "scope": scope, "target": target, "agent_id": agent, "unit": unit, "period": Period.MONTH,
                    "timezone": "Asia/Kathmandu", "limit": Decimal(1), "name": scope,
                }  # fmt: skip
                await budgets.insert_budget(
                    connection, self.stage.tenant.id, uuid7(self.stage.now), values, now=self.stage.now
                )

    def new(self, trace: str | None) -> Call:
        """Some call or other."""
        rng = self.rng
        read = rng.randrange(5000)
        tokens = Tokens(
            input=read, output=rng.randrange(500), cache_read=rng.randrange(read + 1), reasoning=rng.randrange(3)
        )
        return self.stage.call(
            at=self.stage.now - timedelta(seconds=rng.randrange(20_000), microseconds=rng.randrange(10**6)),
            tokens=tokens, model=rng.choice(MODELS), agent_id=rng.choice(self.stage.agents),
            task_id=rng.choice([None, *self.tasks]), execution_id=rng.choice([None, *self.executions]),
            user=rng.choice([None, "ann", "bob"]), workflow=rng.choice([None, "nightly"]), trace_id=trace,
            given_cost=rng.choice([None, None, Decimal(rng.randrange(10**6)).scaleb(-7)]), failed=rng.random() < 0.2,
        )  # fmt: skip

    async def put_trace(self) -> None:
        """A trace told anew: some calls as before, some changed, some gone, some new."""
        trace = self.rng.choice(["t1", "t2", "t3"])
        before = [call for call in self.calls.values() if call.trace_id == trace]
        kept = [call for call in before if self.rng.random() < 0.6]
        changed = [replace(call, **self.other(call)) if self.rng.random() < 0.5 else call for call in kept]
        told = [*changed, *(self.new(trace) for _ in range(self.rng.randrange(5)))]
        self.rng.shuffle(told)
        await self.stage.put(told + told[:1], trace_ids=[trace])
        for call in before:
            del self.calls[call.id]
        self.calls |= {call.id: call for call in told}

    def other(self, call: Call) -> dict[str, Any]:
        """What a call may be told differently about."""
        fresh = self.new(call.trace_id)
        return {
            "tokens": fresh.tokens, "model": fresh.model, "task_id": fresh.task_id, "execution_id": fresh.execution_id,
            "agent_id": fresh.agent_id, "given_cost": fresh.given_cost, "user": fresh.user,
        }  # fmt: skip

    async def put_api(self) -> None:
        """Calls that a caller posts."""
        told = [self.new(None) for _ in range(self.rng.randrange(1, 4))]
        await self.stage.put(told)
        self.calls |= {call.id: call for call in told}

    async def repeat(self) -> None:
        """Calls that come once more."""
        some = [call for call in self.calls.values() if call.trace_id is None][:3]
        await self.stage.put(some)

    async def price_comes(self) -> None:
        """A price of the tenant's own, and the job that follows from it."""
        listed = Listed(
            model=self.rng.choice(["m-1", "m-2", "m-2-20250101", "who-*"]),
            valid_from=self.stage.now - timedelta(seconds=self.rng.randrange(25_000)),
            input=Decimal(self.rng.randrange(1, 10**6)).scaleb(-4),
            output=Decimal(self.rng.randrange(10**6)).scaleb(-4),
        )
        price_id = uuid7(self.stage.now)
        async with self.stage.db.tenant(self.stage.tenant.id) as connection:
            await insert_price(connection, self.stage.tenant.id, price_id, listed, source=PriceSource.TENANT)
        self.prices[price_id] = listed

    async def price_goes(self) -> None:
        """One of them is forgotten."""
        if self.prices:
            price_id = self.rng.choice(sorted(self.prices))
            async with self.stage.db.tenant(self.stage.tenant.id) as connection:
                await delete_price(connection, self.stage.tenant.id, price_id)
            del self.prices[price_id]

    async def fold(self) -> None:
        """The jobs that leave one row of many."""
        await hours.fold(self.stage.db)
        await budget_spending.fold(self.stage.db)

    def costs(self) -> dict[UUID, Decimal | None]:
        """What each call costs."""
        known = [_price(price_id, listed, own=True) for price_id, listed in self.prices.items()]
        known += [_price(UUID(int=1), Listed(model="m-1", valid_from=LONG_AGO, input=Decimal(3), output=Decimal(15)))]
        found: dict[UUID, Decimal | None] = {}
        for call in self.calls.values():
            price = find(known, call.model, call.started_at) if call.model else None
            computed = None if price is None else cost(call.tokens, price)
            found[call.id] = call.given_cost if call.given_cost is not None else computed
        return found


def _price(price_id: UUID, listed: Listed, *, own: bool = False) -> Price:
    return Price(
        id=price_id, model=listed.model, valid_from=listed.valid_from, input=listed.input, output=listed.output, own=own
    )


@pytest.mark.parametrize("seed", range(4))
async def test_every_level_says_the_same_after_anything(db: Database, clock: SettableClock, seed: int) -> None:
    stage = await Stage.of(db, clock())
    await stage.price("m-1", "3", "15")
    world = World(stage, seed)
    await world.begin()
    steps = [world.put_trace] * 4 + [world.put_api, world.repeat, world.price_comes, world.price_goes, world.fold]
    for number in range(STEPS):
        await world.rng.choice(steps)()
        if number % 5 == 4 or number == STEPS - 1:
            await repricing.run_once(db)
            await check(world)
    # Those that are made last count the same as those that were there from the start.
    await world.budgets(Unit.TOKENS)
    await check(world)


async def check(world: World) -> None:
    """Compare what is stored at every level with the calls."""
    stage, costs = world.stage, world.costs()
    rows = {row.id: row.cost_usd for row in await stage.rows("SELECT id, cost_usd FROM model_calls")}
    assert rows == costs
    tasks = await stage.rows("SELECT id, calls, input_tokens, output_tokens, cost_usd FROM tasks")
    for row in tasks:
        assert tuple(row)[1:] == sums(world, costs, at("task_id", row.id)), row.id
    for row in await stage.rows("SELECT id, total_tokens, total_cost_usd FROM workflow_executions"):
        _, read, wrote, money = sums(world, costs, at("execution_id", row.id))
        assert tuple(row)[1:] == (read + wrote, money)
    tenant = await stage.rows(
        "SELECT coalesce(sum(calls), 0), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), "
        "coalesce(sum(cost_usd), 0), coalesce(sum(unpriced), 0), coalesce(sum(failed), 0) FROM usage_hours"
    )
    assert tuple(tenant[0]) == (
        *sums(world, costs, lambda _: True),
        sum(each is None for each in costs.values()),
        sum(call.failed for call in world.calls.values()),
    )
    await check_budgets(world, costs)


async def check_budgets(world: World, costs: dict[UUID, Decimal | None]) -> None:
    """What was spent of each budget in its month."""
    stage = world.stage
    async with stage.db.tenant(stage.tenant.id) as connection:
        ids = await budgets.list_ids(connection, stage.tenant.id, limit=100, after=None)
        found = await budgets.standings(connection, stage.tenant.id, ids, now=stage.now)
    assert len(found) >= 5
    whose: dict[BudgetScope, Callable[[Call], bool]] = {
        BudgetScope.TENANT: lambda _: True,
        BudgetScope.AGENT: lambda call: call.agent_id == stage.agents[0],
        BudgetScope.MODEL: lambda call: call.model in ("m-2-20250101", "openai/m-2"),
        BudgetScope.USER: lambda call: call.user == "ann",
        BudgetScope.WORKFLOW: lambda call: call.workflow == "nightly",
    }
    for standing in found:
        counted = [call for call in world.calls.values() if call.started_at >= standing.starts_at]
        chosen = {call.id for call in counted if whose[standing.scope](call)}
        _, read, wrote, money = sums(world, costs, lambda call: call.id in chosen)  # noqa: B023
        assert standing.spent == (money if standing.unit is Unit.COST_USD else read + wrote), standing


def at(name: str, value: UUID) -> Callable[[Call], bool]:
    """Whether a call says this of itself."""
    return lambda call: getattr(call, name) == value


def sums(
    world: World, costs: dict[UUID, Decimal | None], which: Callable[[Call], bool]
) -> tuple[int, int, int, Decimal]:
    """Calls, tokens in and out, and cost of some of the calls."""
    chosen = [call for call in world.calls.values() if which(call)]
    return (
        len(chosen),
        sum(call.tokens.input for call in chosen),
        sum(call.tokens.output for call in chosen),
        sum((costs[call.id] or Decimal(0) for call in chosen), Decimal(0)),
    )
