"""Statements of a real ledger: drafts, issuing, corrections, and what tenants may see."""

import asyncio
import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from monitor.audit.store import Recorder
from monitor.db import Database
from monitor.errors import Conflict
from monitor.usage import hours, months, plans, statements
from monitor.usage.model import Call, Tokens
from monitor.usage.quota_tables import PlanSource
from monitor.usage.statement_tables import BillingStatus
from tests.conftest import SettableClock
from tests.factories import make_tenant
from tests.usage.stage import Stage


def month(now: datetime, back: int = 0) -> datetime:
    """When a month began."""
    begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(back):
        begin = (begin - timedelta(days=1)).replace(day=1)
    return begin


async def run(stage: Stage, now: datetime) -> int:
    """What the job does."""
    return await statements.run_once(stage.db, now, audit=Recorder(lambda: now))


async def records(stage: Stage) -> list[Any]:
    """The tenant's statements, the newest first."""
    async with stage.db.tenant(stage.tenant.id) as connection:
        return list(await statements.list_records(connection, stage.tenant.id, limit=100))


async def ledger(stage: Stage, start: datetime, end: datetime) -> Decimal:
    """What the calls of a time cost, by the ledger itself."""
    (row,) = await stage.rows(
        "SELECT coalesce(sum(cost_usd), 0) FROM model_calls WHERE started_at >= :start AND started_at < :end",
        start=start, end=end,
    )  # fmt: skip
    found: Decimal = row[0]
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_a_statement_adds_up_to_the_ledger(db: Database, clock: SettableClock, seed: int) -> None:
    """Whatever calls cost, however many agents and models, changed, priced and folded in between."""
    rng, stage = random.Random(seed), await Stage.of(db, clock.time, agents=3)
    this = month(stage.now)
    await stage.price("m-1", "0.3333333333", "7")
    kept: list[Call] = []
    for _ in range(5):
        calls = [
            stage.call(
                agent_id=rng.choice(stage.agents), model=rng.choice(["m-1", "unknown", "m-1", None]),
                tokens=Tokens(input=rng.randrange(10**6), output=rng.randrange(10**4)),
                given_cost=rng.choice([None, Decimal(rng.randrange(10**12)).scaleb(-10)]),
            )
            for _ in range(20)
        ]  # fmt: skip
        # Some are told again, with other figures.
        again = [stage.call(id=one.id, tokens=Tokens(input=rng.randrange(999))) for one in kept[::7]]
        await stage.put([*calls, *again])
        kept += calls
        await hours.fold(db)
    await run(stage, stage.now)
    (draft,) = await records(stage)
    exact = await ledger(stage, this, statements.following(this))
    assert exact > 0
    lines = draft["lines"]
    assert sum((Decimal(line["amount_usd"]) for line in lines), Decimal(0)) == exact == draft["total_usd"]
    assert draft["usage_usd"] == exact
    assert sum(line.get("calls", 0) for line in lines) == draft["calls"] == 100
    (unpriced,) = await stage.rows("SELECT count(*) FROM model_calls WHERE cost_usd IS NULL")
    assert draft["unpriced_calls"] == unpriced[0] > 0


async def test_what_was_issued_stays_and_late_calls_are_corrected_in_the_next(stage: Stage) -> None:
    last, this = month(stage.now, 1), month(stage.now)
    async with stage.db.owner() as owner:
        plan = plans.Plan(slug="free", name="Free", price_usd=Decimal(10), included_usd=Decimal("0.5"))
        await plans.put_plans(owner, [plan], source=PlanSource.IMPORTED)
    at = this - timedelta(days=1)
    await stage.put([stage.call(at=at, given_cost=Decimal(2))])
    ended = this + timedelta(hours=1)
    await run(stage, ended)
    before = {row["period_start"]: row for row in await records(stage)}
    assert (before[last]["status"], before[last]["total_usd"]) == ("draft", Decimal("11.5"))
    await run(stage, this + statements.GRACE)
    issued = {row["period_start"]: row for row in await records(stage)}[last]
    assert (issued["status"], issued["issued_at"]) == ("issued", this + statements.GRACE)
    # A call of last month is told now.
    await stage.put([stage.call(at=at + timedelta(hours=1), given_cost=Decimal("0.0000000001"))])
    await run(stage, this + timedelta(days=5))
    after = {row["period_start"]: row for row in await records(stage)}
    assert after[last] == issued
    assert after[this]["lines"][-1] == {
        "kind": "correction", "amount_usd": "0.0000000001", "period_start": last.isoformat(),
        "usage_usd": "0.0000000001",
    }  # fmt: skip
    assert after[this]["total_usd"] == Decimal("10.0000000001")
    # The trail says who issued it: nobody but the product.
    (row,) = await stage.rows("SELECT actor, action FROM audit_logs")
    assert tuple(row) == ("system", "billing_record.issued")


