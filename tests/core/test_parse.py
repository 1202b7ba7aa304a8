"""Conditions from JSON: what each means, and every refusal with its path."""

from datetime import timedelta
from typing import TypeAlias

import pytest

from alerts.core.condition import (
    All,
    Any,
    Condition,
    ConditionError,
    HeartbeatLeaf,
    LogLeaf,
    MetricLeaf,
    Not,
    RateLeaf,
    ScheduleLeaf,
    StatusLeaf,
)
from alerts.core.parse import parse_condition
from alerts.core.terms import ExecutionStatus, LogLevel, Op, Reducer
from alerts.core.vocabulary import NoData

Raw: TypeAlias = object

ERROR = StatusLeaf(ExecutionStatus.ERROR)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"status": "error", "consecutive_failures": 3}, StatusLeaf(ExecutionStatus.ERROR, 3)),
        ({"status": "error", "consecutive_failures": 3.0}, StatusLeaf(ExecutionStatus.ERROR, 3)),
        ({"status": "warning"}, StatusLeaf(ExecutionStatus.WARNING, 1)),
        (
            {
                "metric": "latency_ms",
                "reduce": "p95",
                "window": "5m",
                "op": ">",
                "threshold": 2000,
                "recover": 1500,
                "by": ["model"],
                "where": {"env": "prod"},
                "min_count": 20,
                "no_data": "keep",
            },
            MetricLeaf(
                metric="latency_ms",
                threshold=2000.0,
                reduce=Reducer.P95,
                window=timedelta(minutes=5),
                op=Op.GT,
                recover=1500.0,
                by=("model",),
                where=(("env", "prod"),),
                min_count=20,
                no_data=NoData.KEEP,
            ),
        ),
        ({"metric": "cpu", "threshold": 0.9}, MetricLeaf("cpu", 0.9)),
        ({"metric": "cpu", "threshold": 1, "op": "<", "recover": 2}, MetricLeaf("cpu", 1, op=Op.LT, recover=2)),
        ({"metric": "cpu", "threshold": 1, "recover": None, "by": None}, MetricLeaf("cpu", 1)),
        ({"metric": "cpu", "threshold": 1, "recover": 1}, MetricLeaf("cpu", 1, recover=1)),
        (
            {"rate": "error", "window": "15m", "op": ">", "threshold": 0.2, "min_count": 20},
            RateLeaf(ExecutionStatus.ERROR, 0.2, min_count=20),
        ),
        ({"heartbeat": "missed", "after": "90s"}, HeartbeatLeaf(timedelta(seconds=90))),
        ({"heartbeat": "missed"}, HeartbeatLeaf()),
        ({"schedule": "missed", "grace": "30m"}, ScheduleLeaf(timedelta(minutes=30))),
        ({"schedule": "missed"}, ScheduleLeaf(timedelta(minutes=10))),
        (
            {"heartbeat": "missed", "after": 90, "no_data": "alert"},
            HeartbeatLeaf(timedelta(seconds=90), NoData.ALERT),
        ),
        ({"log": {"contains": "Traceback"}, "window": "5m", "count": 1}, LogLeaf("Traceback")),
        (
            {"log": {"contains": "x", "level": "error"}, "count": 5, "no_data": "ok"},
            LogLeaf("x", LogLevel.ERROR, count=5, no_data=NoData.OK),
        ),
        ({"all": [{"status": "error"}]}, All((ERROR,))),
        ({"any": [{"status": "error"}, {"not": {"status": "error"}}]}, Any((ERROR, Not(ERROR)))),
    ],
)
def test_conditions_are_parsed(raw: Raw, expected: Condition) -> None:
    assert parse_condition(raw) == expected


METRIC = {"metric": "cpu", "threshold": 1}
NO_DURATION = 'must be a duration such as "90s", "5m", "2h" or "1d", or a number of seconds'
HEADS = (
    "status, metric, rate, heartbeat, schedule, log, duration, budget, burn_rate, repeat_call, anomaly, error, "
    "compare, state, all, any, not"
)


