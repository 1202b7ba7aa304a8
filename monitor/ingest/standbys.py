"""Standbys of the database as series that rules read: `replication_lag_seconds` and `replication_lag_bytes`."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Gauge

from monitor.ids import PLATFORM_TENANT
from monitor.ingest.payloads import MetricIn
from monitor.ingest.service import Ingest
from monitor.principal import Principal, Scope, TenantStatus
from monitor.regions import replication
from monitor.regions.lag import Standing

AGENT = "postgresql"
"""The platform's agent that the series belong to; the tag `standby` says of which one they are."""
_PLATFORM = Principal(
    tenant_id=PLATFORM_TENANT, tenant_status=TenantStatus.ACTIVE, scopes=frozenset({Scope.INGEST})
)  # fmt: skip


class Standbys:
    """Looks at them, and tells how far they are behind. One for each alerter."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._lag = Gauge(
            "agent_monitor_replication_lag_seconds", "How old what a standby shows is, or for how long it is missing",
            ["standby"], registry=ingest.deps.registry,
        )  # fmt: skip

    async def run_once(self, now: datetime) -> None:
        """Do both."""
        standings = await replication.watch(self._ingest.deps.db, now)
        for one in standings:
            if one.lag_seconds is not None:
                self._lag.labels(one.application_name).set(one.lag_seconds)
        rows = _rows(standings)
        if rows:
            await self._ingest.accept_metrics(_PLATFORM, rows)


def _rows(standings: Sequence[Standing]) -> list[MetricIn]:
    return [
        MetricIn(
            agent=AGENT,
            metric=f"replication_lag_{unit}",
            value=float(value),
            unit="s" if unit == "seconds" else "By",
            timestamp=one.checked_at.isoformat(),
            tags={"standby": one.application_name},
        )
        for one in standings
        for unit, value in (("seconds", one.lag_seconds), ("bytes", one.lag_bytes))
        if value is not None
    ]
