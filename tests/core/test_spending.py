"""Periods of the calendar, and what spending comes to."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.core.condition import BudgetLeaf
from alerts.core.spending import bounds, forecast
from alerts.core.terms import SpendingPeriod, SpendingUnit

NOW = datetime(2026, 3, 4, 13, 45, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("period", "zone", "start", "end"),
    [
        ("hour", "UTC", "2026-03-04T13:00", "2026-03-04T14:00"),
        ("hour", "Asia/Kolkata", "2026-03-04T13:30", "2026-03-04T14:30"),
        ("day", "UTC", "2026-03-04T00:00", "2026-03-05T00:00"),
        ("day", "Asia/Kolkata", "2026-03-03T18:30", "2026-03-04T18:30"),
        ("week", "Europe/Berlin", "2026-03-01T23:00", "2026-03-08T23:00"),
        ("month", "UTC", "2026-03-01T00:00", "2026-04-01T00:00"),
        # The clocks go forward in it.
        ("month", "Europe/Berlin", "2026-02-28T23:00", "2026-03-31T22:00"),
    ],
)
def test_periods_are_those_of_the_zones_calendar(period: str, zone: str, start: str, end: str) -> None:
    found = bounds(SpendingPeriod(period), zone, NOW)
    assert [f"{at:%Y-%m-%dT%H:%M}" for at in found] == [start, end]
    assert all(at.tzinfo is UTC for at in found)


def test_the_day_of_the_change_has_twenty_three_or_twenty_five_hours() -> None:
    for day, hours in ((datetime(2026, 3, 29, 12, tzinfo=UTC), 23), (datetime(2026, 10, 25, 12, tzinfo=UTC), 25)):
        start, end = bounds(SpendingPeriod.DAY, "Europe/Berlin", day)
        assert end - start == timedelta(hours=hours)


@pytest.mark.parametrize("period", ["day", "month"])
def test_a_midnight_that_comes_twice_begins_a_period_once(period: str) -> None:
    # Clocks go back from 01:00 to 00:00: in Cuba on the first of November 2026, a Sunday.
    midnight = datetime(2026, 11, 1, 4, tzinfo=UTC)
    found = {bounds(SpendingPeriod(period), "America/Havana", midnight + timedelta(minutes=30 * n)) for n in range(8)}
    assert [start for start, _ in found] == [midnight]
    assert bounds(SpendingPeriod(period), "America/Havana", midnight - timedelta(seconds=1))[1] == midnight


def test_december_is_followed_by_january() -> None:
    start, end = bounds(SpendingPeriod.MONTH, "UTC", datetime(2026, 12, 31, 23, tzinfo=UTC))
    assert (start.month, end.year, end.month) == (12, 2027, 1)


@pytest.mark.parametrize(
    ("spent", "recent", "words"),
    [
        (10.0, 0.0, "at this rate it comes to 10 USD when the day ends"),
        (10.0, 1.0, "at this rate it comes to 15.8571 USD when the day ends"),
        (45.0, 10.5, "at this rate the limit is reached on 2026-03-04 at 14:35 UTC"),
        (50.0, 9.0, "the limit is passed; the next day begins on 2026-03-05 at 00:00 UTC"),
    ],
)
def test_a_forecast_says_when_the_limit_is_reached_or_what_it_comes_to(spent: float, recent: float, words: str) -> None:
    leaf = BudgetLeaf(SpendingUnit.COST_USD, 50.0)
    start, end = bounds(leaf.period, leaf.timezone, NOW)
    assert forecast(leaf, spent, recent, start=start, end=end, now=NOW) == words
