"""How long sums, spending and reservations are kept, and that folding them changes no sum."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import text

from monitor.db import Database
from monitor.ids import uuid7
from monitor.retention import sweep
from monitor.retention.kinds import defaults
from monitor.retention.limits import Limits
from monitor.settings import Settings
from monitor.usage import budget_spending, budgets, hours
from monitor.usage.tables import BudgetScope, Period, Unit
from tests.usage.stage import Stage

RAW = timedelta(days=30)
OLD = timedelta(days=400)


async def make_budget(stage: Stage) -> None:
    """A hundred dollars a month, five of them reserved."""
    values = {
        "scope": BudgetScope.TENANT, "target": "", "agent_id": None, "unit": Unit.COST_USD, "period": Period.MONTH,
        "timezone": "UTC", "limit": Decimal(100), "name": "all",
    }  # fmt: skip
    budget_id = uuid7(stage.now)
    async with stage.db.tenant(stage.tenant.id) as connection:
        await budgets.insert_budget(connection, stage.tenant.id, budget_id, values, now=stage.now)
        await budgets.insert_reservation(
            connection, stage.tenant.id, uuid7(stage.now), {budget_id: Decimal(5)}, agent_id=None, now=stage.now,
            until=stage.now + timedelta(minutes=5),
        )  # fmt: skip


async def test_many_rows_become_one_and_every_sum_stays(stage: Stage) -> None:
    await make_budget(stage)
    for _ in range(5):
        await stage.put([stage.call(at=stage.now, user="ann"), stage.call(at=stage.now, model="who-knows")])
    sums = "SELECT model, sum(calls), sum(input_tokens), sum(cost_usd), sum(unpriced) FROM usage_hours GROUP BY 1"
    sums += " ORDER BY 1"
    spent = "SELECT sum(amount), max(last_at) FROM budget_spending"
    before = [await stage.rows(sums), await stage.rows(spent)]
    assert (await stage.rows("SELECT count(*) FROM usage_hours"))[0][0] == 10
    assert (await hours.fold(stage.db), await budget_spending.fold(stage.db)) == (1, 1)
    assert [await stage.rows(sums), await stage.rows(spent)] == before
    assert (await stage.rows("SELECT count(*) FROM usage_hours"))[0][0] == 2
    assert (await stage.rows("SELECT count(*) FROM budget_spending"))[0][0] == 1
    # Nothing is left to be folded, and what comes to nothing leaves nothing.
    assert (await hours.fold(stage.db), await budget_spending.fold(stage.db)) == (0, 0)
    async with stage.db.tenant(stage.tenant.id) as connection:
        await connection.execute(text("DELETE FROM model_calls"))
    await hours.fold(stage.db)
    await budget_spending.fold(stage.db)
    assert await stage.rows("SELECT FROM usage_hours") == []
    assert await stage.rows("SELECT FROM budget_spending") == []


async def test_old_sums_spending_and_reservations_go_and_young_ones_stay(db: Database, stage: Stage) -> None:
    await make_budget(stage)
    await stage.put([stage.call()])
    tables = ("usage_hours", "budget_spending", "budget_reservations")
    done = await sweep.run_once(db, stage.now, Limits(defaults(Settings()), ()))
    assert [done[table] for table in tables] == [0, 0, 0]
    done = await sweep.run_once(db, stage.now + OLD, Limits(defaults(Settings()), ()))
    assert [done[table] for table in tables] == [1, 1, 1]
    # The call goes with its partition.
    assert len(await stage.rows("SELECT FROM model_calls")) == 1
