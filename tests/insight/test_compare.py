"""Whether a difference is more than chance: against published figures, exact sums and many drawings."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.runs.compare import Verdict, compare_shares, compare_values, percentile, rank_test, wilson


@pytest.mark.parametrize(
    ("after", "before", "low", "high"),
    [
        # Newcombe 1998, table II, method 10: (a), (b), (e), (g).
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((5, 56), (0, 29), -0.0381, 0.1926),
    ],
)
def test_the_interval_of_a_difference_is_newcombes(
    after: tuple[int, int], before: tuple[int, int], low: float, high: float
) -> None:
    found = compare_shares(before, after, floor=1)
    assert [found.low, found.high] == pytest.approx([low, high], abs=6e-5)


def test_wilsons_interval_is_his() -> None:
    """81 of 263 (Newcombe, "Two-sided confidence intervals for the single proportion", 1998): 0.2553 to 0.3662."""
    assert list(wilson(81, 263)) == pytest.approx([0.2553, 0.3662], abs=5e-5)


def test_verdicts_on_shares() -> None:
    """More successes are better; few tasks say nothing; what may be chance is said to be unclear."""
    assert compare_shares((80, 100), (97, 100)).verdict is Verdict.BETTER
    assert compare_shares((97, 100), (80, 100)).verdict is Verdict.WORSE
    assert compare_shares((90, 100), (93, 100)).verdict is Verdict.UNCLEAR
    assert compare_shares((29, 29), (0, 1000)).verdict is Verdict.TOO_FEW


def test_verdicts_on_values() -> None:
    """Less is better; the difference is that of the medians."""
    old = [float(number) for number in range(100, 160)]
    slower, faster = [value + 40 for value in old], [value - 40 for value in old]
    assert compare_values(old, slower).verdict is Verdict.WORSE
    found = compare_values(old, faster)
    assert (found.verdict, found.difference) == (Verdict.BETTER, -40)
    assert compare_values(old, [value + 0.5 for value in old]).verdict is Verdict.UNCLEAR
    assert compare_values(old, slower[:29]).verdict is Verdict.TOO_FEW
    assert compare_values([7.0] * 50, [7.0] * 50).verdict is Verdict.UNCLEAR


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_the_effect_is_the_share_of_pairs(old: list[int], new: list[int]) -> None:
    """Counted one by one, ties as half."""
    pairs = list(itertools.product(old, new))
    exact = sum((b > a) + (b == a) / 2 for a, b in pairs) / len(pairs)
    larger, p = rank_test(np.sort(np.array(old, float)), np.sort(np.array(new, float)))
    assert larger == pytest.approx(exact)
    assert 0 <= p <= 1
    back = rank_test(np.sort(np.array(new, float)), np.sort(np.array(old, float)))
    assert list(back) == pytest.approx([1 - larger, p])


def test_chance_alone_is_called_a_difference_as_seldom_as_said() -> None:
    """Both sides of one and the same long-tailed distribution, 600 times: about 5 %, ties or not."""
    rng = np.random.default_rng(7)
    for rounding in (3, 0):
        drawn = [np.round(rng.lognormal(1, 1, (2, 60)), rounding) for _ in range(600)]
        called = [compare_values(old.tolist(), new.tolist()).verdict is not Verdict.UNCLEAR for old, new in drawn]
        assert 0.025 < np.mean(called) < 0.075


def test_percentiles_are_nearest_ranks() -> None:
    values = np.arange(1.0, 101.0)
    assert [percentile(values, share) for share in (0.0, 0.5, 0.95, 1.0)] == [1, 50, 95, 100]
    assert percentile(np.array([3.0]), 0.95) == 3
