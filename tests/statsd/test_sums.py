"""What StatsD's lines come to."""

import random

import pytest

from monitor.ingest.statsd.lines import parse
from monitor.ingest.statsd.sums import Full, Sums
from monitor.series.store import Kind


def told(sums: Sums, *lines: str) -> dict[str, float]:
    for line in lines:
        sums.add(parse(line))
    return taken(sums)


def taken(sums: Sums) -> dict[str, float]:
    """Values by name, with quantile and time where there are any."""
    return {
        f"{value.metric}{value.tags.get('quantile', '')}{'@' + str(value.at_s) if value.at_s else ''}": value.value
        for value in sums.take()
    }


def test_counters_add_up_by_their_rate_and_begin_anew() -> None:
    sums = Sums()
    assert told(sums, "a:1|c", "a:2|c|@0.1", "a:1:1|c", "b:-3|c") == {"a": pytest.approx(23), "b": -3}
    assert told(sums, "a:5|c") == {"a": 5}
    assert taken(sums) == {}


def test_gauges_are_set_and_moved_and_remembered() -> None:
    sums = Sums()
    assert told(sums, "a:10|g", "a:+5|g", "a:-2|g") == {"a": 13}
    assert taken(sums) == {}
    assert told(sums, "a:+1|g") == {"a": 14}
    assert told(sums, "new:-3|g") == {"new": -3}
    assert told(sums, "a:0|g", "a:-10|g") == {"a": -10}


def test_sets_count_their_members_once() -> None:
    sums = Sums()
    assert told(sums, "a:x|s", "a:y|s", "a:x|s") == {"a": 2}
    assert told(sums, "a:x|s") == {"a": 1}


def test_timers_tell_count_sum_ends_and_quantiles() -> None:
    source, sums = random.Random(5), Sums()
    values = sorted(round(source.lognormvariate(5, 1), 3) for _ in range(2000))
    found = told(sums, *(f"t:{value}|ms" for value in values))
    assert (found["t.count"], found["t.min"], found["t.max"]) == (2000, values[0], values[-1])
    assert found["t.sum"] == pytest.approx(sum(values))
    for quantile in (0.5, 0.9, 0.95, 0.99):
        assert found[f"t{quantile}"] == pytest.approx(values[int(quantile * 2000) - 1], rel=0.02)


def test_a_timers_rate_weighs() -> None:
    found = told(Sums(), "t:10|ms|@0.1", "t:-5|ms", "t:0|ms")
    assert found["t.count"] == pytest.approx(12)
    assert found["t.sum"] == pytest.approx(95)
    assert (found["t.min"], found["t.max"]) == (-5, 10)
    assert found["t0.5"] == pytest.approx(10, rel=0.02)


def test_kinds_and_units() -> None:
    sums = Sums()
    for line in ("c:1|c|#env:p", "g:1|g", "s:1|s", "t:1|ms", "h:1|h"):
        sums.add(parse(line))
    found = {value.metric: (value.kind, value.unit) for value in sums.take() if "quantile" not in value.tags}
    assert found == {
        "c": (Kind.DELTA, None), "g": (Kind.GAUGE, None), "s": (Kind.GAUGE, None),
        "t.count": (Kind.DELTA, None), "t.sum": (Kind.DELTA, "ms"), "t.min": (Kind.GAUGE, "ms"),
        "t.max": (Kind.GAUGE, "ms"), "h.count": (Kind.DELTA, None), "h.sum": (Kind.DELTA, None),
        "h.min": (Kind.GAUGE, None), "h.max": (Kind.GAUGE, None),
    }  # fmt: skip


def test_lines_with_a_time_of_their_own_are_kept_apart() -> None:
    assert told(Sums(), "a:1|c|T100", "a:2|c|T100", "a:3|c", "g:4|g|T100") == {"a@100": 3, "a": 3, "g@100": 4}


def test_memory_is_bounded() -> None:
    sums = Sums(keys=10, members=5)
    for number in range(10):
        sums.add(parse(f"a{number}:1|c"))
    with pytest.raises(Full):
        sums.add(parse("another:1|g"))
    sums.add(parse("a3:1|c"))
    assert len(sums.take()) == 10
    for number in range(5):
        sums.add(parse(f"s:{number}|s"))
    with pytest.raises(Full):
        sums.add(parse("s:another|s"))
    sums.add(parse("s:3|s"))
    assert [value.value for value in sums.take()] == [5.0]


def test_a_sum_past_all_doubles_is_left_out() -> None:
    assert told(Sums(), "a:1e308|c", "a:1e308|c", "b:1|c") == {"b": 1}
