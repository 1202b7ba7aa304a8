"""Packets that nobody meant: lines are taken or counted as malformed, and memory stays bounded.

`make test` draws some hundred; `make accept` goes on for ten minutes.
"""

import gc
import math
import time

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.ingest.statsd.lines import parse
from monitor.ingest.statsd.sums import Full, Sums
from monitor.ingest.values import Fault

SECONDS = 600.0
MORE_MEMORY = 48 << 20
_word = st.one_of(st.sampled_from(["a", "runs.total", "é", "", "x" * 250]), st.text(max_size=10))
_value = st.one_of(st.floats().map(str), st.integers().map(str), st.sampled_from(["+1", "-1", ".5", "1e308", "x", ""]))
_section = st.one_of(
    _value.map("@{}".format), st.lists(_word, max_size=4).map(lambda tags: "#" + ",".join(tags)),
    st.tuples(_word, _word).map(lambda tag: f"#{tag[0]}:{tag[1]}"), _value.map("T{}".format), _word,
)  # fmt: skip
LINES = st.one_of(
    st.builds(
        lambda name, values, kind, sections: "|".join([f"{name}:{':'.join(values)}", kind, *sections]),
        _word,
        st.lists(_value, min_size=1, max_size=3),
        st.sampled_from(["c", "g", "ms", "s", "h", "d", "x"]),
        st.lists(_section, max_size=3),
    ),
    st.text(max_size=40),
)


def check_lines(examples: int, sums: Sums) -> None:
    """Draw lists of so many lines; what they come to can be stored."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(LINES, max_size=20))
    def check(lines: list[str]) -> None:
        for line in lines:
            try:
                sums.add(parse(line))
            except (Fault, Full):
                continue
        for value in sums.take():
            assert math.isfinite(value.value)
            assert 0 < len(value.metric) <= 206
            assert "\0" not in value.metric + value.agent

    check()


def test_whatever_comes_is_taken_or_malformed() -> None:
    check_lines(200, Sums())


@pytest.mark.accept
def test_for_long_and_without_growing() -> None:
    process, sums = psutil.Process(), Sums(keys=1000)
    check_lines(1000, sums)
    gc.collect()
    before, deadline = process.memory_info().rss, time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        check_lines(1000, sums)
    gc.collect()
    assert process.memory_info().rss - before < MORE_MEMORY
