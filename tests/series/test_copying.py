"""History moves between the stores and stays what it was."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.series.copying import Copied, Copy, differences
from monitor.series.ends import InfluxEnd, PostgresEnd
from monitor.series.influx import InfluxSeriesStore
from monitor.series.store import Kind
from tests.factories import make_agent, make_tenant
from tests.series.conftest import History
from tests.series.test_contract import check_all, random_points

SPAN = timedelta(days=3)


def copies(on_influx: History) -> tuple[Copy, Copy]:
    """From PostgreSQL to InfluxDB, and back."""
    store = on_influx.store
    assert isinstance(store, InfluxSeriesStore)
    db = on_influx.db
    here, there = PostgresEnd(db), InfluxEnd(db, store.influx, store.catalogue)
    return Copy(db, here, there, "postgres"), Copy(db, there, here, "influx")


async def copied(work: Copy, tenant_id: UUID, day: datetime) -> list[Copied]:
    """Copy the test's days."""
    now = day + timedelta(days=3, hours=1)
    return [one async for one in work.run(tenant_id, since=day, until=day + SPAN, now=now)]


async def differ(one: History, other: History, tenant_id: UUID, day: datetime) -> list[str]:
    """What differs between the stores."""
    found = differences(one.db, one.store, other.store, tenant_id, since=day, until=day + SPAN)
    return [f"{each.metric} {each.day} {each.what}: {each.one} {each.other}" async for each in found]


async def forget(db: Database, *tables: str) -> None:
    """PostgreSQL has none of these any more."""
    async with db.owner() as connection:
        for table in tables:
            await connection.execute(text(f"TRUNCATE {table}"))


@pytest.mark.parametrize("kind", [Kind.GAUGE, Kind.COUNTER])
async def test_there_and_back(
    history_on_postgres: History, history_on_influx: History, day: datetime, kind: Kind
) -> None:
    db = history_on_postgres.db
    there, back = copies(history_on_influx)
    tenant = await make_tenant(db)
    agents = [await make_agent(db, tenant.id, f"a{i}") for i in range(2)]
    points = random_points(agents, day, seed=5, kind=kind)
    await history_on_postgres.write(tenant.id, points)
    # Half of it compacted, half of it still single rows.
    await history_on_postgres.store.roll_up(day + timedelta(hours=39, minutes=10))
    assert await differ(history_on_postgres, history_on_influx, tenant.id, day) != []
    days = await copied(there, tenant.id, day)
    assert sum(one.points for one in days) == len({(one.series.agent_id, one.series.tags, one.at_us) for one in points})
    assert await differ(history_on_postgres, history_on_influx, tenant.id, day) == []
    await history_on_influx.store.roll_up(day + timedelta(days=3, hours=1))
    await check_all(history_on_influx, tenant.id, points, day, kind)
    await forget(db, "samples", "sample_chunks", "rollups_minute", "rollups_hour", "rollups_day")
    await copied(back, tenant.id, day)
    assert await differ(history_on_postgres, history_on_influx, tenant.id, day) == []
    await history_on_postgres.store.roll_up(day + timedelta(days=3, hours=1))
    await check_all(history_on_postgres, tenant.id, points, day, kind)


async def test_rollups_go_along_where_no_points_are_left(
    history_on_postgres: History, history_on_influx: History, day: datetime
) -> None:
    db = history_on_postgres.db
    there, back = copies(history_on_influx)
    tenant = await make_tenant(db)
    points = random_points([await make_agent(db, tenant.id, "a")], day, seed=6)
    await history_on_postgres.write(tenant.id, points)
    await history_on_postgres.store.roll_up(day + timedelta(days=3, hours=1))
    await forget(db, "samples", "sample_chunks")
    days = await copied(there, tenant.id, day)
    assert sum(one.points for one in days) == 0
    assert sum(one.rollups for one in days) > 0
    # Everything before the open hour counts as rolled up once the job has run.
    await history_on_influx.store.roll_up(day + timedelta(days=3, hours=1))
    assert await differ(history_on_postgres, history_on_influx, tenant.id, day) == []
    await forget(db, "rollups_minute", "rollups_hour", "rollups_day")
    await copied(back, tenant.id, day)
    assert await differ(history_on_postgres, history_on_influx, tenant.id, day) == []


async def test_an_interrupted_copy_goes_on_where_it_was(
    history_on_postgres: History, history_on_influx: History, day: datetime
) -> None:
    there, _back = copies(history_on_influx)
    tenant = await make_tenant(there.db)
    points = random_points([await make_agent(there.db, tenant.id, "a")], day, seed=7)
    await history_on_postgres.write(tenant.id, points)
    now = day + timedelta(days=3, hours=1)
    run = there.run(tenant.id, since=day, until=day + SPAN, now=now)
    first = await anext(run)
    await anext(run)
    await run.aclose()  # type: ignore[attr-defined]
    rest = await copied(there, tenant.id, day)
    assert first.day == day + timedelta(days=2)
    assert [one.day for one in rest] == [day]
    assert await differ(history_on_postgres, history_on_influx, tenant.id, day) == []
    assert len(await copied(there, tenant.id, day)) == 3
