"""How unusual a value is: robust against bad days of the past, silent without enough of it."""

from datetime import timedelta

import pytest

from alerts.core.condition import AnomalyLeaf
from alerts.core.terms import Direction
from alerts.core.unusual import FARTHEST, deviations, usual, values_of


def test_one_terrible_day_hides_nothing() -> None:
    quiet = [[10.0, 11.0, 9.0, 10.0] for _ in range(6)]
    calm, troubled = usual(quiet), usual([*quiet, [900.0, 1000.0, 950.0, 990.0]])
    assert calm.middle == troubled.middle == 10.0
    assert deviations(20.0, calm, Direction.ABOVE) > 6
    assert deviations(20.0, troubled, Direction.ABOVE) > 6


def test_a_deviation_is_the_standard_one_of_normal_values() -> None:
    # Quartiles of the standard normal distribution: half of the values are closer to the middle than 0.6745.
    known = usual([[-0.6745, 0.6745, -2.0, 2.0, 0.0]])
    assert known.deviation == pytest.approx(1.0, abs=1e-3)


def test_each_direction_looks_at_its_own_side() -> None:
    known = usual([[9.0, 10.0, 11.0]] * 3)
    high, low = deviations(15.0, known, Direction.ABOVE), deviations(5.0, known, Direction.BELOW)
    assert high == low == deviations(15.0, known, Direction.BOTH) == deviations(5.0, known, Direction.BOTH) > 3
    assert deviations(5.0, known, Direction.ABOVE) == deviations(15.0, known, Direction.BELOW) == 0


def test_what_was_always_the_same_is_unusual_when_it_differs() -> None:
    known = usual([[5.0] * 4] * 3)
    assert deviations(5.0, known, Direction.BOTH) == 0
    assert deviations(5.1, known, Direction.BOTH) == FARTHEST


def test_mostly_equal_values_have_a_deviation_all_the_same() -> None:
    known = usual([[0.0, 0.0, 0.0, 4.0]] * 3)
    assert known.deviation == pytest.approx(1.2533)


@pytest.mark.parametrize(
    ("days", "enough"),
    [([], False), ([[1.0] * 9], False), ([[1.0] * 9, [1.0] * 9, []], False), ([[1.0], [1.0], [1.0]], False)],
)
def test_too_little_history_is_not_enough(days: list[list[float]], enough: bool) -> None:
    assert usual(days).enough is enough


def test_three_days_with_five_values_are_enough() -> None:
    assert usual([[1.0, 2.0], [1.0, 2.0], [1.0]]).enough


def test_a_baseline_has_as_many_windows_as_its_days_have_in_that_hour() -> None:
    assert values_of(AnomalyLeaf("x", window=timedelta(minutes=5), baseline=timedelta(days=7))) == 84
