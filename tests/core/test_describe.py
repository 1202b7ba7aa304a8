"""Conditions, values, thresholds and durations in plain words."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core.condition import HeartbeatLeaf, Leaf, LogLeaf, MetricLeaf
from alerts.core.describe import describe, describe_bound
from alerts.core.duration import format_duration, parse_duration
from alerts.core.parse import parse_condition
from alerts.core.seen import describe_value

METRIC = {"metric": "latency_ms", "reduce": "p95", "threshold": 2000}
RATE = {"rate": "error", "threshold": 0.2}
STATUS = {"status": "error"}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"status": "error", "consecutive_failures": 3}, "3 consecutive failures"),
        (STATUS, "a failure"),
        ({"status": "success"}, "an execution with status success"),
        (METRIC, "p95 of latency_ms over 5m > 2000"),
        (
            {**METRIC, "by": ["model", "region"], "where": {"env": "prod"}, "min_count": 20},
            "p95 of latency_ms over 5m where env=prod by model, region > 2000, from 20 points on",
        ),
        (RATE, "share of executions with status error over 15m > 0.2"),
        (
            {**RATE, "min_count": 20},
            "share of executions with status error over 15m > 0.2, from 20 executions on",
        ),
        ({"heartbeat": "missed", "after": "90s"}, "no heartbeat for 90s"),
        ({"heartbeat": "missed"}, "heartbeats missed"),
        ({"schedule": "missed", "grace": "10m"}, "a scheduled run missed by 10m"),
        ({"log": {"contains": "Traceback"}}, "a log line with “Traceback” over 5m"),
        (
            {"log": {"contains": "x", "level": "error"}, "count": 3},
            "at least 3 error lines with “x” over 5m",
        ),
        ({"all": [STATUS, METRIC]}, "a failure and p95 of latency_ms over 5m > 2000"),
        ({"any": [STATUS, {"all": [STATUS, STATUS]}]}, "a failure or (a failure and a failure)"),
        ({"not": {"any": [STATUS, STATUS]}}, "not (a failure or a failure)"),
    ],
)
def test_a_condition_in_words(raw: object, words: str) -> None:
    assert describe(parse_condition(raw)) == words


@pytest.mark.parametrize(
    ("raw", "value", "count", "words"),
    [
        (STATUS, 1, 1, "1 consecutive failure"),
        (STATUS, 3, 1, "3 consecutive failures"),
        (STATUS, None, 0, "no execution yet"),
        ({"status": "warning"}, 1, 1, "1 consecutive execution with status warning"),
        (METRIC, 2345.25, 41, "p95 of latency_ms over 5m is 2345.25 (41 points)"),
        (METRIC, 5, 1, "p95 of latency_ms over 5m is 5 (1 point)"),
        (METRIC, None, 0, "p95 of latency_ms over 5m: no data"),
        (METRIC, None, 1, "p95 of latency_ms over 5m: no value from 1 points"),
        ({**RATE, "min_count": 20}, 0.5, 4, "share of executions with status error over 15m: 4 of the 20"),
        ({"heartbeat": "missed"}, None, 0, "no heartbeat yet"),
        ({"schedule": "missed"}, None, 0, "no scheduled run yet"),
        ({"schedule": "missed"}, 0.0, 1, "the last scheduled run came in time"),
        ({"schedule": "missed"}, 720.2, 1, "the run that was due 12m ago did not come in time"),
        ({"heartbeat": "missed"}, 119.7, 3, "last heartbeat 2m ago"),
        ({"heartbeat": "missed"}, -3.0, 3, "last heartbeat 0s ago"),
        ({"log": {"contains": "x"}}, 2, 9, "2 of 9 log lines over 5m match"),
        ({"log": {"contains": "x"}}, None, 0, "no log line over 5m"),
    ],
)
def test_a_value_in_words(raw: object, value: float | None, count: int, words: str) -> None:
    leaf = parse_condition(raw)
    assert isinstance(leaf, Leaf)
    assert describe_value(leaf, value, count=count).startswith(words)


def test_a_threshold_in_words() -> None:
    assert describe_bound(MetricLeaf("cpu", 0.5)) == "> 0.5"
    assert describe_bound(MetricLeaf("cpu", 0.5), 0.25) == "> 0.25"
    assert describe_bound(LogLeaf("x", count=3)) == ">= 3"
    assert describe_bound(HeartbeatLeaf()) == "the usual interval"
    assert describe_bound(HeartbeatLeaf(), 35.0) == "> 35s"
    assert describe_bound(HeartbeatLeaf(timedelta(minutes=2))) == "> 2m"


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86400), (" 1.5m ", 90), (90, 90), (0.25, 0.25), ("0s", 0)],
)
def test_a_duration_is_read(raw: object, seconds: float) -> None:
    assert parse_duration(raw) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "raw",
    [
        *("", "5", "m", "5 m", "5w", "-5m", "1h30m", "٥m", "9" * 5000 + "s", "999999999999d"),
        *(None, True, [], -1, 10**400, float("nan"), float("inf")),
    ],
)
def test_what_is_no_duration_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(raw)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (90, "90s"), (300, "5m"), (7200, "2h"), (86400, "1d"), (1.5, "1.5s"), (0.000001, "0.000001s")],
)
def test_a_duration_is_written_in_its_largest_whole_unit(seconds: float, words: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == words


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_a_duration_survives_being_written_and_read(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration
