"""When events take place: walls, changes of the clocks, what is left out, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.calendar.model import CalendarEvent, Override
from monitor.calendar.recurrence import active, check, occurrences
from monitor.errors import InvalidInput
from tests.calendar.makers import BERLIN, NEW_YORK, event, utc, wall


def between(one: CalendarEvent, start: str, end: str) -> list[str]:
    """Occurrences as `day start-end` of UTC."""
    return [f"{each.start:%m-%d %H:%M} {each.end:%m-%d %H:%M}" for each in occurrences(one, utc(start), utc(end))]


def test_an_event_without_a_rule_takes_place_once() -> None:
    once = event("2026-05-01 10:00", "2026-05-01 11:00")
    assert between(once, "2026-05-01", "2026-05-02") == ["05-01 10:00 05-01 11:00"]
    assert between(once, "2026-05-01 10:59", "2026-06-01") == ["05-01 10:00 05-01 11:00"]
    assert between(once, "2026-05-01 11:00", "2026-06-01") == []
    assert between(once, "2026-04-01", "2026-05-01 10:00") == []


@pytest.mark.parametrize(
    ("zone", "first", "around", "expected"),
    [
        (BERLIN, "2026-03-27", "2026-03", ["28 08:00", "29 07:00", "30 07:00"]),
        (BERLIN, "2026-10-23", "2026-10", ["24 07:00", "25 08:00", "26 08:00"]),
        (NEW_YORK, "2026-03-06", "2026-03", ["07 14:00", "08 13:00", "09 13:00"]),
        (NEW_YORK, "2026-10-30", "2026-10", ["31 13:00", "01 14:00", "02 14:00"]),
    ],
    ids=["berlin forward", "berlin back", "new york forward", "new york back"],
)
def test_a_daily_window_keeps_its_time_on_the_wall(zone: str, first: str, around: str, expected: list[str]) -> None:
    daily = event(f"{first} 09:00", f"{first} 10:30", zone, rrule="FREQ=DAILY;COUNT=4")
    found = occurrences(daily, utc(f"{around}-01"), utc(f"{around}-01") + timedelta(days=40))[1:]
    assert [f"{one.start:%d %H:%M}" for one in found] == expected
    assert {one.end - one.start for one in found} == {timedelta(minutes=90)}


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        # Forward, the time is skipped and an hour later; back, the first of the two counts.
        (BERLIN, "2026-03-28 02:30", [24, 23]),
        (BERLIN, "2026-10-24 02:30", [24, 25]),
        (NEW_YORK, "2026-03-07 02:30", [24, 23]),
        (NEW_YORK, "2026-10-31 01:30", [24, 25]),
    ],
    ids=["berlin forward", "berlin back", "new york forward", "new york back"],
)
def test_shifts_of_a_day_meet_where_the_clocks_change(zone: str, first: str, hours: list[int]) -> None:
    start = wall(first, zone)
    daily = event(first, (start + timedelta(days=1)).strftime("%Y-%m-%d %H:%M"), zone, rrule="FREQ=DAILY")
    one, two, three = occurrences(daily, start, start + timedelta(days=2, hours=12))
    assert (one.end, two.end) == (two.start, three.start)
    assert [(each.end - each.start) / timedelta(hours=1) for each in (one, two)] == hours


@pytest.mark.parametrize(
    ("zone", "window", "day", "expected"),
    [
        (BERLIN, ("02:30", "04:00"), "2026-03-29", ("01:30", "02:00")),
        (BERLIN, ("02:30", "04:00"), "2026-10-25", ("00:30", "03:00")),
        (NEW_YORK, ("02:30", "04:00"), "2026-03-08", ("07:30", "08:00")),
        (NEW_YORK, ("01:30", "04:00"), "2026-11-01", ("05:30", "09:00")),
        # It would end before it begins: as long as ever, only later.
        (BERLIN, ("02:15", "03:00"), "2026-03-29", ("01:15", "02:00")),
    ],
    ids=["berlin forward", "berlin back", "new york forward", "new york back", "within what is skipped"],
)
def test_a_window_that_starts_within_the_change(
    zone: str, window: tuple[str, str], day: str, expected: tuple[str, str]
) -> None:
    weekly = event(f"2026-01-04 {window[0]}", f"2026-01-04 {window[1]}", zone, rrule="FREQ=WEEKLY;BYDAY=SU")
    (found,) = occurrences(weekly, wall(f"{day} 00:00", zone), wall(f"{day} 12:00", zone))
    assert (f"{found.start:%H:%M}", f"{found.end:%H:%M}") == expected


def test_one_that_is_left_out_keeps_the_turns_of_the_others() -> None:
    daily = event("2026-05-01 10:00", "2026-05-01 11:00", rrule="FREQ=DAILY", exdates=(utc("2026-05-02 10:00"),))
    found = occurrences(daily, utc("2026-05-01"), utc("2026-05-04"))
    assert [(one.start.day, one.index) for one in found] == [(1, 0), (3, 2)]


def test_one_that_is_moved_is_found_where_it_is_and_not_where_it_was() -> None:
    moved = Override(utc("2026-05-02 10:00"), utc("2026-06-01 08:00"), utc("2026-06-01 09:30"))
    daily = event("2026-05-01 10:00", "2026-05-01 11:00", rrule="FREQ=DAILY;COUNT=3", overrides=(moved,))
    assert between(daily, "2026-05-02", "2026-05-03") == []
    assert between(daily, "2026-05-03", "2027-01-01") == ["05-03 10:00 05-03 11:00", "06-01 08:00 06-01 09:30"]
    assert [one.index for one in occurrences(daily, utc("2026-06-01"), utc("2026-06-02"))] == [1]


def test_active_holds_the_start_and_not_the_end() -> None:
    window = event("2026-05-01 22:00", "2026-05-02 02:00", rrule="FREQ=DAILY")
    assert active([window], utc("2026-05-07 21:59:59")) == []
    assert [one.end for one in active([window], utc("2026-05-07 22:00"))] == [utc("2026-05-08 02:00")]
    assert len(active([window], utc("2026-05-08 01:59:59"))) == 1
    assert active([window], utc("2026-05-08 02:00")) == []


@pytest.mark.parametrize(
    ("rule", "last"),
    [
        ("FREQ=DAILY;UNTIL=20260503", "05-03"),
        ("FREQ=DAILY;UNTIL=20260503T080000Z", "05-03"),
        ("FREQ=DAILY;UNTIL=20260503T075959Z", "05-02"),
        ("RRULE:FREQ=DAILY;UNTIL=20260503T100000", "05-03"),
        ("FREQ=DAILY;COUNT=2", "05-02"),
    ],
)
def test_ends_of_a_rule(rule: str, last: str) -> None:
    daily = event("2026-05-01 10:00", "2026-05-01 11:00", BERLIN, rrule=rule)
    check(daily)
    assert f"{occurrences(daily, utc('2026-01-01'), utc('2028-01-01'))[-1].start:%m-%d}" == last


def test_a_rule_that_counts_goes_on_counting_over_the_years() -> None:
    yearly = event("2020-02-29 12:00", "2020-02-29 13:00", rrule="FREQ=YEARLY;COUNT=3")
    found = occurrences(yearly, utc("2023-01-01"), utc("2100-01-01"))
    assert [(one.start.year, one.index) for one in found] == [(2024, 1), (2028, 2)]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("rrule", {"rrule": "FREQ=HOURLY"}),
    ("rrule", {"rrule": "FREQ=DAILY;INTERVAL=0"}),
    ("rrule", {"rrule": "FREQ=DAILY;COUNT=0"}),
    ("rrule", {"rrule": "FREQ=DAILY;FREQ=WEEKLY"}),
    ("rrule", {"rrule": "FREQ=DAILY;BYSECOND=1,2"}),
    ("rrule", {"rrule": "FREQ=DAILY;BYDAY=XX"}),
    ("rrule", {"rrule": "FREQ=DAILY;UNTIL=soon"}),
    ("rrule", {"rrule": "FREQ=DAILY;BYHOUR=0,1,2,3,4;BYMINUTE=0,10,20,30,40"}),
    ("rrule", {"rrule": "every day"}),
    ("rrule", {"rrule": "FREQ=DAILY\nEXDATE:20260501"}),
    ("start_time", {"rrule": "FREQ=WEEKLY;BYDAY=MO"}),
    ("start_time", {"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}),
    ("end_time", {"end_time": utc("2026-05-01 10:00")}),
    ("end_time", {"end_time": utc("2027-06-01")}),
    ("start_time", {"start_time": utc("1950-01-01")}),
    ("start_time", {"all_day": True}),
    ("time_zone", {"time_zone": "Middle/Earth"}),
    ("exdates[0]", {"rrule": "FREQ=DAILY", "exdates": (utc("2026-05-02 10:30"),)}),
    ("overrides[0].occurrence", {"overrides": (Override(utc("2026-05-02 10:00")),)}),
    ("overrides[0].end_time", {"overrides": (Override(utc("2026-05-01 10:00"), start_time=utc("2026-05-01 11:00")),)}),
]


@pytest.mark.parametrize(("path", "more"), REFUSED)
def test_what_cannot_take_place_is_refused_by_name(path: str, more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as fault:
        check(event("2026-05-01 10:00", "2026-05-01 11:00", **more))
    assert fault.value.path == path


def test_whole_days_are_those_of_the_zone() -> None:
    days = event("2026-03-28 00:00", "2026-03-30 00:00", BERLIN, all_day=True, rrule="FREQ=YEARLY")
    check(days)
    assert between(days, "2026-01-01", "2027-01-01") == ["03-27 23:00 03-29 22:00"]


RULES = st.sampled_from(
    ["FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY", "FREQ=DAILY;COUNT=9"]
)
TIMES = st.datetimes(datetime(2023, 1, 1), datetime(2027, 1, 1))  # noqa: DTZ001 - the strategy wants them without


@given(
    rule=RULES, zone=st.sampled_from([BERLIN, NEW_YORK, "Australia/Lord_Howe", "UTC"]), first=TIMES, at=TIMES,
    hours=st.integers(1, 200),
)  # fmt: skip
def test_what_is_active_is_what_overlaps_and_pieces_make_the_whole(
    rule: str, zone: str, first: datetime, at: datetime, hours: int
) -> None:
    start = first.replace(second=0, microsecond=0).isoformat(" ")
    end = (first.replace(second=0, microsecond=0) + timedelta(hours=hours)).isoformat(" ")
    one, now = event(start, end, zone, rrule=rule), at.replace(tzinfo=UTC)
    around = occurrences(one, now - timedelta(days=30), now + timedelta(days=30))
    assert active([one], now) == [each for each in around if each.start <= now < each.end]
    pieces = [occurrences(one, now + timedelta(days=day), now + timedelta(days=day + 1)) for day in range(-30, 30)]
    assert {(each.start, each.index) for piece in pieces for each in piece} == {(e.start, e.index) for e in around}
    assert [each.index for each in around] == sorted(each.index for each in around)
    assert all(each.end > each.start for each in around)
