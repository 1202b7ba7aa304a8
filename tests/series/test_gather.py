"""Which level each part of a span is read from."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.partitions import LAYOUTS
from monitor.series.gather import levels, regions
from monitor.series.retention import retention_of
from monitor.series.store import Reducer
from monitor.series.stored import DAY_US, HOUR_US, MINUTE_US
from monitor.settings import Settings

WIDTHS = (DAY_US, HOUR_US, MINUTE_US)


@given(
    low=st.integers(0, 10 * DAY_US),
    length=st.integers(1, 10 * DAY_US),
    widths=st.sampled_from([WIDTHS, WIDTHS[:2], WIDTHS[1:], ()]),
)
def test_regions_cover_the_span_once_and_are_aligned(low: int, length: int, widths: tuple[int, ...]) -> None:
    cut = regions(low, low + length, widths)
    assert cut[0].low == low
    assert cut[-1].high == low + length
    for before, after in itertools.pairwise(cut):
        assert before.high == after.low
    for part in cut:
        assert part.low < part.high
        assert part.width == 0 or (part.low % part.width, part.high % part.width) == (0, 0)
    # At most one region for the coarsest level, and two for each finer one and for single points.
    assert sum(part.width == DAY_US for part in cut) <= 1


@pytest.mark.parametrize(
    ("reduce", "step", "expected"),
    [
        (Reducer.MEAN, None, (DAY_US, HOUR_US, MINUTE_US)),
        (Reducer.P95, None, (DAY_US, HOUR_US)),
        (Reducer.LAST, timedelta(hours=6), (HOUR_US,)),
        (Reducer.SUM, timedelta(minutes=5), (MINUTE_US,)),
        (Reducer.P95, timedelta(minutes=5), ()),
        (Reducer.SUM, timedelta(seconds=90), ()),
        (Reducer.SUM, timedelta(days=7), (DAY_US, HOUR_US, MINUTE_US)),
    ],
)
def test_levels(reduce: Reducer, step: timedelta | None, expected: tuple[int, ...]) -> None:
    assert levels(reduce, None if step is None else step // timedelta(microseconds=1)) == expected


def test_every_table_of_history_has_an_end_and_coarser_ones_live_longer() -> None:
    kept = retention_of(Settings())
    assert kept.keys() <= {layout.table for layout in LAYOUTS}
    order = ["samples", "rollups_minute", "rollups_hour", "rollups_day"]
    assert [kept[table] for table in order] == sorted(kept[table] for table in order)
    assert kept["samples"] == kept["sample_chunks"] == kept["agent_logs"]
