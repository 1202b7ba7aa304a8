"""Alerts that other systems have judged, as Alertmanager's API v2 tells them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.core.condition import All
from alerts.core.rule import DEFAULT_REPEAT, Rule
from alerts.core.vocabulary import Severity
from alerts.core.wording import one_line, paragraph

NAME = "alertname"
UNNAMED = "alert without a name"

_SEVERITIES = {
    **dict.fromkeys(("critical", "page", "error", "fatal", "emergency", "disaster", "high"), Severity.CRITICAL),
    **dict.fromkeys(("info", "information", "none", "low", "debug"), Severity.INFO),
}
_OFFSET, _PRIME, _MASK = 14695981039346656037, 1099511628211, (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Received:
    """One alert as it was told. It goes on until `ends_at`, unless it is told again with a later one.

    `resolved`: whoever tells it says that it has ended.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime
    resolved: bool
    generator_url: str | None = None

    @property
    def fingerprint(self) -> str:
        """What Alertmanager calls this label set."""
        return fingerprint(self.labels)

    def going_on(self, now: datetime) -> bool:
        """Whether it fires."""
        return not self.resolved and self.ends_at > now


def received(
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    *,
    starts_at: datetime | None,
    ends_at: datetime | None,
    generator_url: str | None,
    now: datetime,
    timeout: timedelta,
) -> Received:
    """An alert as it was posted at `now`, with Alertmanager's defaults; without an end it lasts for `timeout`.

    Raises ValueError for one without labels, or that ends before it starts.
    """
    own = {name: value for name, value in labels.items() if value}
    if not own:
        raise ValueError("at least one label is required")
    start = starts_at or (min(now, ends_at) if ends_at else now)
    end = ends_at or now + timeout
    if end < start:
        raise ValueError("the start must be before the end")
    told = {name: value for name, value in annotations.items() if value}
    return Received(own, told, start, end, end <= now, generator_url or None)


def fingerprint(labels: Mapping[str, str]) -> str:
    """Prometheus' fingerprint of a label set: FNV-1a of 64 bits over sorted names and values, each ended by 0xFF."""
    digest = _OFFSET
    for name, value in sorted(labels.items()):
        for byte in (*name.encode(), 0xFF, *value.encode(), 0xFF):
            digest = (digest ^ byte) * _PRIME & _MASK
    return f"{digest:016x}"


def severity_of(labels: Mapping[str, str]) -> Severity:
    """Our word for the label `severity`; a warning where it is missing or means nothing to us."""
    return _SEVERITIES.get(labels.get("severity", "").lower(), Severity.WARNING)


def own_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that an episode keeps: all but those that are told as its rule, its agent and its severity."""
    said = {NAME, "agent"} | ({"severity"} if labels.get("severity") == severity_of(labels) else set())
    return {name: value for name, value in labels.items() if name not in said}


def described(one: Received) -> dict[str, object]:
    """What messages say of it, as an episode's details."""
    told, labels = one.annotations, one.labels
    summary = told.get("summary") or told.get("message") or told.get("description") or "it was reported"
    source = labels.get("agent") or labels.get("instance") or labels.get("job") or "another system"
    given: dict[str, object] = {
        "summary": one_line(summary, 500),
        "last_message": paragraph(told["description"], 1500) if told.get("summary") and "description" in told else None,
        "source": one_line(source, 200),
        "runbook": one_line(told.get("runbook_url") or told.get("runbook") or "", 2000) or None,
        "generator_url": one.generator_url,
        "said_by": "another system",
    }
    return {name: value for name, value in given.items() if value is not None}


def rule_for(one: Received, *, repeat: timedelta = DEFAULT_REPEAT) -> Rule:
    """How a received alert is told: the tenant's routes say where, else its fallback is used."""
    # Whoever tells it has judged its condition: what is left of it always holds.
    return Rule(condition=All(()), repeat=repeat, severity=severity_of(one.labels))