@pytest.mark.parametrize(
    ("raw", "path", "message"),
    [
        (None, "conditions", "must be an object"),
        ([], "conditions", "must be an object"),
        ("error", "conditions", "must be an object"),
        ({}, "conditions", f"must have one of the keys {HEADS}"),
        ({"budgets": "cost_usd"}, "conditions.budgets", f"unknown key; known are {HEADS}"),
        ({"anomalies": "latency_ms"}, "conditions.anomalies", f"unknown key; known are {HEADS}"),
        ({1: 2}, "conditions.1", f"unknown key; known are {HEADS}"),
        ({"x" * 100: 2}, f"conditions.{'x' * 60}…", f"unknown key; known are {HEADS}"),
        (
            {"status": "error", "metric": "x"},
            "conditions.metric",
            "cannot stand beside status; use all or any",
        ),
        ({"all": [{"status": "error"}], "window": "5m"}, "conditions.window", "unknown key; known are all"),
        ({"status": "failed"}, "conditions.status", "must be one of error, warning, success"),
        ({"status": ["error"]}, "conditions.status", "must be one of error, warning, success"),
        ({"status": None}, "conditions.status", "is required"),
        (
            {"status": "error", "consecutive": 3},
            "conditions.consecutive",
            "unknown key; known are status, consecutive_failures",
        ),
        (
            {"status": "error", "consecutive_failures": 0},
            "conditions.consecutive_failures",
            "must be from 1 to 1000000",
        ),
        (
            {"status": "error", "consecutive_failures": "3"},
            "conditions.consecutive_failures",
            "must be a whole number",
        ),
        (
            {"status": "error", "consecutive_failures": True},
            "conditions.consecutive_failures",
            "must be a whole number",
        ),
        (
            {"status": "error", "consecutive_failures": 2.5},
            "conditions.consecutive_failures",
            "must be a whole number",
        ),
        (
            {"status": "error", "consecutive_failures": float("nan")},
            "conditions.consecutive_failures",
            "must be a whole number",
        ),
        (
            {"status": "success", "consecutive_failures": 2},
            "conditions.consecutive_failures",
            "counts errors: only status error can have it above 1",
        ),
        ({"metric": "cpu"}, "conditions.threshold", "is required"),
        ({"metric": 5, "threshold": 1}, "conditions.metric", "must be a text"),
        ({"metric": " ", "threshold": 1}, "conditions.metric", "must not be empty"),
        ({"metric": "a\0b", "threshold": 1}, "conditions.metric", "must not have a NUL in it"),
        ({"metric": "c" * 201, "threshold": 1}, "conditions.metric", "must have at most 200 characters"),
        ({**METRIC, "threshold": "1"}, "conditions.threshold", "must be a number"),
        ({**METRIC, "threshold": True}, "conditions.threshold", "must be a number"),
        ({**METRIC, "threshold": float("nan")}, "conditions.threshold", "must be a finite number"),
        ({**METRIC, "threshold": float("inf")}, "conditions.threshold", "must be a finite number"),
        ({**METRIC, "threshold": 10**400}, "conditions.threshold", "must be a finite number"),
        ({**METRIC, "op": "=>"}, "conditions.op", "must be one of >, >=, <, <=, ==, !="),
        ({**METRIC, "recover": 2}, "conditions.recover", "must not be above the threshold when op is >"),
        (
            {**METRIC, "op": "<=", "recover": 0},
            "conditions.recover",
            "must not be below the threshold when op is <=",
        ),
        ({**METRIC, "op": "!=", "recover": 1}, "conditions.recover", "has no meaning when op is !="),
        (
            {**METRIC, "reduce": "p75"},
            "conditions.reduce",
            "must be one of count, sum, mean, min, max, last, rate, increase, p50, p90, p95, p99, stddev",
        ),
        (
            {**METRIC, "window": "5 minutes"},
            "conditions.window",
            'must be a duration such as "90s", "5m", "2h" or "1d", or a number of seconds',
        ),
        ({**METRIC, "window": "0.5s"}, "conditions.window", "must be from 1s to 31d"),
        ({**METRIC, "window": "32d"}, "conditions.window", "must be from 1s to 31d"),
        ({**METRIC, "window": 0}, "conditions.window", "must be from 1s to 31d"),
        ({**METRIC, "window": -5}, "conditions.window", "must be a duration of zero or more, and not endless"),
        ({**METRIC, "by": "model"}, "conditions.by", "must be a list"),
        ({**METRIC, "by": []}, "conditions.by", "must not be empty"),
        ({**METRIC, "by": list("abcdefghi")}, "conditions.by", "must have at most 8 entries"),
        ({**METRIC, "by": ["a", 5]}, "conditions.by[1]", "must be a text"),
        ({**METRIC, "by": ["a", "a"]}, "conditions.by[1]", "is there twice"),
        ({**METRIC, "by": ["agent"]}, "conditions.by[0]", "is a reserved name"),
        ({**METRIC, "by": ["_x"]}, "conditions.by[0]", "is a reserved name"),
        ({**METRIC, "where": ["env"]}, "conditions.where", "must be an object"),
        ({**METRIC, "where": {"env": 1}}, "conditions.where.env", "must be a text"),
        ({**METRIC, "where": {"tenant": "x"}}, "conditions.where.tenant", "is a reserved name"),
        (
            {**METRIC, "where": {f"k{index}": "v" for index in range(33)}},
            "conditions.where",
            "must have at most 32 entries",
        ),
        ({**METRIC, "min_count": 0}, "conditions.min_count", "must be from 1 to 1000000"),
        ({**METRIC, "no_data": "zero"}, "conditions.no_data", "must be one of keep, alert, ok"),
        ({"rate": "error", "threshold": 20}, "conditions.threshold", "is a share: it must be from 0 to 1"),
        (
            {"rate": "error", "threshold": 0.5, "op": "<", "recover": 2},
            "conditions.recover",
            "is a share: it must be from 0 to 1",
        ),
        ({"schedule": "late"}, "conditions.schedule", 'must be "missed"'),
        ({"schedule": None}, "conditions.schedule", 'must be "missed"'),
        ({"schedule": "missed", "grace": "0s"}, "conditions.grace", "must be from 1s to 31d"),
        ({"schedule": "missed", "grace": "soon"}, "conditions.grace", NO_DURATION),
        ({"schedule": "missed", "after": "5m"}, "conditions.after", "unknown key; known are schedule, grace"),
        (
            {"all": [{"status": "error"}, {"not": {"schedule": "missed", "grace": []}}]},
            "conditions.all[1].not.grace",
            NO_DURATION,
        ),
        ({"heartbeat": "late"}, "conditions.heartbeat", 'must be "missed"'),
        ({"heartbeat": "missed", "after": "0s"}, "conditions.after", "must be from 1s to 31d"),
        (
            {"heartbeat": "missed", "no_data": "alert"},
            "conditions.no_data",
            "alert needs `after`: nothing is learned before the first heartbeat",
        ),
        ({"log": "Traceback"}, "conditions.log", "must be an object"),
        ({"log": None}, "conditions.log", "is required"),
        ({"log": {"regex": "x"}}, "conditions.log.regex", "unknown key; known are contains, level"),
        ({"log": {"contains": ""}}, "conditions.log.contains", "must not be empty"),
        (
            {"log": {"contains": "x", "level": "fatal"}},
            "conditions.log.level",
            "must be one of debug, info, warning, error, critical",
        ),
        ({"all": []}, "conditions.all", "must not be empty"),
        ({"all": None}, "conditions.all", "is required"),
        ({"any": {"status": "error"}}, "conditions.any", "must be a list"),
        ({"not": [{"status": "error"}]}, "conditions.not", "must be an object"),
        (
            {"all": [{"status": "error"}, {"not": {**METRIC, "window": "x"}}]},
            "conditions.all[1].not.window",
            'must be a duration such as "90s", "5m", "2h" or "1d", or a number of seconds',
        ),
        (
            {"any": [{"all": [{"status": "error"}] * 20}, {"status": "error"}]},
            "conditions.any[1]",
            "a condition may have at most 20 leaves",
        ),
    ],
)
def test_a_fault_is_refused_with_its_path(raw: Raw, path: str, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(raw)
    assert (caught.value.path, caught.value.message) == (path, message)
    assert str(caught.value) == f"{path}: {message}"
