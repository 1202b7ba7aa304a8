"""Leaves on what agents do and spend, from JSON: what is right, and what is refused with its path."""

from datetime import timedelta

import pytest

from alerts.core.condition import (
    AnomalyLeaf,
    BudgetLeaf,
    BurnRateLeaf,
    CompareLeaf,
    Condition,
    ConditionError,
    DurationLeaf,
    ErrorGroupLeaf,
    RepeatCallLeaf,
    StateLeaf,
)
from alerts.core.describe import describe
from alerts.core.parse import parse_condition
from alerts.core.terms import AgentState, Compared, ErrorNews, ExecutionStatus, Side, SpendingPeriod, SpendingUnit

BURN = {"burn_rate": "error", "objective": 0.99, "long": "1h", "short": "5m", "factor": 14.4}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("raw", "expected", "words"),
    [
        (
            {"duration": "running", "longer_than": "10m"},
            DurationLeaf(timedelta(minutes=10)),
            "a run that takes longer than 10m",
        ),
        (
            {"budget": "cost_usd", "period": "day", "limit": 50, "warn_at": 0.8},
            BudgetLeaf(SpendingUnit.COST_USD, 50.0, SpendingPeriod.DAY, 0.8),
            "80 % of 50 USD spent in a day",
        ),
        (
            {"budget": "tokens", "period": "week", "limit": 1e6, "timezone": "Europe/Berlin", "by": ["model"]},
            BudgetLeaf(SpendingUnit.TOKENS, 1e6, SpendingPeriod.WEEK, timezone="Europe/Berlin", by=("model",)),
            "1000000 tokens spent in a week (Europe/Berlin) by model",
        ),
        (
            BURN,
            BurnRateLeaf(ExecutionStatus.ERROR, 0.99, HOUR, timedelta(minutes=5), 14.4),
            "status error > 14.4 times what an objective of 99 % allows, over 1h and 5m",
        ),
        (
            {"repeat_call": 5, "window": "10m"},
            RepeatCallLeaf(5, timedelta(minutes=10)),
            "the same call of a tool 5 times over 10m",
        ),
        (
            {"anomaly": "latency_ms", "window": "5m", "baseline": "7d", "sigma": 4},
            AnomalyLeaf("latency_ms"),
            "mean of latency_ms over 5m > 4 deviations away from what was usual at that hour of the last 7d",
        ),
        (
            {"error": "new", "since": "version"},
            ErrorGroupLeaf(ErrorNews.NEW),
            "an error over 1h that was never seen before the agent's version",
        ),
        (
            {"error": "new", "since": "7d", "window": "1d"},
            ErrorGroupLeaf(ErrorNews.NEW, 7 * DAY, DAY),
            "an error over 1d that was never seen before the last 7d",
        ),
        (
            {"error": "regressed"},
            ErrorGroupLeaf(ErrorNews.REGRESSED),
            "an error that was resolved has come again over 1h",
        ),
        (
            {"compare": "version", "rate": "error", "threshold": 0.1},
            CompareLeaf(Side.VERSION, Compared.ERROR_RATE, 0.1),
            "a version is worse than the one before: more of its tasks fail by more than 10 %",
        ),
        (
            {"compare": "model", "metric": "duration_ms", "environment": "prod"},
            CompareLeaf(Side.MODEL, Compared.DURATION, environment="prod"),
            "a model is worse than the one before: its tasks have a higher duration_ms in prod",
        ),
        ({"state": "stalled"}, StateLeaf(AgentState.STALLED), "the agent is stalled"),
    ],
)
def test_what_is_right_is_read_and_told(raw: object, expected: Condition, words: str) -> None:
    assert parse_condition(raw) == expected
    assert describe(expected) == words


@pytest.mark.parametrize(
    ("raw", "path", "message"),
    [
        ({"duration": "stopped", "longer_than": "1m"}, "duration", 'must be "running"'),
        ({"duration": "running"}, "longer_than", "is required"),
        ({"duration": "running", "longer_than": "32d"}, "longer_than", "must be from 1s to 31d"),
        ({"budget": "euros", "limit": 1}, "budget", "must be one of tokens, cost_usd"),
        ({"budget": "tokens"}, "limit", "is required"),
        ({"budget": "tokens", "limit": 0}, "limit", "must be above 0"),
        ({"budget": "tokens", "limit": 1, "warn_at": 1.5}, "warn_at", "must be above 0 and at most 1"),
        ({"budget": "tokens", "limit": 1, "period": "year"}, "period", "must be one of hour, day, week, month"),
        ({"budget": "tokens", "limit": 1, "timezone": "Mars/Base"}, "timezone", "must be an IANA time zone"),
        ({"budget": "tokens", "limit": 1, "timezone": "../etc/passwd"}, "timezone", "must be an IANA time zone"),
        ({"budget": "tokens", "limit": 1, "by": ["team"]}, "by[0]", "must be one of model, provider"),
        ({"budget": "tokens", "limit": 1, "where": {"team": "x"}}, "where.team", "unknown key"),
        (BURN | {"burn_rate": "success"}, "burn_rate", "must be error or warning"),
        (BURN | {"objective": 1}, "objective", "must be below 1"),
        (BURN | {"objective": 0}, "objective", "must be above 0"),
        (BURN | {"short": "1h"}, "short", "must be shorter than long"),
        (BURN | {"factor": 100}, "factor", "can never be reached"),
        ({"repeat_call": 1}, "repeat_call", "must be from 2 to 10000"),
        ({"repeat_call": "often"}, "repeat_call", "must be a whole number"),
        ({"repeat_call": 5, "by": ["task"]}, "by[0]", "must be one of tool"),
        ({"anomaly": "x", "window": "7m"}, "window", "must divide an hour"),
        ({"anomaly": "x", "window": "2h"}, "window", "must divide an hour"),
        ({"anomaly": "x", "baseline": "2d"}, "baseline", "must be from 3d to 31d"),
        ({"anomaly": "x", "baseline": "100h"}, "baseline", "must be whole days"),
        ({"anomaly": "x", "baseline": "4d", "window": "1h"}, "baseline", "has 4 windows to compare with"),
        ({"anomaly": "x", "sigma": -1}, "sigma", "must be above 0"),
        ({"anomaly": "x", "direction": "up"}, "direction", "must be one of above, below, both"),
        ({"error": "old"}, "error", "must be one of new, regressed"),
        ({"error": "new", "since": "yesterday"}, "since", "must be a duration"),
        ({"error": "regressed", "since": "1d"}, "since", "has no meaning"),
        ({"compare": "version"}, "metric", "is required"),
        ({"compare": "day", "rate": "error"}, "compare", "must be one of version, model"),
        ({"compare": "version", "rate": "warning"}, "rate", 'must be "error"'),
        ({"compare": "version", "rate": "error", "metric": "tokens"}, "rate", "cannot stand beside metric"),
        ({"compare": "version", "metric": "cpu"}, "metric", "must be one of duration_ms, tokens, cost_usd"),
        ({"compare": "version", "rate": "error", "threshold": 1}, "threshold", "must be from 0 to less than 1"),
        ({"compare": "version", "metric": "tokens", "threshold": -1}, "threshold", "must be 0 or more"),
        ({"compare": "version", "rate": "error", "min_count": 4}, "min_count", "must be 5 or more"),
        ({"state": "working"}, "state", "must be one of blocked, stalled, dead"),
        ({"state": "dead", "for": "5m"}, "for", "unknown key"),
    ],
)
def test_a_fault_is_refused_with_its_path(raw: object, path: str, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(raw)
    assert caught.value.path == f"conditions.{path}"
    assert caught.value.message.startswith(message)
