"""The words of alerting, each one an enumeration: what may stand in a row, a message or a decision."""

from enum import StrEnum


class Severity(StrEnum):
    """How bad an alert is; the order of the members is the order of urgency."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Verdict(StrEnum):
    """What one evaluation says. UNKNOWN: the read failed, the window was empty, or `min_count` was not met."""

    OK = "OK"
    BREACHED = "BREACHED"
    UNKNOWN = "UNKNOWN"


class Phase(StrEnum):
    """Where one rule x agent x label set stands (Prometheus' `for`, Grafana's `keep firing for`)."""

    INACTIVE = "INACTIVE"
    PENDING = "PENDING"
    FIRING = "FIRING"
    RECOVERING = "RECOVERING"


class Event(StrEnum):
    """What one step of the state machine announces; the two alternate for ever."""

    FIRED = "FIRED"
    RESOLVED = "RESOLVED"


class Reason(StrEnum):
    """Why a notification is sent now. Travels with it, so that a message can say so."""

    FIRST = "FIRST"
    REPEAT = "REPEAT"
    ESCALATED = "ESCALATED"
    RESOLVED = "RESOLVED"
    RESPONDED = "RESPONDED"
    DIGEST = "DIGEST"
    TEST = "TEST"


class AlertStatus(StrEnum):
    """Status of an episode, as the API and the `alerts` table spell it."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Action(StrEnum):
    """What a person may do about an alert from where they were told of it."""

    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    RESOLVE = "resolve"


class NoData(StrEnum):
    """What an empty window means to a rule."""

    KEEP = "keep"
    ALERT = "alert"
    OK = "ok"


class ChannelKind(StrEnum):
    """How a message travels. A member has a module of its name in `alerts/channels`, or goes through Apprise."""

    EMAIL = "email"
    SLACK = "slack"
    WEBHOOK = "webhook"
    PAGERDUTY = "pagerduty"
    TEAMS = "teams"
    DISCORD = "discord"
    TELEGRAM = "telegram"
    NTFY = "ntfy"
    APPRISE = "apprise"


class CloseReason(StrEnum):
    """Why an episode ended. Only `recovered` may be announced as a recovery."""

    RECOVERED = "recovered"
    BY_HAND = "resolved by hand"
    RULE_CHANGED = "rule changed"
    RULE_DISABLED = "rule disabled"
    RULE_DELETED = "rule deleted"
    AGENT_RETIRED = "agent retired"
    AGENT_UNSELECTED = "agent no longer selected"
    NOT_REPORTED = "no longer reported"
