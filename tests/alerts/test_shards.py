"""Several alerters share the tenants among them, and take over what one leaves behind."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from alerts import leases
from alerts.core.vocabulary import Reason
from alerts.evaluate import LEASE, Evaluator
from alerts.leases import ALL, IN_SHARDS, SHARDS, LeaseLost, fair, shard_of
from alerts.meters import Meters
from monitor.db import Database
from monitor.ids import PLATFORM_TENANT
from tests.alerts.test_faults import Breakable
from tests.alerts.timeline import INTERVAL, PUBLIC_URL, Timeline
from tests.factories import make_tenant

FAILS = {"status": "error"}
HOLDERS = ("a", "b", "c", "d", "e")


@given(
    st.dictionaries(st.sampled_from(sorted(ALL)), st.sampled_from(HOLDERS)),
    st.sets(st.sampled_from(HOLDERS), min_size=1),
)
@settings(max_examples=300)
def test_everybody_comes_to_a_fair_share_and_nothing_stays_free(held: dict[int, str], alive: set[str]) -> None:
    held = {shard: by for shard, by in held.items() if by in alive}
    for _ in range(len(alive) + 1):
        for holder in sorted(alive):
            wanted = fair(held, alive, holder=holder)
            held = {shard: by for shard, by in held.items() if by != holder} | dict.fromkeys(wanted, holder)
    shares = [sum(by == holder for by in held.values()) for holder in alive]
    assert sum(shares) == SHARDS
    assert max(shares) - min(shares) <= 1


def test_nobody_gives_away_more_than_needed() -> None:
    held = dict.fromkeys(ALL, "a")
    assert fair(held, {"a", "b"}, holder="b") == frozenset()
    assert len(fair(held, {"a", "b"}, holder="a")) == SHARDS // 2
    assert fair(held, {"a"}, holder="a") == ALL


async def test_python_and_the_database_agree_on_shards(db: Database) -> None:
    query = text(f"SELECT {IN_SHARDS.format(tenant_id='CAST(:tenant AS uuid)')}")
    async with db.alerter() as connection:
        for number in range(40):
            tenant = UUID(int=number * 0x1_0000_0001 + 7)
            for shards in ([shard_of(tenant)], sorted(ALL - {shard_of(tenant)})):
                found = (await connection.execute(query, {"tenant": tenant, "shards": shards})).scalar_one()
                assert found is (shard_of(tenant) in shards)


async def test_two_alerters_share_the_shards_and_a_third_that_is_killed_leaves_its_own(t: Timeline) -> None:
    names = ("alerter-1", "alerter-2", "alerter-3")
    three = [t.evaluator, t.another_evaluator(names[1]), t.another_evaluator(names[2])]

    async def turn(evaluators: list[Evaluator], said: str) -> list[int]:
        return [(await one.run_once(t.at(said))).shards for one in evaluators]

    assert await turn(three, "1s") == [SHARDS, 0, 0]
    await turn(three, "2s")
    shared = await turn(three, "3s")
    assert sorted(shared) == [5, 5, 6]
    assert await turn(three[:2], "4s") == shared[:2]
    # The killed one's leases end, three intervals after it renewed them.
    assert sum(await turn(three[:2], "40s")) == SHARDS
    assert sorted(await turn(three[:2], "41s")) == [SHARDS // 2, SHARDS // 2]


async def test_each_tenant_is_judged_by_one_of_them_and_told_once(t: Timeline) -> None:
    other = t.another_evaluator("alerter-2")
    for said in ("1s", "2s", "3s"):
        await t.evaluator.run_once(t.at(said))
        await other.run_once(t.at(said))
    await t.rule(FAILS)
    await t.log("akira-001", "error", "5s")
    done = [await t.evaluator.run_once(t.at("10s")), await other.run_once(t.at("10s"))]
    assert sorted(one.fired for one in done) == [0, 1]
    assert sum(one.shards for one in done) == SHARDS
    await t.deliver("11s")
    t.expect("email", Reason.FIRST)
    t.expect_silence()


async def test_a_late_one_cannot_save_for_a_shard_that_another_took(db: Database, t: Timeline) -> None:
    lasts = timedelta(seconds=30)
    async with db.alerter() as connection:
        assert await leases.take(connection, LEASE, holder="x", now=t.at("0s"), lasts=lasts, there=lasts) == ALL
    async with db.alerter() as connection:
        assert await leases.take(connection, LEASE, holder="y", now=t.at("31s"), lasts=lasts, there=lasts) == ALL
    async with db.alerter() as connection:
        with pytest.raises(LeaseLost):
            await leases.fence(connection, LEASE, {3}, holder="x")
        await leases.fence(connection, LEASE, ALL, holder="y")


async def test_who_reads_well_does_not_end_the_alert_about_what_another_cannot_read(t: Timeline) -> None:
    """Each reads the history of its own tenants: one alert opens once, and ends when everybody's can be read."""
    store = Breakable(t.db)
    registry = CollectorRegistry()
    other = Evaluator(
        t.db, store, holder="alerter-2", interval=INTERVAL, public_url=PUBLIC_URL, meters=Meters(registry)
    )
    for said in ("1s", "2s", "3s"):
        await t.evaluator.run_once(t.at(said))
        await other.run_once(t.at(said))
    tenants = [t.tenant, *[await make_tenant(t.db) for _ in range(7)]]
    for t.tenant in tenants:
        await t.rule({"metric": "latency_ms", "reduce": "max", "window": "1m", "op": ">", "threshold": 100})
        # A gap in a window is nothing that fires: only reading it is what counts here.
        await t.metric("akira-001", "latency_ms", 5, "4s")

    async def turns(first: int, last: int) -> list[bool]:
        for second in range(first, last, 10):
            for t.tenant in tenants:
                await t.metric("akira-001", "latency_ms", 5, f"{second}s")
            await t.evaluator.run_once(t.at(f"{second}s"))
            await other.run_once(t.at(f"{second}s"))
        rows = await t.all_rows(
            "SELECT resolved_at FROM alerts WHERE tenant_id = :id AND rule = 'history store unreachable'",
            id=PLATFORM_TENANT,
        )
        return [row["resolved_at"] is None for row in rows]

    store.down = True
    assert await turns(10, 60) == [True]
    store.down = False
    assert await turns(60, 100) == [False]
