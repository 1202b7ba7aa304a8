"""Identifiers sort by time to the microsecond, and give their time back."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from monitor.ids import from_microseconds, microseconds, uuid7, uuid7_floor, uuid7_named, uuid7_time, uuid7_us

TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2400, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 given UTC


@given(TIMES)
def test_an_id_gives_its_time_back(at: datetime) -> None:
    assert uuid7_time(uuid7(at)) == at
    assert from_microseconds(microseconds(at)) == at
    assert uuid7(at).version == 7


@given(TIMES, st.integers(1, 10**12))
def test_ids_sort_by_microsecond(at: datetime, later: int) -> None:
    base = microseconds(at)
    assert uuid7_us(base) < uuid7_us(base + later)
    assert uuid7_floor(at) <= uuid7(at) < uuid7_floor(from_microseconds(base + 1))


@given(TIMES, st.text())
def test_the_same_name_and_time_are_the_same_id(at: datetime, name: str) -> None:
    base = microseconds(at)
    assert uuid7_named(base, name) == uuid7_named(base, name)
    assert uuid7_named(base, name) != uuid7_named(base + 1, name)


@given(TIMES)
def test_ids_of_one_microsecond_sort_in_the_order_they_were_made(at: datetime) -> None:
    made = [uuid7(at) for _ in range(20)]
    assert made == sorted(made)
    assert len(set(made)) == 20


def test_the_bound_of_a_time_before_all_ids_is_below_them() -> None:
    assert uuid7_floor(datetime(658, 5, 28, tzinfo=UTC)) == uuid7_floor(datetime(1970, 1, 1, tzinfo=UTC))
