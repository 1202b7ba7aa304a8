"""Backups as a job of the alerter: taken when due, archived and deleted in their time, shown in /metrics."""

import asyncio
from datetime import datetime

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from monitor.backup import archive, physical
from monitor.backup.place import Manifest, Place
from monitor.backup.schedule import Keeping, due, expired
from monitor.backup.take import Source, take
from monitor.clock import Clock
from monitor.errors import InUse, MonitorError

_log = structlog.get_logger(__name__)


class Backups:
    """One folder of backups, kept in step with the schedule; several alerters may share it."""

    def __init__(
        self,
        source: Source,
        place: Place,
        *,
        other: Place | None,
        keeping: Keeping,
        logical: bool,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        """`other`: where old ones are archived. `logical`: pg_dump, for servers that refuse replication."""
        self._source, self._place, self._other = source, place, other
        self._keeping, self._logical, self._clock = keeping, logical, clock
        self._at = Gauge(
            "agent_monitor_backup_timestamp_seconds", "The state that the newest backup holds", ["kind"],
            registry=registry,
        )  # fmt: skip
        self._bytes = Gauge("agent_monitor_backup_bytes", "Size of the newest backup", ["kind"], registry=registry)
        self._failed = Counter("agent_monitor_backup_failures_total", "Backups that failed", registry=registry)

    async def run_once(self, now: datetime) -> Manifest | None:
        """Take what is due, and let go what has had its time. Another process that does so just now is left to it."""
        kind = due(now, self._place.all(), logical=self._logical, incremental=await self._incremental())
        try:
            taken = await take(self._source, self._place, kind, clock=self._clock, say=_log.debug) if kind else None
            await asyncio.to_thread(self._let_go, now)
        except InUse:
            return None
        except MonitorError:
            self._failed.inc()
            raise
        self._show()
        return taken

    async def _incremental(self) -> bool:
        if self._logical:
            return False
        server = await physical.look(self._source.backup_url)
        return server.summarizes and server.major >= physical.INCREMENTAL_SINCE

    def _let_go(self, now: datetime) -> None:
        with self._place.held():
            for one in expired(now, self._place.all(), keep=self._keeping.online):
                if self._other is not None and now - one.started_at < self._keeping.archived:
                    self._place.move(one, self._other)
                else:
                    self._place.remove(one)
            if self._other is not None:
                for one in expired(now, self._other.all(), keep=self._keeping.archived):
                    self._other.remove(one)
            archive.prune(self._place)

    def _show(self) -> None:
        for one in self._place.all():
            self._at.labels(one.kind).set(one.at.timestamp())
            self._bytes.labels(one.kind).set(one.bytes)
