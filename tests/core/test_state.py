"""The state machine: the lines of the semantics one by one, and its properties."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerts.core.reading import Evaluation
from alerts.core.rule import Timing
from alerts.core.state import AlertState, close, resolve_by_hand, step
from alerts.core.vocabulary import Event, Phase, Verdict
from tests.core.strategies import START, timelines, timings

B, OK, U = Verdict.BREACHED, Verdict.OK, Verdict.UNKNOWN
REPEAT = timedelta(hours=4)


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def run(
    timing: Timing, *seen: tuple[float, Verdict], state: AlertState | None = None
) -> tuple[AlertState, list[tuple[float, Event]]]:
    """The last state and the events, with their seconds, of verdicts at seconds after START."""
    now_state, events = state or AlertState(), []
    for seconds, verdict in seen:
        now_state, event = step(now_state, Evaluation(START + s(seconds), verdict), timing)
        if event is not None:
            events.append((seconds, event))
    return now_state, events


def test_without_for_a_breach_fires_at_once() -> None:
    state, events = run(Timing(), (0, B))
    assert events == [(0, Event.FIRED)]
    assert state.phase is Phase.FIRING
    assert state.since == START


def test_for_is_waited_out() -> None:
    timing = Timing(hold_for=s(20))
    state, events = run(timing, (0, B), (10, B))
    assert (state.phase, state.since, events) == (Phase.PENDING, START, [])
    state, events = run(timing, (20, B), state=state)
    assert (state.phase, events) == (Phase.FIRING, [(20, Event.FIRED)])


def test_an_ok_while_pending_ends_it_silently() -> None:
    state, events = run(Timing(hold_for=s(20)), (0, B), (10, OK), (20, B), (30, B))
    assert (state.phase, events) == (Phase.PENDING, [])


def test_a_for_shorter_than_a_tick_still_fires() -> None:
    _, events = run(Timing(hold_for=s(5), tick=s(10)), (0, B), (10, B))
    assert events == [(10, Event.FIRED)]


def test_unknown_never_changes_inactive() -> None:
    state, events = run(Timing(), (0, U), (10, U))
    assert (state.phase, state.since, events) == (Phase.INACTIVE, None, [])


def test_unknown_never_changes_firing() -> None:
    state, events = run(Timing(), (0, B), (10, U), (100_000, U))
    assert (state.phase, state.since, events) == (Phase.FIRING, START, [(0, Event.FIRED)])
    assert state.stale_since == START


def test_a_firing_alert_whose_data_is_back_is_not_stale() -> None:
    state, _ = run(Timing(), (0, B), (10, U), (20, B))
    assert state.stale_since is None


def test_unknown_time_does_not_count_towards_for() -> None:
    timing = Timing(hold_for=s(60))
    _, events = run(timing, (0, B), (10, B), (20, U), (30, U), (40, B), (50, B), (60, B), (70, B), (80, B))
    assert events == []
    _, events = run(timing, (0, B), (10, B), (20, U), (30, U), (40, B), (50, B), (60, B), (70, B), (80, B), (90, B))
    assert events == [(90, Event.FIRED)]


def test_a_gap_longer_than_for_starts_pending_anew() -> None:
    state, events = run(Timing(hold_for=s(60)), (0, B), (61, B))
    assert (state.phase, state.since, state.held, events) == (Phase.PENDING, START + s(61), s(0), [])


def test_unknown_for_longer_than_for_starts_pending_anew() -> None:
    state, events = run(Timing(hold_for=s(60)), (0, B), (50, B), (60, U), (100, U), (120, B))
    assert (state.phase, state.since, events) == (Phase.PENDING, START + s(120), [])


def test_a_gap_as_long_as_for_counts() -> None:
    _, events = run(Timing(hold_for=s(60)), (0, B), (60, B))
    assert events == [(60, Event.FIRED)]


def test_without_keep_firing_for_an_ok_resolves_at_once() -> None:
    state, events = run(Timing(), (0, B), (10, OK))
    assert (state.phase, state.since) == (Phase.INACTIVE, START + s(10))
    assert events == [(0, Event.FIRED), (10, Event.RESOLVED)]


def test_keep_firing_for_is_waited_out_in_recovering() -> None:
    timing = Timing(keep_firing_for=s(20))
    state, events = run(timing, (0, B), (10, OK), (20, OK))
    assert (state.phase, state.since, state.firing) == (Phase.RECOVERING, START + s(10), True)
    assert events == [(0, Event.FIRED)]
    _, events = run(timing, (30, OK), state=state)
    assert events == [(30, Event.RESOLVED)]


def test_a_breach_while_recovering_fires_on_without_a_message() -> None:
    state, events = run(Timing(keep_firing_for=s(20)), (0, B), (10, OK), (20, B), (30, OK), (40, OK))
    assert (state.phase, events) == (Phase.RECOVERING, [(0, Event.FIRED)])


def test_unknown_time_does_not_count_towards_keep_firing_for() -> None:
    timing = Timing(keep_firing_for=s(20))
    _, events = run(timing, (0, B), (10, OK), (20, U), (30, OK), (40, OK))
    assert events == [(0, Event.FIRED)]
    _, events = run(timing, (0, B), (10, OK), (20, U), (30, OK), (40, OK), (50, OK))
    assert events == [(0, Event.FIRED), (50, Event.RESOLVED)]


def test_a_gap_longer_than_keep_firing_for_starts_recovering_anew() -> None:
    state, events = run(Timing(keep_firing_for=s(60)), (0, B), (10, OK), (80, OK))
    assert (state.phase, state.since, events) == (Phase.RECOVERING, START + s(80), [(0, Event.FIRED)])


def test_timing_that_was_shortened_applies_at_the_next_evaluation() -> None:
    pending, _ = run(Timing(hold_for=s(600)), (0, B), (10, B))
    assert run(Timing(), (20, B), state=pending)[1] == [(20, Event.FIRED)]
    assert run(Timing(), (5000, B), state=pending)[1] == [(5000, Event.FIRED)]
    recovering, _ = run(Timing(keep_firing_for=s(600)), (0, B), (10, OK))
    assert run(Timing(), (20, OK), state=recovering)[1] == [(20, Event.RESOLVED)]
    assert run(Timing(), (5000, OK), state=recovering)[1] == [(5000, Event.RESOLVED)]


def test_resolve_by_hand_latches_until_one_ok_evaluation() -> None:
    firing, _ = run(Timing(), (0, B))
    state, event = resolve_by_hand(firing, START + s(5), repeat=REPEAT)
    assert (state.phase, event) == (Phase.INACTIVE, Event.RESOLVED)
    state, events = run(Timing(), (10, B), (20, U), (30, B), state=state)
    assert (state.phase, events) == (Phase.INACTIVE, [])
    state, events = run(Timing(), (40, OK), (50, B), state=state)
    assert events == [(50, Event.FIRED)]
    assert not state.reopened


def test_still_breached_after_repeat_it_opens_again_and_says_so() -> None:
    firing, _ = run(Timing(), (0, B))
    state, _ = resolve_by_hand(firing, START, repeat=s(60))
    state, events = run(Timing(), (50, B), (60, B), state=state)
    assert events == [(60, Event.FIRED)]
    assert state.reopened
    state, events = run(Timing(), (70, OK), (80, B), state=state)
    assert events == [(70, Event.RESOLVED), (80, Event.FIRED)]
    assert not state.reopened


def test_it_opens_again_only_after_for() -> None:
    timing = Timing(hold_for=s(20))
    firing, _ = run(timing, (0, B), (20, B))
    state, _ = resolve_by_hand(firing, START + s(20), repeat=s(40))
    state, events = run(timing, (60, B), (70, B), (80, B), state=state)
    assert events == [(80, Event.FIRED)]
    assert state.reopened


def test_what_does_not_fire_cannot_be_resolved_by_hand() -> None:
    pending, _ = run(Timing(hold_for=s(60)), (0, B))
    assert resolve_by_hand(pending, START, repeat=REPEAT) == (pending, None)


def test_closing_ends_an_episode_without_a_latch() -> None:
    firing, _ = run(Timing(), (0, B))
    state, event = close(firing, START + s(5))
    assert event is Event.RESOLVED
    assert run(Timing(), (10, B), state=state)[1] == [(10, Event.FIRED)]


def test_closing_what_does_not_fire_announces_nothing() -> None:
    pending, _ = run(Timing(hold_for=s(60)), (0, B))
    state, event = close(pending, START + s(5))
    assert (state.phase, event) == (Phase.INACTIVE, None)
    assert close(AlertState(), START)[1] is None


def test_closing_does_not_turn_back_the_time_of_the_last_evaluation() -> None:
    firing, _ = run(Timing(), (100, B))
    state, _ = close(firing, START)
    assert run(Timing(), (100, B), state=state)[1] == []


@given(timelines(), timings)
def test_events_alternate_and_begin_with_fired(seen: list[Evaluation], timing: Timing) -> None:
    state, events = AlertState(), []
    for evaluation in seen:
        state, event = step(state, evaluation, timing)
        if event:
            events.append(event)
        assert state.firing == (bool(events) and events[-1] is Event.FIRED)
    assert events == [Event.FIRED, Event.RESOLVED] * (len(events) // 2) + [Event.FIRED] * (len(events) % 2)


@given(timelines(), timings, st.integers(1, 10_000))
def test_unknown_changes_nothing(seen: list[Evaluation], timing: Timing, later: int) -> None:
    state = AlertState()
    for evaluation in seen:
        state, _ = step(state, evaluation, timing)
    after = (state.at or START) + s(later)
    unknown, event = step(state, Evaluation(after, U), timing)
    assert event is None
    assert (unknown.phase, unknown.since, unknown.held, unknown.known_at, unknown.latched_until) == (
        (state.phase, state.since, state.held, state.known_at, state.latched_until)
    )


@given(timelines(), timings)
def test_replaying_evaluations_announces_and_changes_nothing(seen: list[Evaluation], timing: Timing) -> None:
    state = AlertState()
    for evaluation in seen:
        state, _ = step(state, evaluation, timing)
    for evaluation in seen:
        assert step(state, evaluation, timing) == (state, None)


@given(timelines(), timings)
def test_never_fired_before_hold_for(seen: list[Evaluation], timing: Timing) -> None:
    state = AlertState()
    breached_since: datetime | None = None
    for evaluation in seen:
        if evaluation.verdict is OK:
            breached_since = None
        elif evaluation.verdict is B and breached_since is None:
            breached_since = evaluation.at
        state, event = step(state, evaluation, timing)
        if event is Event.FIRED:
            assert breached_since is not None
            assert evaluation.at - breached_since >= timing.hold_for


@given(timelines(), timings)
def test_never_resolved_without_an_ok_and_before_keep_firing_for(seen: list[Evaluation], timing: Timing) -> None:
    state = AlertState()
    ok_since: datetime | None = None
    for evaluation in seen:
        if evaluation.verdict is B:
            ok_since = None
        elif evaluation.verdict is OK and ok_since is None:
            ok_since = evaluation.at
        state, event = step(state, evaluation, timing)
        if event is Event.RESOLVED:
            assert evaluation.verdict is OK
            assert ok_since is not None
            assert evaluation.at - ok_since >= timing.keep_firing_for
