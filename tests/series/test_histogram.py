"""Histograms: percentiles within 1 % of the exact order statistic, however values are split, merged and stored."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.series.histogram import TINY, Histograms, Stored, buckets, middles
from tests.series.reference import nearest_rank

ERROR = 0.01
values = st.one_of(
    st.floats(-1e250, 1e250, allow_subnormal=False),
    st.floats(-1000, 1000).map(lambda x: round(x, 2)),
    st.sampled_from([0.0, 1.0, 1.02, -1.02, 1.02**700]),
).map(lambda x: 0.0 if abs(x) < TINY else x)


def near(found: float, exact: float) -> bool:
    """Within the error that the module promises."""
    return abs(found - exact) <= ERROR * abs(exact)


@given(value=values)
def test_a_bucket_stands_for_its_values_within_one_percent(value: float) -> None:
    assert near(float(middles(buckets(np.array([value])))[0]), value)


@given(one=values, other=values)
def test_buckets_are_in_the_order_of_their_values(one: float, other: float) -> None:
    low, high = buckets(np.array(sorted((one, other))))
    assert low <= high


@settings(max_examples=200)
@given(
    rows=st.lists(st.lists(values, min_size=1, max_size=60), min_size=1, max_size=6),
    percent=st.sampled_from([50, 90, 95, 99]),
)
def test_percentiles_of_built_stored_and_merged_histograms(rows: list[list[float]], percent: int) -> None:
    flat = np.array([value for row in rows for value in row])
    which = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    built = Histograms.build(flat, which, len(rows))
    read = decoded(built.encode())
    assert read.bins.tolist() == built.bins.tolist()
    assert read.counts.tolist() == built.counts.tolist()
    low, high = (np.array([f(row) for row in rows]) for f in (min, max))
    found = read.percentile(percent, low=low, high=high)
    for row, value in zip(rows, found.tolist(), strict=True):
        assert near(value, nearest_rank(row, percent))
    merged = read.merge(np.zeros(len(rows), np.int64), 1)
    whole = Histograms.build(flat, np.zeros(len(flat), np.int64), 1)
    assert (merged.bins.tolist(), merged.counts.tolist()) == (whole.bins.tolist(), whole.counts.tolist())
    (value,) = merged.percentile(percent, low=flat.min(keepdims=True), high=flat.max(keepdims=True)).tolist()
    assert near(value, nearest_rank(flat.tolist(), percent))


def decoded(stored: Stored) -> Histograms:
    """What the database would give back."""
    pieces = [
        bytes([width]) + stored.data[offset : offset + size]
        for width, offset, size in zip(
            stored.widths.tolist(), stored.offsets.tolist(), stored.sizes.tolist(), strict=True
        )
    ]
    return Histograms.decode(b"".join(pieces), np.array([len(piece) for piece in pieces], np.int64))


@pytest.mark.parametrize("count", [1, 2, 255, 256, 65_535, 65_536, 5_000_000_000])
def test_counts_of_any_size_are_stored(count: int) -> None:
    histogram = Histograms(np.array([-5, 7], np.int16), np.array([1, count]), np.array([2]))
    read = decoded(histogram.encode())
    assert (read.bins.tolist(), read.counts.tolist(), read.lengths.tolist()) == ([-5, 7], [1, count], [2])


def test_values_that_are_all_equal_are_exact() -> None:
    same = np.full(9, 812.0)
    histogram = Histograms.build(same, np.zeros(9, np.int64), 1)
    assert histogram.percentile(95, low=same[:1], high=same[:1]).tolist() == [812.0]


def test_dense_and_sorted_merges_agree() -> None:
    random = np.random.default_rng(5)
    value, rows = random.lognormal(0, 5, 20_000), random.integers(0, 3_000, 20_000)
    many = Histograms.build(value, rows, 3_000)
    into = random.integers(0, 2_900, 3_000)
    spread = many.merge(into, 2_900)
    one_by_one = many._collect(np.repeat(into, many.lengths), many.bins, many.counts, 2_900)
    assert spread.bins.tolist() == one_by_one.bins.tolist()
    assert spread.counts.tolist() == one_by_one.counts.tolist()
    assert spread.lengths.tolist() == one_by_one.lengths.tolist()


def test_tiny_values_are_zero_and_huge_ones_keep_their_order() -> None:
    assert buckets(np.array([TINY / 2, -TINY / 2, 0.0])).tolist() == [0, 0, 0]
    assert buckets(np.array([1e300, -1e300])).tolist() == [32_767, -32_767]
