"""Bringing the spool to InfluxDB: in order, a bounded batch in each transaction, as soon as it answers again.

A batch that was written and not yet deleted when the process died is written again: the same points, once.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import structlog
from psycopg import errors as pg

from monitor import arrays
from monitor.db import Database, Role
from monitor.errors import SeriesDown
from monitor.ids import microseconds
from monitor.series.catalogue import Catalogue
from monitor.series.columns import column, cursor
from monitor.series.influx_client import Influx
from monitor.series.influx_write import MARK, late_hours, post
from monitor.series.spool import LOCK
from monitor.series.store import Columns
from monitor.series.stored import HOUR_US
from monitor.series.write import unique_in_order

BATCH_POINTS = 50_000
BATCH_ROWS = 1_000
_ALONE = 0x5E121E7
_TAKE = """
    SELECT s.tenant_id, s.id, s.series_ids, s.at, s.values FROM (
        SELECT *, sum(points) OVER (ORDER BY id) - points AS before FROM spool ORDER BY id LIMIT %s
    ) s WHERE s.before < %s ORDER BY s.id
"""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Drained:
    """What was done, in points. `refused`: dropped, since InfluxDB will never take them. `error`: why it stopped before
    the spool was empty. `empty`: nothing was left in it when it was looked at last."""

    points: int = 0
    refused: int = 0
    empty: bool = False
    error: str | None = None


async def run_once(
    db: Database, influx: Influx, catalogue: Catalogue, now: datetime, *, batch_points: int = BATCH_POINTS
) -> Drained:
    """Empty the spool, or stop where InfluxDB takes no more. Safe beside ingest and beside itself."""
    points = refused = 0
    alone = False
    async with db.driver(Role.OWNER) as connection:
        drain = _Drain(connection, influx, catalogue, microseconds(now) // HOUR_US * HOUR_US)
        while True:
            try:
                async with connection.transaction():
                    done = await drain.batch(batch_points, alone=alone)
            except SeriesDown as fault:
                return Drained(points, refused, error=fault.message)
            except (pg.LockNotAvailable, pg.DeadlockDetected):
                # Writers keep it from us: their points stay in order, and the next run takes them.
                return Drained(points, refused)
            if done is None:
                return Drained(points, refused)
            points, refused = points + done.points, refused + done.refused
            # The last look is alone: without it, what writers add meanwhile would keep the spool from ever being empty.
            if done.empty and (alone or not points + refused):
                return Drained(points, refused, empty=True)
            alone = done.empty


@dataclass(frozen=True, slots=True)
class _Drain:
    connection: psycopg.AsyncConnection[Any]
    influx: Influx
    catalogue: Catalogue
    hour_us: int

    async def batch(self, points: int, *, alone: bool) -> Drained | None:
        """One batch within the caller's transaction; None where another process is at it.

        `alone`: nobody adds to the spool until the transaction ends.
        """
        cur = cursor(self.connection)
        await cur.execute("SELECT pg_try_advisory_xact_lock(%s)", [_ALONE])
        row = await cur.fetchone()
        if row is None or not row[0]:
            return None
        if alone:
            await cur.execute("SET LOCAL lock_timeout = '5s'")
            await cur.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        await cur.execute(_TAKE, [BATCH_ROWS, points], prepare=False)
        rows = await cur.fetchall()
        parts: dict[UUID, list[Columns]] = defaultdict(list)
        for tenant_id, _id, series, at, values in rows:
            columns = column(series, "int8"), column(at, "timestamptz"), column(values, "float8")
            parts[tenant_id].append(Columns(*columns))
        taken = lost = 0
        # As ingest does: whoever marks hours of several tenants takes them in this order.
        for tenant_id in sorted(parts, key=lambda one: one.int):
            taken += sum(len(part.values) for part in parts[tenant_id])
            lost += await self._tenant(tenant_id, parts[tenant_id])
        if rows:
            await self.connection.execute("DELETE FROM spool WHERE id = ANY(%s)", [[row[1] for row in rows]])
        return Drained(taken - lost, lost, empty=len(rows) < BATCH_ROWS and taken < points)

    async def _tenant(self, tenant_id: UUID, parts: Sequence[Columns]) -> int:
        """Write one tenant's points; returns how many are refused for good."""
        points = unique_in_order(Columns(*map(np.concatenate, zip(*parts, strict=True))))
        refused = await post(self.influx, self.catalogue, tenant_id, points)
        lost = int(np.isin(points[0], list(refused)).sum()) if refused else 0
        if lost:
            _log.error(
                "InfluxDB refuses points of the spool for good: they are dropped",
                tenant_id=str(tenant_id), points=lost, series=sorted(refused)[:20], error=next(iter(refused.values())),
            )  # fmt: skip
        series, hours = late_hours(points, before=self.hour_us)
        if len(series):
            given = {"tenant": tenant_id, "series": arrays.int8s(series), "hours": arrays.times(hours)}
            raw = psycopg.AsyncRawCursor(self.connection)
            await raw.execute(MARK.sql, [given[name] for name in MARK.names])
        return lost