async def test_one_is_issued_once_and_paid_after_that(stage: Stage) -> None:
    last, now = month(stage.now, 1), stage.now
    await stage.put([stage.call(at=month(now) - timedelta(days=1), given_cost=Decimal(1))])
    audit = Recorder(lambda: now)
    async with stage.db.owner() as owner:
        assert await statements.compute(owner, stage.tenant.id, last, now=now)
        with pytest.raises(Conflict, match="is draft: it cannot become paid"):
            await statements.settle(owner, stage.tenant.id, last, BillingStatus.PAID, now=now, audit=audit)
        for status in (BillingStatus.ISSUED, BillingStatus.PAID):
            await statements.settle(owner, stage.tenant.id, last, status, now=now, audit=audit)
        with pytest.raises(Conflict):
            await statements.settle(owner, stage.tenant.id, last, BillingStatus.ISSUED, now=now, audit=audit)
        assert not await statements.compute(owner, stage.tenant.id, last, now=now)
    assert [row["status"] for row in await records(stage)] == ["paid"]


async def test_two_alerters_at_once_make_one_statement_a_month(stage: Stage) -> None:
    await stage.put([stage.call(given_cost=Decimal(3))])
    await asyncio.gather(*(run(stage, stage.now) for _ in range(3)))
    (only,) = await records(stage)
    assert only["total_usd"] == 3


async def test_a_tenant_that_used_nothing_has_no_statement(stage: Stage) -> None:
    assert await run(stage, stage.now) == 0
    assert await records(stage) == []


async def test_a_tenant_reads_its_statements_and_cannot_write_them(api: httpx.AsyncClient, stage: Stage) -> None:
    await stage.put([stage.call(given_cost=Decimal("1.25"))])
    await run(stage, stage.now)
    (item,) = (await api.get("/api/v1/billing-records")).json()["items"]
    assert (item["total_usd"], item["status"]) == ("1.25", "draft")
    assert (await api.get(f"/api/v1/billing-records/{item['id']}")).json() == item
    with pytest.raises(Exception, match="permission denied"):
        await stage.rows("UPDATE billing_records SET total_usd = 0 RETURNING 1")


async def test_months_are_added_up_by_a_job_and_everybody_sees_their_own(
    api: httpx.AsyncClient, db: Database, stage: Stage
) -> None:
    assert (await api.get("/api/v1/usage/months")).json() == {"items": []}
    await stage.put([stage.call(given_cost=Decimal(2)), stage.call(given_cost=Decimal("0.5"), model=None)])
    assert await months.refresh(db)
    await stage.put([stage.call(given_cost=Decimal(1))])
    first = (await api.get("/api/v1/usage/months")).json()["items"]
    assert [(row["agent"], row["model"], row["calls"], row["cost_usd"]) for row in first] == [
        ("agent-0", "m-1", 1, "2"), ("agent-0", None, 1, "0.5"),
    ]  # fmt: skip
    assert await months.refresh(db)
    again = (await api.get("/api/v1/usage/months")).json()["items"]
    assert {(row["model"], row["cost_usd"]) for row in again} == {("m-1", "3"), (None, "0.5")}
    other = await make_tenant(db)
    assert (await api.get("/api/v1/usage/months", headers=other.headers)).json() == {"items": []}


async def test_no_view_shows_the_application_more_than_its_reader_may_see(db: Database) -> None:
    """A view runs as its owner, past row-level security, unless it says otherwise or is a barrier of its own."""
    query = text("""
        SELECT c.relname FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm')
          AND g.grantee = 'agent_monitor_app'::regrole
          AND (c.relkind = 'm' OR c.reloptions IS NULL
               OR NOT c.reloptions && ARRAY['security_invoker=true', 'security_barrier=true'])
    """)
    async with db.owner() as owner:
        assert list((await owner.execute(query)).scalars()) == []
