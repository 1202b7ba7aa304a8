"""Partitions stand ready around now, and go when their retention has passed."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text

from monitor import partitions
from monitor.db import Database
from monitor.ids import uuid7
from monitor.partitions import LAYOUTS, Layout, Span
from tests.conftest import SettableClock

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEEP = timedelta(days=7)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.table)
def test_they_cover_the_past_and_the_future_without_a_gap(layout: Layout) -> None:
    made = [item for item in partitions.plan(NOW, [], {}).create if item.table == layout.table]
    assert made[0].start <= NOW - layout.behind < made[0].end
    assert all(before.end == after.start for before, after in pairwise(made))
    ahead = sum(item.start > NOW for item in made)
    assert ahead == partitions.AHEAD[layout.span]


def test_spans_follow_the_calendar() -> None:
    february = datetime(2028, 2, 1, tzinfo=UTC)
    assert partitions.following(february, Span.MONTH) == datetime(2028, 3, 1, tzinfo=UTC)
    assert partitions.following(datetime(2028, 1, 1, tzinfo=UTC), Span.YEAR) == datetime(2029, 1, 1, tzinfo=UTC)
    assert partitions.following(datetime(2026, 12, 1, tzinfo=UTC), Span.MONTH) == datetime(2027, 1, 1, tzinfo=UTC)


def test_what_exists_is_left_and_what_expired_goes() -> None:
    first = partitions.plan(NOW, [], {})
    names = [item.name for item in first.create]
    assert partitions.plan(NOW, names, {}) == partitions.Plan((), ())
    again = partitions.plan(NOW, names, {"samples": KEEP})
    assert again.create == ()
    assert again.drop[0] == "samples_p20261022"
    assert again.drop[-1] == "samples_p20261114"  # the 15th holds points of the last seven days
    assert all(name.startswith("samples_p") for name in again.drop)


async def test_rows_land_in_what_was_made_and_go_with_what_was_dropped(db: Database, clock: SettableClock) -> None:
    old, tenant = clock() - timedelta(days=20), uuid7(clock())
    insert = text("INSERT INTO samples (tenant_id, series_id, at, value) VALUES (:tenant, 1, :at, 1)")
    count = text("SELECT count(*) FROM samples")
    async with db.owner() as owner:
        await owner.execute(insert, [{"tenant": tenant, "at": old}, {"tenant": tenant, "at": clock()}])
    done = await partitions.apply(db, clock(), retention={"samples": KEEP})
    (samples,) = [layout for layout in LAYOUTS if layout.table == "samples"]
    assert partitions.partition(samples, old).name in done.drop
    async with db.owner() as owner:
        assert (await owner.execute(count)).scalar() == 1
    clock.advance(40 * 86400)
    assert (await partitions.apply(db, clock(), retention={})).create
    async with db.owner() as owner:
        await owner.execute(insert, {"tenant": tenant, "at": clock()})


async def test_two_planners_at_once_do_not_collide(db: Database, clock: SettableClock) -> None:
    clock.advance(10 * 86400)
    await asyncio.gather(*(partitions.apply(db, clock(), retention={"samples": KEEP}) for _ in range(3)))
    assert (await partitions.apply(db, clock(), retention={"samples": KEEP})) == partitions.Plan((), ())
