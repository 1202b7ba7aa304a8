"""Watches the history store that stands apart from PostgreSQL: empties its spool, and says once when it cannot."""

from datetime import datetime
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Gauge

from alerts import outages, system
from monitor.db import Database
from monitor.series import drain, spool
from monitor.series.influx import InfluxSeriesStore


class HistoryWatch:
    """One for each alerter; any number may run against one database."""

    def __init__(
        self, db: Database, series: InfluxSeriesStore, *, registry: CollectorRegistry, public_url: str
    ) -> None:
        """`registry`: where the spool's figures go."""
        self._db = db
        self._series = series
        self._public_url = public_url
        # What was reported last: who is affected. Unknown at first, since the last alerter may have left an alert open.
        self._said: set[UUID] | None = None
        self._rows = Gauge("agent_monitor_spool_rows", "Batches that wait for InfluxDB", registry=registry)
        self._points = Gauge("agent_monitor_spool_points", "Points that wait for InfluxDB", registry=registry)
        self._age = Gauge(
            "agent_monitor_spool_oldest_seconds", "How long the oldest batch has waited; 0: none", registry=registry
        )
        self._drained = Counter(
            "agent_monitor_spool_drained_points", "Points brought from the spool to InfluxDB", registry=registry
        )
        self._refused = Counter(
            "agent_monitor_spool_refused_points",
            "Points of the spool that InfluxDB refused for good",
            registry=registry,
        )

    async def run_once(self, now: datetime) -> None:
        """Empty the spool as far as InfluxDB takes it, and report whether it does."""
        done = await drain.run_once(self._db, self._series.influx, self._series.catalogue, now)
        self._drained.inc(done.points)
        self._refused.inc(done.refused)
        async with self._db.alerter() as connection:
            level, tenants = await spool.level(connection), await spool.tenants(connection)
            blind = await outages.blind(connection)
        self._rows.set(level.rows)
        self._points.set(level.points)
        self._age.set(0.0 if level.since is None else max(0.0, (now - level.since).total_seconds()))
        if done.error is not None and tenants != self._said:
            await self._report(tenants, now, f"{level.points:,} points wait to be written: {done.error}")
        elif done.empty and not (tenants or blind) and self._said != set() and await self._series.influx.answers():
            await self._report(tenants, now, "")

    async def _report(self, tenants: set[UUID], now: datetime, detail: str) -> None:
        async with self._db.alerter() as connection:
            await system.report(
                connection,
                system.SystemFault.HISTORY_BLIND,
                active=bool(tenants),
                detail=detail,
                tenants=tenants,
                now=now,
                public_url=self._public_url,
            )
        self._said = tenants
