"""Quotas by tables: when periods begin, how a quota stands, how large a portion is, what is said when it is used up."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.usage.quota import Standing, State, period, portion, refusal
from monitor.usage.quota_tables import Resource


def at(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("resource", "now", "start", "end"),
    [
        (Resource.REQUESTS, "2026-01-31T23:59:59.999999", "2026-01-31", "2026-02-01"),
        (Resource.REQUESTS, "2026-02-01T00:00:00", "2026-02-01", "2026-02-02"),
        (Resource.TOKENS, "2026-01-31T23:59:59.999999", "2026-01-01", "2026-02-01"),
        (Resource.TOKENS, "2026-02-01T00:00:00", "2026-02-01", "2026-03-01"),
        (Resource.TOKENS, "2028-02-29T12:00:00", "2028-02-01", "2028-03-01"),
        (Resource.TOKENS, "2026-12-31T12:00:00", "2026-12-01", "2027-01-01"),
    ],
)
def test_days_and_months_are_utcs(resource: Resource, now: str, start: str, end: str) -> None:
    assert period(resource, at(now)) == (at(start), at(end))


def test_a_day_is_utcs_whatever_the_zone_of_the_time() -> None:
    evening = datetime(2026, 5, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert period(Resource.REQUESTS, evening) == (at("2026-04-30"), at("2026-05-01"))


def test_agents_have_no_period() -> None:
    assert period(Resource.AGENTS, at("2026-01-01")) == (None, None)


@pytest.mark.parametrize(
    ("limit", "used", "enforced", "warn_at", "state", "remaining"),
    [
        (None, 10**12, True, "0.8", State.UNLIMITED, None),
        (10, 0, True, "0.8", State.OPEN, 10),
        (10, 7, True, "0.8", State.OPEN, 3),
        (10, 8, True, "0.8", State.WARNED, 2),
        (10, 9, True, "1", State.OPEN, 1),
        (10, 10, True, "0.8", State.EXHAUSTED, 0),
        (10, 13, True, "0.8", State.EXHAUSTED, 0),
        (10, 13, False, "0.8", State.UNLIMITED, 0),
        (0, 0, True, "0.8", State.EXHAUSTED, 0),
    ],
)
def test_a_quota_stands(
    *, limit: int | None, used: int, enforced: bool, warn_at: str, state: State, remaining: int | None
) -> None:
    standing = Standing(
        resource=Resource.REQUESTS, limit=limit, used=used, enforced=enforced, warn_at=Decimal(warn_at)
    )  # fmt: skip
    assert (standing.state, standing.remaining) == (state, remaining)


@pytest.mark.parametrize(
    ("remaining", "waiting", "rate", "taken"),
    [
        (1000, 0, 0, 1),  # one that is asked for ahead of time
        (1000, 1, 0, 1),
        (1000, 1, 10, 20),  # two seconds' worth
        (1000, 1, 500, 62),  # a sixteenth of the rest at most
        (1000, 100, 500, 100),  # whoever waits
        (3, 1, 500, 1),
        (0, 1, 500, 1),  # asked all the same: the answer says that there is none
    ],
)
def test_a_portion_is_small(remaining: int, waiting: int, rate: int, taken: int) -> None:
    assert portion(remaining, waiting=waiting, rate=rate) == taken


@given(st.integers(0, 10**9), st.integers(0, 1000), st.integers(0, 10**6))
def test_a_portion_never_is_more_than_a_share_beyond_those_who_wait(remaining: int, waiting: int, rate: int) -> None:
    taken = portion(remaining, waiting=waiting, rate=rate)
    assert taken >= max(1, waiting)
    assert taken <= max(1, waiting, remaining // 16)


def test_a_refusal_says_which_limit_what_was_used_and_until_when() -> None:
    end = at("2026-02-01")
    standing = Standing(resource=Resource.TOKENS, limit=10, used=12, resets_at=end)
    error = refusal(standing, at("2026-01-31T23:59:30"))
    assert (error.status, error.code, error.retry_after) == (429, "quota_exceeded", 30)
    assert (error.quota, error.limit, error.used, error.resets_at) == ("monthly_tokens", 10, 12, end)
    assert error.message == (
        "the tenant's limit monthly_tokens is used up: 12 of 10; it resets at 2026-02-01T00:00:00Z"
    )
    assert refusal(Standing(resource=Resource.AGENTS, limit=1, used=1), end).retry_after is None
