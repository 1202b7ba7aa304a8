"""Moving history between the stores, a day of a tenant at a time: what is done stands in `series_copies`.

Single points where there are any: the other store rolls them up by itself. Rollups where only rollups are left.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import text

from monitor.db import Database, Role
from monitor.ids import from_microseconds, microseconds
from monitor.series.columns import cursor
from monitor.series.ends import End, Page
from monitor.series.store import Query, Reducer, SeriesStore
from monitor.series.stored import DAY_US, HOUR_US, MINUTE_US, Who

SERIES_AT_ONCE = 500
_SERIES = "SELECT id, kind = 'counter' FROM series WHERE tenant_id = %s AND id > %s ORDER BY id LIMIT %s"
_DONE = text("SELECT day FROM series_copies WHERE tenant_id = :tenant AND source = :source")
_MARK = text(
    "INSERT INTO series_copies (tenant_id, source, day) VALUES (:tenant, :source, :day) ON CONFLICT DO NOTHING"
)
_CLEAR = text("DELETE FROM series_copies WHERE tenant_id = :tenant AND source = :source")
_METRICS = text("SELECT DISTINCT metric FROM series WHERE tenant_id = :tenant ORDER BY 1")


@dataclass(slots=True)
class Copied:
    """A day of a tenant that was copied: single points, rollups, and points that the other store refused."""

    tenant_id: UUID
    day: datetime
    points: int = 0
    rollups: int = 0
    refused: int = 0


class Difference(NamedTuple):
    """Where two stores differ: count and sum of one metric on one day in each, None where there is nothing."""

    metric: str
    day: datetime
    what: Reducer
    one: float | None
    other: float | None


@dataclass(frozen=True, slots=True)
class Copy:
    """From one store to the other, for the days from `since` up to and without `until`."""

    db: Database
    source: End
    target: End
    name: str
    """Of the source: copies in the two directions know nothing of each other."""

    async def run(self, tenant_id: UUID, *, since: datetime, until: datetime, now: datetime) -> AsyncIterator[Copied]:
        """Copy day by day, newest first, what was not copied by an interrupted run; tell of each."""
        given = {"tenant": tenant_id, "source": self.name}
        async with self.db.owner() as connection:
            done = set((await connection.execute(_DONE, given)).scalars())
        day = _day(until - timedelta(microseconds=1))
        while day >= _day(since):
            if day not in done:
                copied = await self._day(tenant_id, day, before=microseconds(now) // HOUR_US * HOUR_US)
                async with self.db.owner() as connection:
                    await connection.execute(_MARK, given | {"day": day})
                yield copied
            day -= timedelta(days=1)
        async with self.db.owner() as connection:
            await connection.execute(_CLEAR, given)

    async def _day(self, tenant_id: UUID, day: datetime, *, before: int) -> Copied:
        copied, low = Copied(tenant_id, day), microseconds(day)
        async for page in self._pages(tenant_id):
            single: list[Any] = [np.zeros(0, np.int64)]
            for hour in range(low, low + DAY_US, HOUR_US):
                points = await self.source.points(page, (hour, hour + HOUR_US))
                copied.points += len(points.at)
                copied.refused += await self.target.write_points(page, points, before=before)
                present = np.unique(points.series)
                single.append(present)
                for width in (MINUTE_US, HOUR_US):
                    await self._rest(copied, page, (hour, hour + HOUR_US), width=width, without=present)
            await self._rest(copied, page, (low, low + DAY_US), width=DAY_US, without=np.concatenate(single))
        return copied

    async def _rest(self, copied: Copied, page: Page, span: tuple[int, int], *, width: int, without: Any) -> None:
        """Rollups of the series of which there are no single points."""
        found = await self.source.rollups(page, span, width=width)
        rest = found.where(~np.isin(found.series, without))
        if len(rest.series):
            copied.rollups += len(rest.series)
            await self.target.write_rollups(page, rest, width=width)

    async def _pages(self, tenant_id: UUID) -> AsyncIterator[Page]:
        after = 0
        while True:
            async with self.db.driver(Role.OWNER) as connection, connection.transaction():
                cur = cursor(connection)
                await cur.execute(_SERIES, [tenant_id, after, SERIES_AT_ONCE])
                rows = await cur.fetchall()
            if not rows:
                return
            ids = np.array([row[0] for row in rows], np.int64)
            yield Page(tenant_id, Who([tenant_id] * len(rows), ids), np.array([row[1] for row in rows], np.bool_))
            after = rows[-1][0]


def _day(at: datetime) -> datetime:
    return from_microseconds(microseconds(at.astimezone(UTC)) // DAY_US * DAY_US)


async def differences(
    db: Database, one: SeriesStore, other: SeriesStore, tenant_id: UUID, *, since: datetime, until: datetime
) -> AsyncIterator[Difference]:
    """Where count or sum of a day and metric are not the same in both stores."""
    async with db.owner() as connection:
        metrics = list((await connection.execute(_METRICS, {"tenant": tenant_id})).scalars())
    for metric in metrics:
        for what in (Reducer.COUNT, Reducer.SUM):
            wanted = Query(metric=metric, reduce=what, start=_day(since), end=until, step=timedelta(days=1))
            found = [
                {at: value for line in await store.query(tenant_id, wanted) for at, value in line.points}
                for store in (one, other)
            ]
            for day in sorted(found[0].keys() | found[1].keys()):
                here, there = found[0].get(day), found[1].get(day)
                # Sums are added up in another order in each store.
                if here is None or there is None or not np.isclose(here, there, rtol=1e-9, atol=1e-9):
                    yield Difference(metric, day, what, here, there)
