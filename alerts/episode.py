"""Episodes and states as rows hold them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from alerts.core.labels import Labels
from alerts.core.policy import Acknowledgement
from alerts.core.state import AlertState
from alerts.core.vocabulary import AlertStatus, Phase, Severity, Verdict
from alerts.heard import Told, told_from_json
from alerts.targets import TargetKey


@dataclass(frozen=True, slots=True)
class StateRow:
    """The state of one target and label set, with what was last seen, and its open alert."""

    key: TargetKey
    labels: Labels
    state: AlertState
    verdict: Verdict
    value: float | None = None
    detail: str = ""
    alert_id: UUID | None = None


@dataclass(slots=True)
class Episode:
    """An alert as a tick changes it."""

    tenant_id: UUID
    id: UUID
    config_id: UUID | None
    agent_id: UUID | None
    severity: Severity
    status: AlertStatus
    triggered_at: datetime
    value: float | None
    details: dict[str, Any]
    told: tuple[Told, ...] = ()
    acknowledged_until: datetime | None = None
    resolved_at: datetime | None = None
    reason: str | None = None
    config_version: int | None = None
    rule: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def acknowledgement(self) -> Acknowledgement | None:
        """What was acknowledged, and until when; None when nothing is."""
        if self.status is not AlertStatus.ACKNOWLEDGED or self.acknowledged_until is None:
            return None
        severity = Severity(self.details.get("acknowledged_severity", self.severity))
        return Acknowledgement(self.acknowledged_until, severity)

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return self.resolved_at is None


def episode_of(row: Any) -> Episode:
    """An episode from a row of `alerts`."""
    return Episode(
        tenant_id=row.tenant_id,
        id=row.id,
        config_id=row.config_id,
        agent_id=row.agent_id,
        severity=Severity(row.severity),
        status=AlertStatus(row.status),
        triggered_at=row.triggered_at,
        value=row.value,
        details=dict(row.details),
        told=told_from_json(row.heard),
        acknowledged_until=row.acknowledged_until,
        resolved_at=row.resolved_at,
        reason=row.reason,
        config_version=row.config_version,
        rule=row.rule,
        labels=dict(row.labels),
        fingerprint=row.fingerprint,
    )


def state_of(row: Any) -> AlertState:
    """A state from a row of `alert_states`."""
    raw: Mapping[str, Any] = row.state
    return AlertState(
        phase=Phase(row.phase),
        since=row.since,
        at=_time(raw.get("at")),
        known_at=_time(raw.get("known_at")),
        held=timedelta(microseconds=raw.get("held_us", 0)),
        latched_until=_time(raw.get("latched_until")),
        reopened=raw.get("reopened", False),
    )


def state_to_json(state: AlertState) -> dict[str, Any]:
    """The inverse of `state_of`, for what has no column of its own."""
    times = {"at": state.at, "known_at": state.known_at, "latched_until": state.latched_until}
    value: dict[str, Any] = {name: at.isoformat() for name, at in times.items() if at is not None}
    if state.held:
        value["held_us"] = state.held // timedelta(microseconds=1)
    if state.reopened:
        value["reopened"] = True
    return value


def _time(raw: str | None) -> datetime | None:
    return None if raw is None else datetime.fromisoformat(raw)
