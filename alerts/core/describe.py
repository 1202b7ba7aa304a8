"""Conditions, values and thresholds in plain words, for messages and pages."""

from datetime import timedelta

from alerts.core.condition import (
    All,
    Any,
    Condition,
    ExecutionStatus,
    HeartbeatLeaf,
    Leaf,
    LogLeaf,
    MetricLeaf,
    Not,
    RateLeaf,
    ScheduleLeaf,
    StatusLeaf,
)
from alerts.core.duration import format_duration


def describe(condition: Condition) -> str:
    """A condition in plain words: `3 consecutive failures`, `p95 of latency_ms over 5m > 2000`."""
    match condition:
        case All(children):
            return " and ".join(_nested(child) for child in children)
        case Any(children):
            return " or ".join(_nested(child) for child in children)
        case Not(child):
            return f"not {_nested(child)}"
        case StatusLeaf():
            return _status(condition)
        case HeartbeatLeaf(after):
            return f"no heartbeat for {format_duration(after)}" if after else "heartbeats missed"
        case ScheduleLeaf(grace):
            return f"a scheduled run missed by {format_duration(grace)}"
        case LogLeaf():
            few = "a" if condition.count == 1 else f"at least {condition.count}"
            return f"{few} {_lines(condition)}"
        case _:
            floor = f", from {condition.min_count} {_unit(condition)} on" if condition.min_count > 1 else ""
            return f"{_subject(condition)} {describe_bound(condition)}{floor}"


def describe_value(leaf: Leaf, value: float | None, *, count: int) -> str:
    """What was seen of a leaf: `p95 of latency_ms over 5m is 2345 (41 points)`."""
    match leaf:
        case StatusLeaf(status):
            if value is None:
                return "no execution yet"
            noun = "failure" if status is ExecutionStatus.ERROR else f"execution with status {status}"
            return f"{number(value)} consecutive {noun}{'' if value == 1 else 's'}"
        case HeartbeatLeaf():
            if value is None:
                return "no heartbeat yet"
            return f"last heartbeat {_ago(value)}"
        case ScheduleLeaf():
            if value is None:
                return "no scheduled run yet"
            if value == 0:
                return "the last scheduled run came in time"
            return f"the run that was due {_ago(value)} did not come in time"
        case LogLeaf():
            if count == 0:
                return f"no log line over {format_duration(leaf.window)}"
            return f"{number(value or 0)} of {count} log lines over {format_duration(leaf.window)} match"
        case _:
            subject = _subject(leaf)
            if count == 0:
                return f"{subject}: no data"
            if count < leaf.min_count:
                return f"{subject}: {count} of the {leaf.min_count} {_unit(leaf)} needed"
            if value is None:
                return f"{subject}: no value from {count} {_unit(leaf)}"
            return f"{subject} is {number(value)} ({count} {_unit(leaf, count)})"


def describe_bound(leaf: Leaf, bound: float | None = None) -> str:
    """What a leaf is held against: `> 2000`. `bound` is the number in force where it is not the threshold."""
    match leaf:
        case StatusLeaf(consecutive_failures=needed):
            return f">= {needed}"
        case LogLeaf(count=needed):
            return f">= {needed}"
        case ScheduleLeaf(grace):
            return f"> {format_duration(grace)}"
        case HeartbeatLeaf(after):
            if bound is not None:
                return f"> {format_duration(timedelta(seconds=bound))}"
            return f"> {format_duration(after)}" if after else "the usual interval"
        case _:
            return f"{leaf.op} {number(leaf.threshold if bound is None else bound)}"


def number(value: float) -> str:
    """A number for people: up to six significant digits, whole numbers without a fraction."""
    exact = float(value)
    return str(int(exact)) if exact.is_integer() and abs(exact) < 1e15 else f"{exact:.6g}"


def _nested(condition: Condition) -> str:
    text = describe(condition)
    return f"({text})" if isinstance(condition, All | Any) else text


def _status(leaf: StatusLeaf) -> str:
    if leaf.status is not ExecutionStatus.ERROR:
        return f"an execution with status {leaf.status}"
    failures = leaf.consecutive_failures
    return "a failure" if failures == 1 else f"{failures} consecutive failures"


def _lines(leaf: LogLeaf) -> str:
    kind = f"{leaf.level} line" if leaf.level else "log line"
    plural = "" if leaf.count == 1 else "s"
    return f"{kind}{plural} with “{leaf.contains}” over {format_duration(leaf.window)}"


def _ago(seconds: float) -> str:
    # A timedelta holds no more, and a clock that is wrong must not keep an alert from being told.
    bounded = min(max(0.0, seconds), timedelta.max.total_seconds() - 1)
    return f"{format_duration(timedelta(seconds=round(bounded)))} ago"


def _subject(leaf: MetricLeaf | RateLeaf) -> str:
    over = f"over {format_duration(leaf.window)}"
    if isinstance(leaf, RateLeaf):
        return f"share of executions with status {leaf.rate} {over}"
    pairs = ", ".join(f"{name}={value}" for name, value in leaf.where)
    where = f" where {pairs}" if pairs else ""
    by = f" by {', '.join(leaf.by)}" if leaf.by else ""
    return f"{leaf.reduce} of {leaf.metric} {over}{where}{by}"


def _unit(leaf: MetricLeaf | RateLeaf, count: int = 2) -> str:
    noun = "point" if isinstance(leaf, MetricLeaf) else "execution"
    return noun if count == 1 else f"{noun}s"
