"""Native histograms of remote write: counts, sums and quantiles; what is malformed is refused by name."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.http.collector import Collector, collecting
from tests.prometheus.sender import ONE, Series, one, two, write, written
from tests.prometheus.test_remote_write import ALL, STALE, ms

EXPONENTIAL = {
    "count_int": 10, "sum": 30.0, "schema": 0, "zero_count_int": 1, "positive_spans": [(1, 2), (1, 1)],
    "positive_deltas": [4, -1, -1],
}  # fmt: skip
"""One zero, four in (1, 2], three in (2, 4], two in (8, 16]."""


@pytest.fixture
async def collector(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


def series(at: int, **said: Any) -> Series:
    return Series({"__name__": "latency", "job": "akira"}, histograms=[EXPONENTIAL | {"timestamp": at} | said])


async def values(collector: Collector) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = {}
    for row in await collector.rows(ALL):
        found.setdefault((row["metric"], row["tags"].get("quantile", "")), []).append(round(row["value"], 3))
    return found


@pytest.mark.parametrize("version", [1, 2])
async def test_a_run_of_histograms(collector: Collector, clock: SettableClock, version: int) -> None:
    start = ms(clock, -60)
    later = {
        "count_int": 20, "sum": 60.0, "positive_spans": [(1, 2), (1, 1), (0, 1)], "positive_deltas": [4, -1, -1, 8],
        "timestamp": ms(clock), "start_timestamp": start,
    }  # fmt: skip
    for given in (series(ms(clock, -30), start_timestamp=start), series(ms(clock), **later)):
        answer = await (write(collector, two(given)) if version == 2 else write(collector, one(given), media=ONE))
        assert answer.status_code == 204, answer.text
        assert written(answer) == ({"samples": 0, "histograms": 1, "exemplars": 0} if version == 2 else {})
    found = await values(collector)
    assert found["latency_count", ""] == [0.0, 10.0, 20.0]
    assert found["latency_sum", ""] == [0.0, 30.0, 60.0]
    assert found["latency", "0.5"] == [2.0, pytest.approx(22.627, abs=0.001)]
    assert all(value > 16 for _, value in [(q, v[1]) for (name, q), v in found.items() if name == "latency"])


async def test_gauges_floats_custom_bounds_and_restarts(collector: Collector, clock: SettableClock) -> None:
    gauge = series(ms(clock, -40), reset_hint=3)
    floats = Series({"__name__": "f"}, histograms=[{
        "count_float": 2.5, "sum": 5.0, "schema": 2, "positive_spans": [(0, 1)], "positive_counts": [2.5],
        "timestamp": ms(clock), "reset_hint": 1,
    }])  # fmt: skip
    custom = Series({"__name__": "c"}, histograms=[{
        "count_int": 4, "sum": 9.0, "schema": -53, "custom_values": [1.0, 5.0], "positive_spans": [(1, 1)],
        "positive_deltas": [4], "timestamp": ms(clock), "reset_hint": 1,
    }])  # fmt: skip
    answer = await write(collector, two(gauge, floats, custom, series(ms(clock), sum=STALE)))
    assert (answer.status_code, written(answer)["histograms"]) == (204, 4)
    found = await values(collector)
    assert found["latency_count", ""] == [10.0]
    assert found["f_count", ""] == [2.5]
    assert found["c", "0.5"] == [3.0]
    assert found["f", "0.99"][0] <= 1.0


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"schema": 30}, "schema: 30"),
        ({"positive_spans": [(0, 7)]}, "spans: they do not cover"),
        ({"positive_spans": [(0, 2**32 - 1)]}, "spans: they do not cover"),
        ({"positive_deltas": [4, -6, 5]}, "buckets: a count is negative"),
        ({"schema": -53, "custom_values": [1.0]}, "custom_values"),
        ({"sum": float("nan")}, "sum: NaN"),
        ({"timestamp": 5}, "timestamp: older than what is kept"),
    ],
)
async def test_what_is_malformed_is_named(
    collector: Collector, clock: SettableClock, said: dict[str, Any], fault: str
) -> None:
    good = Series({"__name__": "up"}, [(1.0, ms(clock))])
    answer = await write(collector, two(good, series(ms(clock), **said)))
    assert (answer.status_code, written(answer)) == (400, {"samples": 1, "histograms": 0, "exemplars": 0})
    assert f"latency: {fault}" in answer.text
    assert len(await collector.rows(ALL)) == 1
