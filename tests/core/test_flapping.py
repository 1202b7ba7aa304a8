"""What opens and closes again and again: when it is said, and when it is calm."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from alerts.core.flapping import CALM, FIRINGS, SAID_AGAIN, STEADY, WITHIN, Flaps, flap
from alerts.core.vocabulary import Event

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def _every(distance: timedelta, times: int, flaps: Flaps = STEADY, *, start: datetime = START) -> Flaps:
    for n in range(times):
        flaps = flap(flaps, Event.FIRED, start + n * distance)
        if n + 1 < times:
            flaps = flap(flaps, Event.RESOLVED, start + n * distance + distance / 2)
    return flaps


def test_the_fourth_firing_within_an_hour_says_so_and_the_fifth_holds_its_peace() -> None:
    third, fourth, fifth = (_every(MINUTE, n) for n in (3, 4, 5))
    assert (third.hold(START + 3 * MINUTE), third.speak) == (False, False)
    assert (fourth.hold(START + 3 * MINUTE), fourth.speak) == (True, True)
    assert (fifth.hold(START + 4 * MINUTE), fifth.speak) == (True, False)


def test_four_firings_in_more_than_an_hour_are_no_flapping() -> None:
    assert not _every(WITHIN / (FIRINGS - 1) + MINUTE, 20).hold(START)
    assert _every(WITHIN / (FIRINGS - 1), FIRINGS).since == START + WITHIN


def test_it_is_calm_after_a_quarter_of_an_hour_without_a_change() -> None:
    flaps = _every(MINUTE, 5)
    assert flaps.hold(START + 4 * MINUTE + CALM - timedelta(microseconds=1))
    assert not flaps.hold(START + 4 * MINUTE + CALM)
    begun_anew = flap(flaps, Event.RESOLVED, START + 4 * MINUTE + CALM)
    assert (begun_anew.fired, begun_anew.since) == ((), None)


def test_flapping_that_goes_on_is_said_again_after_hours() -> None:
    flaps, spoken = STEADY, []
    for n in range(12 * 60 // 5):
        at = START + 5 * n * MINUTE
        flaps = flap(flaps, Event.FIRED, at)
        if flaps.hold(at) and flaps.speak:
            spoken.append(at - START)
        flaps = flap(flaps, Event.RESOLVED, at + MINUTE)
    assert spoken == [15 * MINUTE + n * SAID_AGAIN for n in range(3)]


def test_no_event_changes_nothing() -> None:
    flaps = _every(MINUTE, 5)
    assert flap(flaps, None, START + timedelta(days=1)) is flaps


@given(st.lists(st.floats(min_value=1, max_value=7200), max_size=40))
def test_little_is_remembered_and_whoever_flaps_was_told_so(gaps: list[float]) -> None:
    flaps, at, said = STEADY, START, False
    for index, gap in enumerate(gaps):
        at += timedelta(seconds=gap)
        flaps = flap(flaps, Event.RESOLVED if index % 2 else Event.FIRED, at)
        said = flaps.hold(at) and (said or flaps.speak)
        assert len(flaps.fired) <= FIRINGS
        assert said or not flaps.hold(at)
