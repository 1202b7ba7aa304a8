"""Maintenance as a job of the alerter, shown in /metrics."""

from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

from monitor.db import Database
from monitor.maintenance.planning import Measures
from monitor.maintenance.work import Outcome, run_once


class Maintenance:
    """What is due, every time that it is called; several alerters may share a database."""

    def __init__(
        self,
        db: Database,
        *,
        clock: Callable[[], datetime],
        registry: CollectorRegistry,
        measures: Measures | None = None,
    ) -> None:
        """`measures`: when something is due, as the defaults say unless given."""
        self._db, self._clock, self._measures = db, clock, measures or Measures()
        self._at = Gauge(
            "agent_monitor_maintenance_timestamp_seconds", "When this process last did it", ["task"], registry=registry
        )
        self._seconds = Counter(
            "agent_monitor_maintenance_seconds_total", "Time that it took", ["task"], registry=registry
        )
        self._done = Counter(
            "agent_monitor_maintenance_relations_total", "Tables and indexes that it was done to", ["task"],
            registry=registry,
        )  # fmt: skip
        self._failed = Counter(
            "agent_monitor_maintenance_failures_total", "Put off, as for a lock that was not had", ["task"],
            registry=registry,
        )  # fmt: skip
        self._freed = Counter(
            "agent_monitor_maintenance_freed_bytes_total", "Given back to the disk", ["task"], registry=registry
        )

    async def run_once(self, now: datetime) -> list[Outcome]:
        """Do what is due."""
        outcomes = await run_once(self._db, now, self._measures, clock=self._clock)
        for one in outcomes:
            task = one.work.task.value
            self._seconds.labels(task).inc(one.seconds)
            if one.failed is not None:
                self._failed.labels(task).inc()
                continue
            self._at.labels(task).set(self._clock().timestamp())
            self._done.labels(task).inc()
            self._freed.labels(task).inc(max(0, one.before - one.after))
        return outcomes
