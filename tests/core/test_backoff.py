"""When a failed notification is sent again, and when it is dead."""

from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from alerts.core.backoff import DEFAULT_BACKOFF, Backoff, retry_at
from tests.core.strategies import START

randoms = st.randoms(use_true_random=False)


class Highest(Random):
    """Chance that always leaves the longest wait."""

    def random(self) -> float:
        return 0.0


def waits(backoff: Backoff) -> list[float]:
    now, seconds = START, []
    for attempts in range(1, 100):
        at = retry_at(attempts, now=now, first_at=START, rng=Highest(), backoff=backoff)
        if at is None:
            break
        seconds.append((at - now).total_seconds())
        now = at
    return seconds


def test_waits_double_from_2_seconds_to_10_minutes() -> None:
    assert waits(DEFAULT_BACKOFF)[:11] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]


def test_after_24_attempts_it_is_dead() -> None:
    assert len(waits(DEFAULT_BACKOFF)) == 23
    assert retry_at(24, now=START, first_at=START, rng=Random(1)) is None


def test_after_4_hours_it_is_dead() -> None:
    late = START + timedelta(hours=4)
    assert retry_at(2, now=late, first_at=START, rng=Random(1)) is None
    assert sum(waits(Backoff(attempts=1000))) <= 4 * 3600


def test_retry_after_is_never_undercut_and_may_pass_the_cap() -> None:
    asked = timedelta(minutes=30)
    assert retry_at(1, now=START, first_at=START, rng=Random(1), retry_after=asked) == START + asked
    short = timedelta(seconds=1)
    at = retry_at(5, now=START, first_at=START, rng=Highest(), retry_after=short)
    assert at == START + timedelta(seconds=32)


def test_retry_after_beyond_the_end_is_dead() -> None:
    last = timedelta(hours=4)
    assert retry_at(1, now=START, first_at=START, rng=Random(1), retry_after=last) == START + last
    assert retry_at(1, now=START, first_at=START, rng=Random(1), retry_after=timedelta(days=1)) is None


def test_what_failed_together_is_not_sent_together() -> None:
    rng = Random(7)
    assert len({retry_at(6, now=START, first_at=START, rng=rng) for _ in range(100)}) > 90


@given(st.integers(1, 23), randoms)
def test_a_wait_is_jittered_and_within_its_cap(attempts: int, rng: Random) -> None:
    wait = DEFAULT_BACKOFF.wait(attempts, rng)
    longest = min(timedelta(minutes=10), timedelta(seconds=2 * 2 ** (attempts - 1)))
    assert longest / 2 <= wait <= longest


@given(st.integers(1, 10_000), randoms)
def test_no_number_of_attempts_overflows(attempts: int, rng: Random) -> None:
    assert Backoff(attempts=20_000).wait(attempts, rng) <= timedelta(minutes=10)
