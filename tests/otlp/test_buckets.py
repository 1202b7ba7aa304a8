"""Histograms that others counted: quantiles against the values they were made of, differences, restarts."""

import math
import random
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.ingest.buckets import QUANTILES, Distribution, Explicit, Exponential, filled, quantiles

_SIDE = st.dictionaries(st.integers(-100, 100), st.integers(1, 50))
BOUNDS = tuple(float(bound) for bound in range(10, 1000, 10))


def explicit(values: list[float], bounds: tuple[float, ...] = BOUNDS) -> Explicit:
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[bisect_left(bounds, value)] += 1
    return Explicit(bounds, tuple(counts))


def exponential(values: list[float], scale: int, threshold: float = 0.0) -> Exponential:
    """As a sender counts: bucket i holds (base^i, base^(i+1)]."""
    sides: tuple[dict[int, int | float], dict[int, int | float]] = ({}, {})
    zero = 0
    for value in values:
        if abs(value) <= threshold:
            zero += 1
            continue
        index = math.ceil(math.log2(abs(value)) * 2**scale) - 1
        side = sides[value < 0]
        side[index] = side.get(index, 0) + 1
    return Exponential(scale, sides[0], sides[1], zero, threshold)


def rank(values: list[float], quantile: float) -> float:
    return sorted(values)[max(math.ceil(quantile * len(values)) - 1, 0)]


@pytest.mark.parametrize("spread", [(1, 900), (200, 230), (5, 5)])
def test_quantiles_are_right_to_the_width_of_a_bucket(spread: tuple[float, float]) -> None:
    source = random.Random(7)
    values = [source.uniform(*spread) for _ in range(5000)]
    for quantile, value in quantiles(explicit(values), low=min(values), high=max(values)):
        assert value == pytest.approx(rank(values, quantile), abs=10)
    for quantile, value in quantiles(exponential(values, 5), low=None, high=None):
        assert value == pytest.approx(rank(values, quantile), rel=2 ** (2**-5) - 1)


def test_values_below_zero_and_zeros_have_their_place() -> None:
    values = [-8.0, -4.0, -2.0, 0.0, 0.0, 0.0, 3.0, 5.0, 6.0, 100.0]
    found = exponential(values, 4)
    assert [cell.held for cell in found.cells(None, None)] == [1, 1, 1, 3, 1, 1, 1, 1]
    assert dict(quantiles(found, low=None, high=None)) == pytest.approx(
        {0.5: 0.0, 0.9: 6, 0.95: 100, 0.99: 100}, rel=0.05
    )


def test_the_ends_are_the_least_and_the_greatest_where_they_are_known() -> None:
    found = Explicit((10.0, 20.0), (0, 0, 4))
    assert dict(quantiles(found, low=None, high=None)) == dict.fromkeys(QUANTILES, 20.0)
    assert dict(quantiles(found, low=30.0, high=30.0)) == dict.fromkeys(QUANTILES, 30.0)
    below = Explicit((-5.0, 0.0), (4, 0, 0))
    assert dict(quantiles(below, low=None, high=None)) == dict.fromkeys(QUANTILES, -5.0)


def test_nothing_counted_has_no_quantiles() -> None:
    for found in (Explicit((), ()), Explicit((1.0,), (0, 0)), Exponential(3)):
        assert quantiles(found, low=None, high=None) == []


@pytest.mark.parametrize("scale", [-10, -1, 0, 20, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("index", [0, -1, 1, 2**31 - 1, -(2**31)])
def test_no_scale_and_no_index_is_too_large(scale: int, index: int) -> None:
    found = Exponential(scale, {index: 3}, {index: 2})
    assert all(math.isfinite(value) for _, value in quantiles(found, low=None, high=None))


def test_what_came_since_is_the_difference() -> None:
    assert explicit([5, 15, 15]).since(explicit([15])) == explicit([5, 15])
    assert exponential([1, 5, 5], 3).since(exponential([5], 3)) == exponential([1, 5], 3)


def test_after_a_restart_everything_is_new() -> None:
    for now, then in (
        (explicit([5]), explicit([5, 15])),
        (explicit([5]), explicit([5], (1.0, 2.0))),
        (exponential([5], 3), exponential([5, 900], 3)),
        (exponential([5], 3), exponential([5], 2)),
        (exponential([5], 3), explicit([5])),
        (explicit([5]), exponential([5], 3)),
        (explicit([5]), None),
    ):
        assert now.since(then) == now


@given(_SIDE, _SIDE, _SIDE, st.integers(-2, 6), st.integers(0, 70))
def test_a_stream_whose_scale_falls_is_brought_to_the_new_one(
    before: dict[int, int], added: dict[int, int], below: dict[int, int], scale: int, fall: int
) -> None:
    together = dict(added)
    for index, count in before.items():
        together[index >> fall] = together.get(index >> fall, 0) + count
    now = Exponential(scale - fall, together, below)
    assert now.since(Exponential(scale, before)) == Exponential(scale - fall, added, below)


def test_a_threshold_that_rises_takes_buckets_in() -> None:
    then, now = exponential([0.001, 8], 2), exponential([0.001, 0.002, 8, 8], 2, threshold=0.01)
    assert now.since(then) == Exponential(2, {11: 1}, {}, 1, 0.01)


def test_only_buckets_that_hold_something_are_kept() -> None:
    assert filled(-2, [0, 3, 0, 0, 1]) == {-1: 3, 2: 1}


def test_the_weight_grows_with_the_buckets() -> None:
    small: Distribution = Exponential(1, {1: 1})
    large: Distribution = Exponential(1, dict.fromkeys(range(100), 1))
    assert small.weight < large.weight
    assert explicit([]).weight > Explicit((1.0,), (0, 0)).weight
