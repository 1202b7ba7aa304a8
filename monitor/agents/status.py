"""Pure: what an agent is doing right now, and why we think so, from what is stored of it.

An agent is alive by any evidence: a heartbeat, a log, a metric, a step of a trace, a run that it tells of, a call of a
tool that is open. All times are times of receipt. Two things are told apart. Silence: nothing at all was heard; who is
expected and silent for longer than its patience is dead. Standstill: something is in hand (a task or a call of a tool
that was told as running and not as ended) and nothing but heartbeats was heard; who stands still for longer than its
patience is stalled. Who has nothing in hand is idle, however long.

A call of a tool excuses both until that tool's patience is over: the agent is blocked. Who went on beating *during*
the call is missed all the same when the beats stop.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.core.wording import duration
from monitor.signals import FAREWELLS

QUIET = timedelta(seconds=60)
LEAST_PATIENCE = timedelta(seconds=90)
MISSED_BEATS = 3
STANDSTILL = timedelta(minutes=10)
TOOL_PATIENCE = timedelta(minutes=10)
"""Unless the tenant says otherwise of that tool, or of all."""
LONGEST_PATIENCE = timedelta(days=7)
BUSY = frozenset({"working", "busy", "running"})
"""Statuses of a heartbeat, in lower case, that say by themselves that work goes on."""
FAILING = frozenset({"error", "failed", "failing"})
"""Statuses of a heartbeat, in lower case, that say that something is wrong."""

_TICK = timedelta(microseconds=1)
_DEFAULT_INTERVAL = LEAST_PATIENCE / MISSED_BEATS


class State(StrEnum):
    """Computed, never set by people (that is `agents.status`)."""

    IDLE = "idle"
    WORKING = "working"
    BLOCKED = "blocked"
    STALLED = "stalled"
    DEAD = "dead"
    ERROR = "error"
    UNKNOWN = "unknown"


class Presence(StrEnum):
    """The same in three words, as the cache tells it."""

    ONLINE = "online"
    OFFLINE = "offline"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call of a tool that was told as running and not as ended. `until`: the end of the tool's patience."""

    tool: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Work:
    """What an agent has in hand: of its open calls the one with the longest patience, and its newest open task."""

    call: OpenCall | None = None
    task_since: datetime | None = None


