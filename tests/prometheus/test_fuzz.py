"""Requests of remote write that nobody meant: taken or refused by name, no crash, no 500, no growing memory.

`make test` draws some hundred; `make accept` goes on for ten minutes.
"""

import gc
import math
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import cramjam
import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitor.db import Database
from monitor.errors import TooLarge, Unreadable
from monitor.ingest.points import Shapes
from monitor.ingest.prometheus import reading
from monitor.ingest.prometheus.messages import REQUESTS
from monitor.ingest.prometheus.reading import Read, Reader
from monitor.ingest.streams import Streams
from monitor.ingest.values import Window
from tests.conftest import SettableClock
from tests.http.collector import Collector, collecting
from tests.prometheus.sender import ONE, TWO, write

NOW_US = 1_800_000_000_000_000
SECONDS, POSTING_SECONDS = 240.0, 60.0
"""For each version: together ten minutes."""
MORE_MEMORY = 48 << 20
MEDIA = {1: ONE, 2: TWO}

_numbers = st.one_of(st.floats(), st.sampled_from([0.0, 1.5, math.nan, math.inf]))
_times = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(NOW_US // 1000 - 10**6, NOW_US // 1000 + 10**6))
_texts = st.one_of(st.sampled_from(["", "__name__", "up", "job", "agent", "a_total", "le"]), st.text(max_size=12))
_spans = st.lists(
    st.fixed_dictionaries({"offset": st.integers(-(2**31), 2**31 - 1), "length": st.integers(0, 2**32 - 1)})
    | st.fixed_dictionaries({"offset": st.integers(-3, 3), "length": st.integers(0, 3)}),
    max_size=3,
)
_histograms = st.fixed_dictionaries(
    {"sum": _numbers, "timestamp": _times, "schema": st.sampled_from([-53, -4, 0, 3, 8, 9])},
    optional={
        "count_int": st.integers(0, 2**64 - 1), "count_float": _numbers, "zero_count_int": st.integers(0, 99),
        "zero_threshold": _numbers, "reset_hint": st.integers(0, 4), "start_timestamp": _times,
        "positive_spans": _spans, "negative_spans": _spans, "custom_values": st.lists(_numbers, max_size=4),
        "positive_deltas": st.lists(st.integers(-9, 9) | st.integers(-(2**63), 2**63 - 1), max_size=4),
        "negative_deltas": st.lists(st.integers(-9, 9), max_size=4),
        "positive_counts": st.lists(_numbers, max_size=4),
    },
)  # fmt: skip
_samples = st.lists(st.fixed_dictionaries({"value": _numbers, "timestamp": _times}), max_size=3)
_series_one = st.fixed_dictionaries(
    {
        "labels": st.lists(st.fixed_dictionaries({"name": _texts, "value": _texts}), max_size=4),
        "samples": _samples,
        "histograms": st.lists(_histograms, max_size=2),
    }
)
_series_two = st.fixed_dictionaries(
    {
        "labels_refs": st.lists(st.integers(0, 8), max_size=6),
        "samples": _samples,
        "histograms": st.lists(_histograms, max_size=2),
        "exemplars": st.lists(
            st.fixed_dictionaries({"labels_refs": st.lists(st.integers(0, 8), max_size=4), "timestamp": _times}),
            max_size=2,
        ),
        "metadata": st.fixed_dictionaries({"type": st.integers(-1, 9)}),
    }
)
REQUEST: dict[int, st.SearchStrategy[dict[str, Any]]] = {
    1: st.fixed_dictionaries({"timeseries": st.lists(_series_one, max_size=4)}),
    2: st.fixed_dictionaries(
        {"symbols": st.lists(_texts, max_size=9), "timeseries": st.lists(_series_two, max_size=4)}
    ),
}


@st.composite
def bodies(draw: st.DrawFn, version: int) -> bytes:
    """Messages, some of them damaged, before or after they are compressed; and mere bytes."""
    message = bytearray(REQUESTS[version](**draw(REQUEST[version])).SerializeToString())
    _damage(draw, message, draw(st.sampled_from([0, 0, 1, 3])))
    body = bytearray(cramjam.snappy.compress_raw(bytes(message)))
    _damage(draw, body, draw(st.sampled_from([0, 0, 0, 2])))
    return bytes(body)


def _damage(draw: st.DrawFn, body: bytearray, times: int) -> None:
    for _ in range(times):
        place = draw(st.integers(0, len(body)))
        end = min(len(body), place + draw(st.integers(0, 8)))
        body[place:end] = draw(st.binary(max_size=8))


def go_through(version: int, body: bytes, streams: Streams) -> None:
    """All that a request goes through before the database."""
    window = Window.of(NOW_US, retention=30 * 86_400.0)
    reader = Reader(UUID(int=1), ("agent", "job"), window, shapes=Shapes(), streams=streams)
    try:
        if body:
            reading.decompressed(body, 64 << 20)
        read = reader.take(reading.parse(body, version))
    except (Unreadable, TooLarge):
        return
    _check(read)


def _check(read: Read) -> None:
    """What is kept can be stored, and every row is kept, refused by name, or no value."""
    refused = {row for row, fault in read.outcome.rejected if fault}
    for row, shape, at_us, value in read.points:
        assert 0 <= row < len(read.rows)
        assert row not in refused
        assert math.isfinite(value)
        assert 0 <= at_us < 2**63
        assert shape.metric
    assert all(math.isfinite(one.value) for one in read.exemplars)


def check_reading(version: int, examples: int, streams: Streams) -> None:
    """Draw so many bodies and send each through."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(bodies(version))
    def check(body: bytes) -> None:
        go_through(version, body, streams)

    check()


async def check_posting(api: Collector, version: int, count: int) -> None:
    """Post so many bodies: each is taken or refused, and never a fault of ours."""
    made: list[bytes] = []

    @settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )  # fmt: skip
    @given(bodies(version))
    def collect(body: bytes) -> None:
        made.append(body)

    collect()
    for body in made:
        answer = await write(api, body, media=MEDIA[version])
        assert answer.status_code in {204, 400, 413}, (body, answer.status_code, answer.text)


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[Collector]:
    async with collecting(db, clock) as made:
        yield made


@pytest.mark.parametrize("version", [1, 2])
def test_whatever_comes_is_taken_or_refused(version: int) -> None:
    check_reading(version, 150, Streams())


@pytest.mark.parametrize("version", [1, 2])
async def test_the_route_takes_or_refuses_whatever_comes(api: Collector, version: int) -> None:
    await check_posting(api, version, 40)


@pytest.mark.accept
@pytest.mark.parametrize("version", [1, 2])
async def test_for_long_and_without_growing(api: Collector, version: int) -> None:
    process, streams = psutil.Process(), Streams()
    check_reading(version, 1000, streams)
    gc.collect()
    before, deadline = process.memory_info().rss, time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        check_reading(version, 1000, streams)
    gc.collect()
    assert process.memory_info().rss - before < MORE_MEMORY
    deadline = time.monotonic() + POSTING_SECONDS
    while time.monotonic() < deadline:
        await check_posting(api, version, 200)
