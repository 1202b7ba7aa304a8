"""Who is on call: turns, layers, covers, gaps, and hand-overs on days when the clocks change."""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.calendar.model import CalendarEvent, EventKind, Override
from monitor.calendar.rotation import gaps, on_call, shifts
from tests.calendar.makers import BERLIN, NEW_YORK, event, utc, wall

ANN, BEN, CLEO = UUID(int=11), UUID(int=12), UUID(int=13)
EVERYBODY = {ANN, BEN, CLEO}


def rotation(start: str, end: str, zone: str = "UTC", *, number: int = 1, **more: Any) -> CalendarEvent:
    """A rotation of the three, unless said otherwise."""
    given = {"kind": EventKind.ON_CALL, "schedule": "platform", "members": (ANN, BEN, CLEO), "id": UUID(int=number)}
    return event(start, end, zone, **given | more)


WEEKLY = rotation("2026-01-05 09:00", "2026-01-12 09:00", BERLIN, rrule="FREQ=WEEKLY")


def test_members_take_turns() -> None:
    assert on_call([WEEKLY], wall("2026-01-05 09:00", BERLIN)) == (ANN,)
    assert on_call([WEEKLY], wall("2026-01-12 08:59", BERLIN)) == (ANN,)
    assert on_call([WEEKLY], wall("2026-01-12 09:00", BERLIN)) == (BEN,)
    assert on_call([WEEKLY], wall("2026-01-19 09:00", BERLIN)) == (CLEO,)
    assert on_call([WEEKLY], wall("2026-01-26 09:00", BERLIN)) == (ANN,)
    assert on_call([WEEKLY], wall("2026-01-05 08:59", BERLIN)) == ()


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        (BERLIN, "2026-03-28 09:00", "2026-03-29 09:00"),
        (BERLIN, "2026-10-24 09:00", "2026-10-25 09:00"),
        (NEW_YORK, "2026-03-07 09:00", "2026-03-08 09:00"),
        (NEW_YORK, "2026-10-31 09:00", "2026-11-01 09:00"),
    ],
    ids=["berlin forward", "berlin back", "new york forward", "new york back"],
)
def test_the_hand_over_keeps_its_time_on_the_wall(zone: str, before: str, after: str) -> None:
    end = (wall(before, zone) + timedelta(days=1)).strftime("%Y-%m-%d %H:%M")
    daily = rotation(before, end, zone, rrule="FREQ=DAILY")
    assert on_call([daily], wall(after, zone) - timedelta(minutes=1)) == (ANN,)
    assert on_call([daily], wall(after, zone)) == (BEN,)
    found = shifts([daily], wall(before, zone), wall(after, zone) + timedelta(days=3))
    assert [shift.members for shift in found[:3]] == [(ANN,), (BEN,), (CLEO,)]
    assert gaps(found, EVERYBODY) == []


def test_a_higher_layer_covers_for_a_while() -> None:
    cover = rotation("2026-01-14 00:00", "2026-01-16 00:00", number=2, members=(CLEO,), layer=1)
    found = shifts([WEEKLY, cover], utc("2026-01-12 12:00"), utc("2026-01-17"))
    assert [(f"{one.start:%d}", one.members) for one in found] == [("12", (BEN,)), ("14", (CLEO,)), ("16", (BEN,))]
    assert on_call([cover, WEEKLY], utc("2026-01-15")) == (CLEO,)


def test_two_rotations_of_one_layer_put_two_on_call() -> None:
    other = replace(WEEKLY, id=UUID(int=2), members=(CLEO, ANN))
    assert on_call([other, WEEKLY], utc("2026-01-06")) == (ANN, CLEO)
    same = replace(WEEKLY, id=UUID(int=2))
    assert on_call([same, WEEKLY], utc("2026-01-06")) == (ANN,)


WEEKS = [f"2026-01-{day}" for day in ("06", "13", "20", "27")]


def test_a_swap_is_for_one_shift_and_one_left_out_keeps_the_turns() -> None:
    swap = Override(wall("2026-01-12 09:00", BERLIN), members=(CLEO,))
    swapped = replace(WEEKLY, overrides=(swap,))
    assert [on_call([swapped], utc(day)) for day in WEEKS] == [
        (ANN,),
        (CLEO,),
        (CLEO,),
        (ANN,),
    ]
    without = replace(WEEKLY, exdates=(wall("2026-01-12 09:00", BERLIN),))
    assert [on_call([without], utc(day)) for day in WEEKS] == [
        (ANN,),
        (),
        (CLEO,),
        (ANN,),
    ]


def test_gaps_are_what_nobody_planned_and_what_nobody_is_there_for() -> None:
    days = rotation("2026-01-05 09:00", "2026-01-05 17:00", rrule="FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR")
    found = shifts([days], utc("2026-01-05 09:00"), utc("2026-01-07 09:00"))
    assert [f"{one.start:%d %H} {one.end:%d %H}" for one in gaps(found, EVERYBODY)] == ["05 17 06 09", "06 17 07 09"]
    # Without Ben, his days are gaps as well, and one with the night after them only in so far as it is told apart.
    assert len(gaps(found, {ANN, CLEO})) == 3
    meant = rotation("2026-01-05 00:00", "2026-01-06 00:00", rrule="FREQ=DAILY", number=2, members=(), layer=0)
    lower = replace(days, layer=1)
    covered = shifts([lower, meant], utc("2026-01-05 09:00"), utc("2026-01-07 09:00"))
    assert gaps(covered, EVERYBODY) == []
    assert on_call([lower, meant], utc("2026-01-05 20:00")) == ()
    assert on_call([lower, meant], utc("2026-01-05 10:00")) == (ANN,)


def test_a_rotation_that_ends_leaves_a_gap_and_so_does_one_that_has_not_begun() -> None:
    ends = rotation("2026-01-05 00:00", "2026-01-06 00:00", rrule="FREQ=DAILY;COUNT=2")
    found = shifts([ends], utc("2026-01-04"), utc("2026-01-09"))
    assert [(one.start.day, one.end.day, one.planned) for one in found] == [
        (4, 5, False), (5, 6, True), (6, 7, True), (7, 9, False),
    ]  # fmt: skip
    assert [one.start.day for one in gaps(found, EVERYBODY)] == [4, 7]


MOMENTS = st.integers(0, 60 * 24 * 60).map(lambda minutes: utc("2026-03-01") + timedelta(minutes=minutes))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY", "FREQ=DAILY;BYHOUR=3,15", None]),
            st.sampled_from([BERLIN, NEW_YORK]),
            st.integers(1, 40),
            st.integers(0, 2),
            st.lists(st.sampled_from([ANN, BEN, CLEO]), max_size=3).map(tuple),
        ),
        max_size=4,
    ),
    MOMENTS,
)
def test_shifts_leave_no_hole_and_say_what_on_call_says(events: list[Any], at: Any) -> None:
    made = [
        rotation("2026-03-02 03:00", f"2026-03-0{2 + (3 + hours) // 24} {(3 + hours) % 24:02}:00", zone,
                 number=number, rrule=rule, layer=layer, members=members)
        for number, (rule, zone, hours, layer, members) in enumerate(events)
    ]  # fmt: skip
    start, end = utc("2026-03-01"), utc("2026-05-01")
    found = shifts(made, start, end)
    assert (found[0].start, found[-1].end) == (start, end)
    assert all(one.end == two.start for one, two in itertools.pairwise(found))
    assert all((one.members, one.planned) != (two.members, two.planned) for one, two in itertools.pairwise(found))
    if at < end:
        (now,) = [one for one in found if one.start <= at < one.end]
        assert now.members == on_call(made, at)
