"""What was seen of a leaf, in plain words, for messages and pages."""

from datetime import timedelta

from alerts.core.condition import (
    AnomalyLeaf,
    BudgetLeaf,
    BurnRateLeaf,
    CompareLeaf,
    DurationLeaf,
    ErrorGroupLeaf,
    HeartbeatLeaf,
    Leaf,
    LogLeaf,
    MetricLeaf,
    RateLeaf,
    RepeatCallLeaf,
    ScheduleLeaf,
    StateLeaf,
    StatusLeaf,
)
from alerts.core.describe import amount, subject_of, unit_of
from alerts.core.duration import format_duration
from alerts.core.terms import Compared, ErrorNews, ExecutionStatus
from alerts.core.wording import number


def describe_value(leaf: Leaf, value: float | None, *, count: int) -> str:
    """What was seen of a leaf: `p95 of latency_ms over 5m is 2345 (41 points)`."""
    match leaf:
        case StatusLeaf(status):
            return _streak(status, value)
        case HeartbeatLeaf():
            return "no heartbeat yet" if value is None else f"last heartbeat {_ago(value)}"
        case ScheduleLeaf():
            return _scheduled(value)
        case MetricLeaf() | RateLeaf():
            return _short_of(leaf, count) or _reduced(leaf, value, count)
        case LogLeaf():
            if count == 0:
                return f"no log line over {format_duration(leaf.window)}"
            return f"{number(value or 0)} of {count} log lines over {format_duration(leaf.window)} match"
        case BurnRateLeaf():
            return _short_of(leaf, count) or _burning(value, count)
        case AnomalyLeaf():
            return _short_of(leaf, count) or _away(leaf, value)
        case RepeatCallLeaf(window=window):
            if value is None:
                return f"no call of a tool over {format_duration(window)}"
            return f"{_few(value, 'equal call')} of a tool over {format_duration(window)}"
        case _:
            return _fact(leaf, value)


def _fact(leaf: DurationLeaf | BudgetLeaf | ErrorGroupLeaf | CompareLeaf | StateLeaf, value: float | None) -> str:
    match leaf:
        case DurationLeaf():
            return f"the longest run has been going on for {_span(value)}" if value else "nothing is running"
        case BudgetLeaf(unit, limit, period):
            if value is None:
                return f"it is not known what was spent this {period}"
            share = f"{number(round(value / limit * 100, 1))} %"
            return f"{amount(value, unit)} of {amount(limit, unit)} spent this {period} ({share})"
        case ErrorGroupLeaf(error):
            if value is None:
                return "it is not known which errors are new"
            kind = "new error" if error is ErrorNews.NEW else "regressed error"
            return _few(value, kind) if value else f"no {kind}"
        case CompareLeaf(side, of):
            if value is None:
                return f"no two {side}s that can be compared"
            what = "failed tasks" if of is Compared.ERROR_RATE else of
            return f"{number(round(value * 100, 2))} % more {what} than before" if value > 0 else f"no worse {what}"
        case StateLeaf(state):
            if value is None:
                return "it is not known how the agent is"
            return f"the agent is {state}" if value else f"the agent is not {state}"


def _streak(status: ExecutionStatus, value: float | None) -> str:
    if value is None:
        return "no execution yet"
    noun = f"failure{_plural(value)}"
    if status is not ExecutionStatus.ERROR:
        noun = f"execution{_plural(value)} with status {status}"
    return f"{number(value)} consecutive {noun}"


def _scheduled(value: float | None) -> str:
    if value is None:
        return "no scheduled run yet"
    if value == 0:
        return "the last scheduled run came in time"
    return f"the run that was due {_ago(value)} did not come in time"


def _short_of(leaf: MetricLeaf | RateLeaf | AnomalyLeaf | BurnRateLeaf, count: int) -> str | None:
    """What is said where there is too little to say more."""
    if count >= max(1, leaf.min_count):
        return None
    subject = "executions" if isinstance(leaf, BurnRateLeaf) else subject_of(leaf)
    return f"{subject}: no data" if count == 0 else f"{subject}: {count} of the {leaf.min_count} {unit_of(leaf)} needed"


def _reduced(leaf: MetricLeaf | RateLeaf, value: float | None, count: int) -> str:
    subject = subject_of(leaf)
    if value is None:
        return f"{subject}: no value from {count} {unit_of(leaf)}"
    return f"{subject} is {number(value)} ({count} {unit_of(leaf, count)})"


def _burning(value: float | None, count: int) -> str:
    if value is None:
        return f"no burn rate from {_few(count, 'execution')}"
    return f"errors come {number(round(value, 2))} times as fast as allowed ({_few(count, 'execution')})"


def _away(leaf: AnomalyLeaf, value: float | None) -> str:
    if value is None:
        return f"{subject_of(leaf)}: not enough history to compare with"
    return f"{subject_of(leaf)} is {number(round(value, 2))} deviations away"


def _few(count: float, noun: str) -> str:
    return f"{number(count)} {noun}{_plural(count)}"


def _plural(count: float) -> str:
    return "" if count == 1 else "s"


def _ago(seconds: float) -> str:
    return f"{_span(seconds)} ago"


def _span(seconds: float) -> str:
    # A timedelta holds no more, and a clock that is wrong must not keep an alert from being told.
    bounded = min(max(0.0, seconds), timedelta.max.total_seconds() - 1)
    return format_duration(timedelta(seconds=round(bounded)))
