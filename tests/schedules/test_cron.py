"""Cron expressions and time zones: when an agent is due."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.agents.schedules import Schedule, parse, stored
from monitor.errors import InvalidInput

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def local(schedule: Schedule, start: str, count: int) -> list[str]:
    """The next times after a wall time, as walls with their offsets."""
    at: datetime | None = datetime.fromisoformat(start).replace(tzinfo=schedule.zone)
    found = []
    for _ in range(count):
        assert at is not None
        at = schedule.after(at)
        found.append("-" if at is None else at.astimezone(schedule.zone).strftime("%d %H:%M %z"))
    return found


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", ["2026-03-01 12:01", "2026-03-01 12:02"]),
        ("*/15 * * * *", ["2026-03-01 12:15", "2026-03-01 12:30"]),
        ("5,10 */6 * * *", ["2026-03-01 12:05", "2026-03-01 12:10", "2026-03-01 18:05"]),
        ("0 12 * * *", ["2026-03-02 12:00", "2026-03-03 12:00"]),
        ("30 9 1 * *", ["2026-04-01 09:30", "2026-05-01 09:30"]),
        ("0 0 31 * *", ["2026-03-31 00:00", "2026-05-31 00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("0 0 1 jan,JUL *", ["2026-07-01 00:00", "2027-01-01 00:00"]),
        ("0 0 last * *", ["2026-03-31 00:00", "2026-04-30 00:00"]),
        # The first of March 2026 is a Sunday.
        ("0 18 * * 0", ["2026-03-01 18:00", "2026-03-08 18:00"]),
        ("0 18 * * 7", ["2026-03-01 18:00", "2026-03-08 18:00"]),
        ("0 18 * * sun", ["2026-03-01 18:00", "2026-03-08 18:00"]),
        ("0 18 * * 1", ["2026-03-02 18:00", "2026-03-09 18:00"]),
        ("0 18 * * MON-FRI", [f"2026-03-0{day} 18:00" for day in range(2, 7)] + ["2026-03-09 18:00"]),
        ("0 18 * * 1-5", [f"2026-03-0{day} 18:00" for day in range(2, 7)] + ["2026-03-09 18:00"]),
        ("0 18 * * 6,0", ["2026-03-01 18:00", "2026-03-07 18:00", "2026-03-08 18:00"]),
        ("0 18 * * 6-7", ["2026-03-01 18:00", "2026-03-07 18:00", "2026-03-08 18:00"]),
        ("0 18 * * sat-sun", ["2026-03-01 18:00", "2026-03-07 18:00", "2026-03-08 18:00"]),
        ("0 18 * * */2", ["2026-03-01 18:00", "2026-03-03 18:00", "2026-03-05 18:00", "2026-03-07 18:00"]),
        ("0 18 * * 2-6/2", ["2026-03-03 18:00", "2026-03-05 18:00", "2026-03-07 18:00", "2026-03-10 18:00"]),
        # Both fields of a day must match: Friday the 13th.
        ("0 0 13 * 5", ["2026-03-13 00:00", "2026-11-13 00:00"]),
    ],
)
def test_when_it_is_due(cron: str, expected: list[str]) -> None:
    schedule = parse(cron, now=NOW)
    at: datetime | None = NOW
    found = []
    for _ in expected:
        assert at is not None
        at = schedule.after(at)
        assert at is not None
        found.append(at.strftime("%Y-%m-%d %H:%M"))
    assert found == expected


@pytest.mark.parametrize(
    "cron",
    [
        "", "* * * *", "* * * * * *", "@daily", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *",
        "* * * * 8", "* * * * mo", "* * * * 5-1", "* * * * */0", "* * * * */8", "* * * * 1/x", "* * * * 1-",
        "* * * * ,",
        "*/0 * * * *", "5-1 * * * *", "x * * * *", "1,,2 * * * *", "0 0 30 2 *", "0 0 31 4 *", "٣ * * * *",
        "* * * * " + ",".join(["1"] * 200),
    ],
)  # fmt: skip
def test_an_expression_that_cannot_be_is_refused_by_its_path(cron: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(cron, now=NOW)
    assert caught.value.path == "schedule"


@pytest.mark.parametrize(
    "zone", ["", "Mars", "Europe", "../../etc/passwd", "/etc/passwd", "x" * 100, "Europe/Köln", "\0"]
)
def test_a_zone_that_is_none_is_refused_by_its_path(zone: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse("* * * * *", zone, now=NOW)
    assert caught.value.path == "timezone"


@pytest.mark.parametrize(
    ("cron", "zone", "start", "expected"),
    [
        # Berlin, 29 March 2026: 02:00 becomes 03:00. 25 October: 03:00 becomes 02:00.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28 02:30", ["29 03:30 +0200", "30 02:30 +0200"]),
        ("0 2 * * *", "Europe/Berlin", "2026-03-28 12:00", ["29 03:00 +0200", "30 02:00 +0200"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24 02:30", ["25 02:30 +0200", "26 02:30 +0100"]),
        ("0 3 * * *", "Europe/Berlin", "2026-03-28 03:00", ["29 03:00 +0200", "30 03:00 +0200"]),
        # Two walls that become one time are one call.
        ("0 2,3 * * *", "Europe/Berlin", "2026-03-28 12:00", ["29 03:00 +0200", "30 02:00 +0200"]),
        (
            "*/30 1-3 * * *", "Europe/Berlin", "2026-03-29 00:00",
            ["29 01:00 +0100", "29 01:30 +0100", "29 03:00 +0200", "29 03:30 +0200", "30 01:00 +0200"],
        ),
        (
            "*/30 1-3 * * *", "Europe/Berlin", "2026-10-25 01:15",
            ["25 01:30 +0200", "25 02:00 +0200", "25 02:30 +0200", "25 03:00 +0100", "25 03:30 +0100"],
        ),
        # Every hour goes by time that passes.
        (
            "30 * * * *", "Europe/Berlin", "2026-03-29 00:31",
            ["29 01:30 +0100", "29 03:30 +0200", "29 04:30 +0200"],
        ),
        (
            "*/30 * * * *", "Europe/Berlin", "2026-10-25 01:45",
            ["25 02:00 +0200", "25 02:30 +0200", "25 02:00 +0100", "25 02:30 +0100", "25 03:00 +0100"],
        ),
        # New York, 8 March and 1 November 2026.
        ("30 2 * * *", "America/New_York", "2026-03-07 02:30", ["08 03:30 -0400", "09 02:30 -0400"]),
        ("30 1 * * *", "America/New_York", "2026-10-31 01:30", ["01 01:30 -0400", "02 01:30 -0500"]),
        (
            "30 * * * *", "America/New_York", "2026-03-08 00:31",
            ["08 01:30 -0500", "08 03:30 -0400", "08 04:30 -0400"],
        ),
        (
            "30 * * * *", "America/New_York", "2026-11-01 00:31",
            ["01 01:30 -0400", "01 01:30 -0500", "01 02:30 -0500"],
        ),
        # Lord Howe puts its clocks forward by half an hour, on 4 October 2026.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 02:15", ["04 02:45 +1100", "05 02:15 +1100"]),
        ("0 9 * * *", "Asia/Kolkata", "2026-03-28 09:00", ["29 09:00 +0530"]),
    ],
)  # fmt: skip
def test_clocks_that_are_put_forward_and_back(cron: str, zone: str, start: str, expected: list[str]) -> None:
    assert local(parse(cron, zone, now=NOW), start, len(expected)) == expected


@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
    st.sampled_from(["30 2 * * *", "*/20 1-4 * * *", "*/20 * * * *", "0 0,2,23 * * *", "15 3 * * sun"]),
    st.integers(0, 365 * 24 * 60),
)
def test_times_rise_and_do_not_depend_on_where_one_begins(zone: str, cron: str, minutes: int) -> None:
    schedule = stored(cron, zone)
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    first = schedule.after(start)
    assert first is not None
    assert first > start
    assert schedule.after(first - timedelta(microseconds=1)) == first
    middle = start + (first - start) / 2
    assert schedule.after(middle) == first


@pytest.mark.parametrize(
    ("zone", "year"), [("Europe/Berlin", 2026), ("America/New_York", 2026), ("Australia/Lord_Howe", 2026)]
)
def test_a_daily_time_is_called_once_on_every_day_of_a_year(zone: str, year: int) -> None:
    schedule = stored("30 2 * * *", zone)
    start = datetime(year, 1, 1, tzinfo=ZoneInfo(zone))
    found = schedule.between(start, datetime(year + 1, 1, 1, tzinfo=ZoneInfo(zone)), at_most=1000)
    days = [at.astimezone(ZoneInfo(zone)).date() for at in found]
    assert len(days) == len(set(days)) == 365


def test_the_newest_missed_times_are_found_however_long_it_was() -> None:
    schedule = parse("* * * * *", now=NOW)
    found = schedule.between(NOW - timedelta(days=3000), NOW, at_most=3)
    assert found == [NOW - timedelta(minutes=2), NOW - timedelta(minutes=1), NOW]
    yearly = parse("0 0 1 1 *", now=NOW)
    assert [at.year for at in yearly.between(NOW - timedelta(days=1000), NOW, at_most=100)] == [2024, 2025, 2026]
    assert schedule.between(NOW + timedelta(seconds=1), NOW + timedelta(seconds=59), at_most=3) == []
