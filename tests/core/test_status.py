"""What an agent is doing, from what is stored of it: quiet and dead, blocked and stalled told apart."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from monitor.agents.status import (
    STANDSTILL,
    Evidence,
    OpenCall,
    State,
    Work,
    assess,
    missed_at,
    stalled_at,
    state_of,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALIVE = Evidence(
    last_seen_at=START, last_active_at=START, last_heartbeat_at=START, heartbeat_interval=30, expected=True
)


def in_a_call(evidence: Evidence, minutes: float, tool: str = "bash") -> Evidence:
    """In a call that began at the start and may take so long."""
    return replace(evidence, work=Work(OpenCall(tool, START, START + minutes * MINUTE)))


def states(evidence: Evidence, *minutes: float) -> list[State]:
    """The states so many minutes after the start, if nothing more is heard."""
    return [state_of(evidence, START + after * MINUTE) for after in minutes]


def test_who_has_nothing_in_hand_is_idle_for_as_long_as_it_beats() -> None:
    beating = replace(ALIVE, last_seen_at=START + 600 * MINUTE, last_heartbeat_at=START + 600 * MINUTE)
    assert states(beating, 0.5, 2, 100, 601) == [State.WORKING, State.IDLE, State.IDLE, State.IDLE]


def test_who_is_expected_and_silent_is_dead_after_its_patience() -> None:
    assert states(ALIVE, 1.5, 1.51) == [State.IDLE, State.DEAD]
    slow = replace(ALIVE, heartbeat_interval=120)
    assert states(slow, 6, 6.01) == [State.IDLE, State.DEAD]
    assert states(replace(ALIVE, patience=1800), 30, 30.01) == [State.IDLE, State.DEAD]
    assert states(replace(ALIVE, expected=False), 1.51, 10_000) == [State.IDLE, State.IDLE]


def test_a_call_of_a_tool_excuses_silence_until_its_patience_is_over() -> None:
    silent = in_a_call(ALIVE, 25)
    assert states(silent, 0, 1, 5, 24.9, 25) == [State.BLOCKED] * 5
    assert states(silent, 25.1, 26.5, 26.6) == [State.STALLED, State.STALLED, State.DEAD]


def test_who_went_on_beating_in_the_call_is_missed_when_the_beats_stop() -> None:
    beaten = in_a_call(replace(ALIVE, last_seen_at=START + 3 * MINUTE, last_heartbeat_at=START + 3 * MINUTE), 60)
    assert states(beaten, 4, 4.5, 4.6) == [State.BLOCKED, State.BLOCKED, State.DEAD]
    # One that was on its way when the call began says nothing of that.
    once = START + timedelta(seconds=1)
    assert states(in_a_call(replace(ALIVE, last_seen_at=once, last_heartbeat_at=once), 60), 10) == [State.BLOCKED]


def test_who_beats_but_does_not_move_is_stalled_with_something_in_hand() -> None:
    beating = replace(ALIVE, last_seen_at=START + 999 * MINUTE, last_heartbeat_at=START + 999 * MINUTE)
    tasked = replace(beating, work=Work(task_since=START))
    assert states(tasked, 0, 9, 10, 10.1) == [State.WORKING, State.WORKING, State.WORKING, State.STALLED]
    assert states(replace(tasked, patience=120), 2, 2.1) == [State.WORKING, State.STALLED]
    assert states(in_a_call(beating, 25), 25, 25.1, 500) == [State.BLOCKED, State.STALLED, State.STALLED]


def test_progress_of_any_kind_ends_a_standstill() -> None:
    stalled = replace(ALIVE, last_seen_at=START + 30 * MINUTE, expected=False, work=Work(task_since=START))
    assert states(stalled, 29.9) == [State.STALLED]
    assert states(replace(stalled, last_active_at=START + 29 * MINUTE), 29.9) == [State.WORKING]


def test_who_works_beside_an_open_call_works_and_is_blocked_when_it_falls_silent() -> None:
    beside = in_a_call(replace(ALIVE, last_seen_at=START + 3 * MINUTE, last_active_at=START + 3 * MINUTE), 25)
    assert states(beside, 3, 4, 4.1, 25) == [State.WORKING, State.WORKING, State.BLOCKED, State.BLOCKED]


def test_the_lost_end_of_a_call_stalls_nobody_who_went_on() -> None:
    """The agent's program forgot to tell it: what it did after the tool's patience is proof enough."""
    later = START + 30 * MINUTE
    went_on = in_a_call(
        replace(ALIVE, last_active_at=later, last_seen_at=START + 999 * MINUTE, last_heartbeat_at=START + 999 * MINUTE),
        10,
    )
    assert stalled_at(went_on) is None
    assert states(went_on, 31.5, 900) == [State.IDLE, State.IDLE]


def test_the_expectation_ends_with_goodbye_and_retirement_and_is_none_for_the_ephemeral() -> None:
    goodbye = replace(ALIVE, heartbeat_status="Shutdown", expected=False, work=Work(task_since=START - MINUTE))
    assert states(goodbye, 2, 100) == [State.IDLE, State.IDLE]
    back = replace(goodbye, last_active_at=START + MINUTE, last_seen_at=START + MINUTE)
    assert states(back, 100) == [State.STALLED], "it came back with the task still in hand"
    retired = replace(ALIVE, retired=True, expected=False, work=Work(task_since=START))
    assert states(retired, 2, 100) == [State.IDLE, State.IDLE]
    ephemeral = in_a_call(replace(ALIVE, ephemeral=True, expected=False), 5)
    assert states(ephemeral, 4, 6, 1000) == [State.BLOCKED, State.IDLE, State.IDLE]


def test_error_is_told_by_the_last_execution_or_by_the_heartbeat() -> None:
    assert states(replace(ALIVE, last_status="error"), 0, 1.5, 2) == [State.ERROR, State.ERROR, State.DEAD]
    assert states(replace(ALIVE, heartbeat_status="FAILED"), 0) == [State.ERROR]
    assert states(in_a_call(replace(ALIVE, last_status="error"), 5), 0) == [State.BLOCKED]


def test_reasons() -> None:
    def why(evidence: Evidence, minutes: float) -> str:
        return assess(evidence, START + minutes * MINUTE).why

    assert why(Evidence(last_seen_at=None), 0) == "never heard of"
    assert why(ALIVE, 2) == "nothing was heard for 2m; 90s of silence are allowed"
    call = in_a_call(ALIVE, 25, "pytest")
    assert why(call, 12) == "in the tool pytest for 12m; 25m are allowed"
    assert why(call, 26) == "in the tool pytest for 26m; 25m are allowed"
    assert why(call, 60) == (
        "nothing was heard for 1h; 90s of silence are allowed, and its call of pytest excuses it no longer"
    )
    task = replace(ALIVE, expected=False, work=Work(task_since=START))
    assert why(task, 15) == "it has a task in hand, and no progress was seen for 15m"
    assert why(replace(ALIVE, active_by="span"), 0.5) == "its last span came 30s ago; its last heartbeat 30s ago"
    assert why(replace(ALIVE, last_status="error"), 0) == "its last execution failed"
    assert why(replace(ALIVE, heartbeat_status="error"), 0) == "its heartbeat says so"
    assert why(replace(ALIVE, heartbeat_status="stopped"), 0) == "it said goodbye"


SECONDS = st.integers(0, 4000).map(lambda seconds: START + timedelta(seconds=seconds))
MAYBE = st.none() | SECONDS


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    """Whatever may be stored."""
    active, beat = draw(MAYBE), draw(MAYBE)
    call = None
    if draw(st.booleans()):
        since = draw(SECONDS)
        call = OpenCall("bash", since, since + timedelta(seconds=draw(st.integers(1, 2000))))
    return Evidence(
        last_seen_at=max((at for at in (active, beat) if at), default=None),
        last_active_at=active,
        last_heartbeat_at=beat,
        heartbeat_interval=draw(st.none() | st.floats(1, 300)),
        heartbeat_status=draw(st.sampled_from([None, "active", "error", "stopped"])),
        expected=draw(st.booleans()),
        ephemeral=draw(st.booleans()),
        last_status=draw(st.sampled_from([None, "success", "error"])),
        patience=draw(st.none() | st.floats(1, 900)),
        work=Work(call, draw(MAYBE)),
    )


@given(evidences(), SECONDS, st.integers(0, 5000))
def test_a_state_changes_by_itself_when_it_was_said_and_not_before(
    evidence: Evidence, now: datetime, later: int
) -> None:
    found = assess(evidence, now)
    moment = now + timedelta(seconds=later)
    if found.changes_at is None or moment < found.changes_at:
        assert state_of(evidence, moment) is found.state
    if found.changes_at is not None:
        assert found.changes_at > now
        assert state_of(evidence, found.changes_at) is not found.state
        assert state_of(evidence, found.changes_at - timedelta(microseconds=1)) is found.state


@given(evidences(), SECONDS)
def test_nobody_in_a_tool_within_its_patience_is_stalled(evidence: Evidence, now: datetime) -> None:
    call = evidence.work.call
    if call is not None and now <= call.until and call.since <= now:
        stalled = stalled_at(evidence)
        assert stalled is None or stalled >= call.until or (evidence.last_active_at or now) > call.until


@given(evidences())
def test_nobody_is_dead_whom_nobody_expects(evidence: Evidence) -> None:
    assert missed_at(replace(evidence, expected=False)) is None


def test_a_standstill_is_ten_minutes_unless_said() -> None:
    assert STANDSTILL == 10 * MINUTE