NOTHING = Work()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is stored of an agent. `heartbeat_interval` (learned or given) and `patience` (its own) are in seconds.

    `last_seen_at`: of anything; `last_active_at`: of anything but plain heartbeats, `active_by` which kind it was.
    `expected`: see the dead-man in live.py. `last_status`: of its newest execution.
    """

    last_seen_at: datetime | None
    last_active_at: datetime | None = None
    active_by: str | None = None
    last_heartbeat_at: datetime | None = None
    heartbeat_interval: float | None = None
    heartbeat_status: str | None = None
    expected: bool = False
    ephemeral: bool = False
    retired: bool = False
    last_status: str | None = None
    patience: float | None = None
    work: Work = NOTHING


@dataclass(frozen=True, slots=True)
class Liveness:
    """A state, the sentence that says why, since when it holds where silence made it so, and when it will be another
    by itself: None if only news can change it."""

    state: State
    why: str
    since: datetime | None = None
    changes_at: datetime | None = None


def patience(interval: float | None, own: float | None = None) -> timedelta:
    """How long an expected agent may be silent: its own, or three intervals and never less than 90 s."""
    if own is not None:
        return timedelta(seconds=own)
    return max(LEAST_PATIENCE, timedelta(seconds=MISSED_BEATS * (interval or 0)))


def assess(evidence: Evidence, now: datetime) -> Liveness:
    """The state at `now` with its reason, and when it ends if nothing more is heard."""
    state = state_of(evidence, now)
    since = {State.DEAD: missed_at(evidence), State.STALLED: stalled_at(evidence)}.get(state)
    if state is State.BLOCKED and evidence.work.call is not None:
        since = evidence.work.call.since
    turns = (at + _TICK for at in _turns(evidence))
    changes_at = next((at for at in sorted(turns) if at > now and state_of(evidence, at) is not state), None)
    return Liveness(state, _why(evidence, state, now), since, changes_at)


def state_of(evidence: Evidence, now: datetime) -> State:
    """The first of these that holds: dead, stalled, blocked, error, working; else idle."""
    if evidence.last_seen_at is None:
        return State.UNKNOWN
    missed, stalled = missed_at(evidence), stalled_at(evidence)
    if missed is not None and now > missed:
        return State.DEAD
    if stalled is not None and now > stalled:
        return State.STALLED
    active = _active_at(evidence)
    busy = active is not None and now - active <= QUIET
    call = evidence.work.call
    if call is not None and now <= call.until and not _left(evidence):
        moved = active is not None and active > call.since
        if not (moved and busy):
            return State.BLOCKED
    if evidence.last_status == "error" or (evidence.heartbeat_status or "").lower() in FAILING:
        return State.ERROR
    in_hand = evidence.work.task_since is not None and not _left(evidence)
    return State.WORKING if busy or in_hand else State.IDLE


def holds(evidence: Evidence, state: State, now: datetime) -> bool:
    """Whether a rule that waits for this state has found it: who got worse since then has not recovered from it."""
    found = state_of(evidence, now)
    if found is state or found not in (State.STALLED, State.DEAD):
        return found is state
    call, active, stalled = evidence.work.call, _active_at(evidence), stalled_at(evidence)
    if state is State.STALLED:
        return stalled is not None and now > stalled
    return state is State.BLOCKED and call is not None and active is not None and active <= call.since


def presence_of(state: State) -> Presence:
    """Offline: never heard of, or missed. Who is idle, blocked or stalled is there."""
    if state is State.ERROR:
        return Presence.ERROR
    return Presence.OFFLINE if state in {State.DEAD, State.UNKNOWN} else Presence.ONLINE


def missed_at(evidence: Evidence) -> datetime | None:
    """When an agent that stays silent is dead; None where nobody expects it."""
    if evidence.last_seen_at is None or not evidence.expected:
        return None
    heard, call = evidence.last_seen_at, evidence.work.call
    if call is not None and not _beats_during(evidence, call):
        heard = max(heard, call.until)
    return heard + patience(evidence.heartbeat_interval, evidence.patience)


def stalled_at(evidence: Evidence) -> datetime | None:
    """When an agent that makes no progress is stalled; None where it has nothing in hand, or nobody waits for it."""
    call, task, active = evidence.work.call, evidence.work.task_since, _active_at(evidence)
    if active is None or evidence.ephemeral or _left(evidence):
        return None
    if call is not None and active > call.until:
        call = None  # it went on after the tool's patience was over: the end of the call was lost
    if call is None:
        return None if task is None else active + _standstill(evidence)
    # Nothing has moved since the call began: it is the call that stands still. Else the call is not what it waits for.
    return call.until if active <= call.since else max(call.until, active + _standstill(evidence))


def _standstill(evidence: Evidence) -> timedelta:
    """How long an agent may make no progress with something in hand."""
    return STANDSTILL if evidence.patience is None else timedelta(seconds=evidence.patience)


def _active_at(evidence: Evidence) -> datetime | None:
    """When it last did anything. What it has in hand was told at that time; what is stored may not say more."""
    call = evidence.work.call
    told = (evidence.last_active_at, evidence.work.task_since, None if call is None else call.since)
    return max((at for at in told if at is not None), default=None)


def _beats_during(evidence: Evidence, call: OpenCall) -> bool:
    """Whether heartbeats go on while the call is open: one came a whole interval after its beginning."""
    beat = evidence.last_heartbeat_at
    interval = (
        _DEFAULT_INTERVAL if evidence.heartbeat_interval is None else timedelta(seconds=evidence.heartbeat_interval)
    )
    return beat is not None and beat >= call.since + interval


def _left(evidence: Evidence) -> bool:
    """Whether it ended on purpose: then nothing that it left open is waited for."""
    if evidence.retired:
        return True
    beat, active = evidence.last_heartbeat_at, _active_at(evidence)
    said = (evidence.heartbeat_status or "").lower() in FAREWELLS
    return said and beat is not None and (active is None or beat >= active)


def _turns(evidence: Evidence) -> Iterator[datetime]:
    """The last moments of whatever ends by silence alone."""
    active, call = _active_at(evidence), evidence.work.call
    if active is not None:
        yield active + QUIET
    if call is not None:
        yield call.until
    yield from (at for at in (missed_at(evidence), stalled_at(evidence)) if at is not None)


def _why(evidence: Evidence, state: State, now: datetime) -> str:
    seen, call = evidence.last_seen_at, evidence.work.call
    active = _active_at(evidence)
    match state:
        case State.UNKNOWN:
            return "never heard of"
        case State.DEAD if seen is not None:
            limit = patience(evidence.heartbeat_interval, evidence.patience)
            said = f"nothing was heard for {_span(now - seen)}; {_span(limit)} of silence are allowed"
            return said if call is None else f"{said}, and its call of {call.tool} excuses it no longer"
        case State.STALLED if call is not None and now > call.until:
            return (
                f"in the tool {call.tool} for {_span(now - call.since)}; {_span(call.until - call.since)} are allowed"
            )
        case State.STALLED if active is not None:
            return f"it has a task in hand, and no progress was seen for {_span(now - active)}"
        case State.BLOCKED if call is not None:
            left = f"{_span(call.until - call.since)} are allowed"
            return f"in the tool {call.tool} for {_span(now - call.since)}; {left}"
        case State.ERROR:
            return "its last execution failed" if evidence.last_status == "error" else "its heartbeat says so"
    return _quiet_or_not(evidence, active, now)


def _quiet_or_not(evidence: Evidence, active: datetime | None, now: datetime) -> str:
    if _left(evidence):
        return "it was retired" if evidence.retired else "it said goodbye"
    kind = evidence.active_by or "message"
    said = "only heartbeats were heard" if active is None else f"its last {kind} came {_span(now - active)} ago"
    in_hand = "it has a task in hand; " if evidence.work.task_since is not None and not _left(evidence) else ""
    beat = evidence.last_heartbeat_at
    return in_hand + said + ("" if beat is None else f"; its last heartbeat {_span(now - beat)} ago")


def _span(length: timedelta) -> str:
    """To the second where it is short: `95s`, `12m`, `1h 5m`."""
    seconds = int(length.total_seconds())
    return f"{seconds}s" if 60 <= seconds < 120 else duration(length)
