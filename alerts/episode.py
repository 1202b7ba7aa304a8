"""Episodes and states as rows hold them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from alerts.core.flapping import STEADY, Flaps
from alerts.core.labels import Labels
from alerts.core.muting import Mute, Muted
from alerts.core.policy import Acknowledgement, Withheld
from alerts.core.state import AlertState
from alerts.core.vocabulary import AlertStatus, Phase, Severity, Verdict
from alerts.heard import Told, told_from_json
from alerts.targets import TargetKey


class StateRow(msgspec.Struct, frozen=True):
    """The state of one target and label set, with what was last seen, and its open alert."""

    key: TargetKey
    labels: Labels
    state: AlertState
    verdict: Verdict
    value: float | None = None
    detail: str = ""
    alert_id: UUID | None = None


class Episode(msgspec.Struct):
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
    snoozed_until: datetime | None = None
    snoozed_by: str | None = None
    resolved_at: datetime | None = None
    reason: str | None = None
    config_version: int | None = None
    rule: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    fingerprint: str = ""

    @property
    def acknowledgement(self) -> Acknowledgement | None:
        """What was acknowledged, and until when; None when nothing is."""
        if self.status is not AlertStatus.ACKNOWLEDGED or self.acknowledged_until is None:
            return None
        severity = Severity(self.details.get("acknowledged_severity", self.severity))
        return Acknowledgement(self.acknowledged_until, severity)

    @property
    def snooze(self) -> Mute | None:
        """The snooze that somebody asked for, whether it has ended or not."""
        if self.snoozed_until is None:
            return None
        return Mute(Withheld.SNOOZED, self.snoozed_by or "", until=self.snoozed_until)

    @property
    def muted(self) -> Muted:
        """What is remembered of mutes."""
        raw: Mapping[str, Any] = self.details.get("muting") or {}
        return Muted(raw.get("owed", ""), raw.get("ended", ""), _time(raw.get("unmuted_at")))

    def mute(self, muted: Muted, by: Mute | None) -> None:
        """Remember mutes, and show what withholds messages now."""
        self.details["muted"] = None if by is None else mute_to_json(by)
        if muted != Muted():
            at = muted.unmuted_at
            kept = {"owed": muted.owed, "ended": muted.ended, "unmuted_at": at and at.isoformat()}
            self.details["muting"] = {name: value for name, value in kept.items() if value}

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
        snoozed_until=row.snoozed_until,
        snoozed_by=row.snoozed_by,
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
        flaps=_flaps(raw.get("flaps")),
    )


def state_to_json(state: AlertState) -> dict[str, Any]:
    """The inverse of `state_of`, for what has no column of its own, once it is JSON (`arrays.jsons`)."""
    times = {"at": state.at, "known_at": state.known_at, "latched_until": state.latched_until}
    value: dict[str, Any] = {name: at for name, at in times.items() if at is not None}
    if state.held:
        value["held_us"] = state.held // timedelta(microseconds=1)
    if state.reopened:
        value["reopened"] = True
    if state.flaps.fired:
        flaps = state.flaps
        times = {"changed_at": flaps.changed_at, "since": flaps.since, "said_at": flaps.said_at}
        value["flaps"] = {"fired": flaps.fired} | {name: at for name, at in times.items() if at is not None}
    return value


def mute_to_json(mute: Mute) -> dict[str, str]:
    """What withholds messages, as timelines and answers tell it."""
    said = {"by": str(mute.by), "source": mute.source, "title": mute.title}
    until = {"until": mute.until.isoformat()} if mute.until is not None else {}
    return {name: value for name, value in said.items() if value} | until


def _flaps(raw: Mapping[str, Any] | None) -> Flaps:
    if raw is None:
        return STEADY
    fired = tuple(datetime.fromisoformat(at) for at in raw["fired"])
    return Flaps(fired, _time(raw.get("changed_at")), _time(raw.get("since")), _time(raw.get("said_at")))


def _time(raw: str | None) -> datetime | None:
    return None if raw is None else datetime.fromisoformat(raw)
