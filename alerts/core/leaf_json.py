"""Leaves as JSON, defaults written out: what leaf_parse.py makes the same leaves of."""

from datetime import timedelta
from typing import TypeAlias

from alerts.core.condition import (
    AnomalyLeaf,
    BudgetLeaf,
    BurnRateLeaf,
    CompareLeaf,
    DurationLeaf,
    ErrorGroupLeaf,
    HeartbeatLeaf,
    LabelLeaf,
    Leaf,
    LogLeaf,
    MetricLeaf,
    RateLeaf,
    RepeatCallLeaf,
    ScheduleLeaf,
    StateLeaf,
    StatusLeaf,
)
from alerts.core.duration import format_duration
from alerts.core.labels import Labels
from alerts.core.terms import Compared, ErrorNews

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


def leaf_to_json(leaf: Leaf) -> dict[str, Json]:
    """The JSON of one leaf."""
    match leaf:
        case StatusLeaf(status, failures):
            return {"status": status, "consecutive_failures": failures}
        case HeartbeatLeaf(after, no_data):
            return {"heartbeat": "missed", **_given("after", after), "no_data": no_data}
        case ScheduleLeaf(grace):
            return {"schedule": "missed", "grace": format_duration(grace)}
        case DurationLeaf(longer_than, task_type):
            limit: dict[str, Json] = {"duration": "running", "longer_than": format_duration(longer_than)}
            return limit | ({} if task_type is None else {"task_type": task_type})
        case ErrorGroupLeaf(ErrorNews.NEW, since, window):
            first = "version" if since is None else format_duration(since)
            return {"error": ErrorNews.NEW, "since": first, "window": format_duration(window)}
        case ErrorGroupLeaf(error, _, window):
            return {"error": error, "window": format_duration(window)}
        case StateLeaf(state):
            return {"state": state}
        case LogLeaf():
            return _log_json(leaf)
        case RateLeaf():
            return {"rate": leaf.rate, **_comparison_json(leaf)}
        case MetricLeaf():
            return {"metric": leaf.metric, "reduce": leaf.reduce, **_comparison_json(leaf), **_labels(leaf, leaf.where)}
        case BudgetLeaf():
            return _budget_json(leaf)
        case BurnRateLeaf():
            return _burn_rate_json(leaf)
        case RepeatCallLeaf():
            times: dict[str, Json] = {"repeat_call": leaf.times, "window": format_duration(leaf.window)}
            return times | _labels(leaf) | {"no_data": leaf.no_data}
        case AnomalyLeaf():
            return _anomaly_json(leaf)
        case CompareLeaf():
            return _compare_json(leaf)


def _given(name: str, duration: timedelta | None) -> dict[str, Json]:
    return {} if duration is None else {name: format_duration(duration)}


def _labels(leaf: LabelLeaf, where: Labels = ()) -> dict[str, Json]:
    by: dict[str, Json] = {"by": list(leaf.by)} if leaf.by else {}
    return by | ({"where": dict(where)} if where else {})


def _budget_json(leaf: BudgetLeaf) -> dict[str, Json]:
    return {
        "budget": leaf.budget,
        "period": leaf.period,
        "limit": leaf.limit,
        "warn_at": leaf.warn_at,
        "timezone": leaf.timezone,
        **_labels(leaf, leaf.where),
    }


def _burn_rate_json(leaf: BurnRateLeaf) -> dict[str, Json]:
    return {
        "burn_rate": leaf.burn_rate,
        "objective": leaf.objective,
        "long": format_duration(leaf.long),
        "short": format_duration(leaf.short),
        "factor": leaf.factor,
        "min_count": leaf.min_count,
        "no_data": leaf.no_data,
    }


def _anomaly_json(leaf: AnomalyLeaf) -> dict[str, Json]:
    return {
        "anomaly": leaf.metric,
        "reduce": leaf.reduce,
        "window": format_duration(leaf.window),
        "baseline": format_duration(leaf.baseline),
        "sigma": leaf.sigma,
        "direction": leaf.direction,
        **_labels(leaf, leaf.where),
        "min_count": leaf.min_count,
        "no_data": leaf.no_data,
    }


def _compare_json(leaf: CompareLeaf) -> dict[str, Json]:
    of: dict[str, Json] = {"rate": "error"} if leaf.of is Compared.ERROR_RATE else {"metric": leaf.of}
    return {
        "compare": leaf.compare,
        **of,
        "threshold": leaf.threshold,
        "window": format_duration(leaf.window),
        "min_count": leaf.min_count,
        **({} if leaf.environment is None else {"environment": leaf.environment}),
    }


def _log_json(leaf: LogLeaf) -> dict[str, Json]:
    level: dict[str, Json] = {} if leaf.level is None else {"level": leaf.level}
    return {
        "log": {"contains": leaf.contains, **level},
        "window": format_duration(leaf.window),
        "count": leaf.count,
        "no_data": leaf.no_data,
    }


def _comparison_json(leaf: MetricLeaf | RateLeaf) -> dict[str, Json]:
    recover: dict[str, Json] = {} if leaf.recover is None else {"recover": leaf.recover}
    return {
        "window": format_duration(leaf.window),
        "op": leaf.op,
        "threshold": leaf.threshold,
        **recover,
        "min_count": leaf.min_count,
        "no_data": leaf.no_data,
    }
