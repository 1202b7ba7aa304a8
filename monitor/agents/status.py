"""Pure: what an agent is doing right now, from what is known of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

QUIET = timedelta(seconds=60)
LEAST_PATIENCE = timedelta(seconds=90)
MISSED_BEATS = 3


class State(StrEnum):
    """Computed, never set by people (that is `agents.status`)."""

    IDLE = "idle"
    WORKING = "working"
    DEAD = "dead"
    ERROR = "error"
    UNKNOWN = "unknown"


class Presence(StrEnum):
    """The same in three words, as the cache tells it."""

    ONLINE = "online"
    OFFLINE = "offline"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the live row says. `heartbeat_interval` is in seconds, learned or given."""

    last_seen_at: datetime | None
    expected: bool
    heartbeat_interval: float | None
    last_status: str | None


def patience(interval: float | None) -> timedelta:
    """How long an expected agent may be silent: three intervals, and never less than 90 s."""
    return max(LEAST_PATIENCE, timedelta(seconds=MISSED_BEATS * (interval or 0)))


def state_of(evidence: Evidence, now: datetime) -> State:
    """Dead: expected and silent beyond patience. Error: the last execution failed. Working: heard within a minute."""
    if evidence.last_seen_at is None:
        return State.UNKNOWN
    missed = missed_at(evidence)
    if missed is not None and now > missed:
        return State.DEAD
    if evidence.last_status == "error":
        return State.ERROR
    return State.WORKING if now - evidence.last_seen_at <= QUIET else State.IDLE


def presence_of(state: State) -> Presence:
    """Offline: never heard of, or missed. An idle agent is online: it is not late yet, or nobody waits for it."""
    if state is State.ERROR:
        return Presence.ERROR
    return Presence.OFFLINE if state in {State.DEAD, State.UNKNOWN} else Presence.ONLINE


def missed_at(evidence: Evidence) -> datetime | None:
    """When an agent that stays silent is dead; None where nobody expects it."""
    if evidence.last_seen_at is None or not evidence.expected:
        return None
    return evidence.last_seen_at + patience(evidence.heartbeat_interval)
