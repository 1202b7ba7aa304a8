"""Conditions and thresholds in plain words, for messages and pages. What was seen of a leaf is told in seen.py."""

from datetime import timedelta
from functools import lru_cache

from alerts.core.condition import (
    All,
    AnomalyLeaf,
    Any,
    BudgetLeaf,
    BurnRateLeaf,
    CompareLeaf,
    Condition,
    DurationLeaf,
    ErrorGroupLeaf,
    HeartbeatLeaf,
    LabelLeaf,
    Leaf,
    LogLeaf,
    MetricLeaf,
    Not,
    RateLeaf,
    RepeatCallLeaf,
    ScheduleLeaf,
    StateLeaf,
    StatusLeaf,
)
from alerts.core.duration import format_duration
from alerts.core.labels import Labels
from alerts.core.terms import Compared, Direction, ErrorNews, ExecutionStatus, SpendingUnit
from alerts.core.wording import number

_KEPT = 10_000
"""Wordings: a storm says the same of one rule thousands of times."""


@lru_cache(_KEPT)
def describe(condition: Condition) -> str:
    """A condition in plain words: `3 consecutive failures`, `p95 of latency_ms over 5m > 2000`."""
    match condition:
        case All(children):
            return " and ".join(_nested(child) for child in children)
        case Any(children):
            return " or ".join(_nested(child) for child in children)
        case Not(child):
            return f"not {_nested(child)}"
        case MetricLeaf() | RateLeaf():
            floor = f", from {condition.min_count} {unit_of(condition)} on" if condition.min_count > 1 else ""
            return f"{subject_of(condition)} {describe_bound(condition)}{floor}"
        case _:
            return _leaf(condition)


@lru_cache(_KEPT)
def describe_bound(leaf: Leaf, bound: float | None = None) -> str:
    """What a leaf is held against: `> 2000`. `bound` is the number in force where it is not the threshold."""
    match leaf:
        case StatusLeaf(consecutive_failures=needed) | LogLeaf(count=needed) | RepeatCallLeaf(times=needed):
            return f">= {needed}"
        case ScheduleLeaf(span) | DurationLeaf(span):
            return f"> {format_duration(span)}"
        case HeartbeatLeaf(after):
            if bound is not None:
                return f"> {format_duration(timedelta(seconds=bound))}"
            return f"> {format_duration(after)}" if after else "the usual interval"
        case BudgetLeaf():
            return f">= {amount(leaf.limit * leaf.warn_at, leaf.budget)}"
        case BurnRateLeaf(factor=factor):
            return f"> {number(factor)} times what the objective allows"
        case AnomalyLeaf(sigma=sigma):
            return f"> {number(sigma)} deviations"
        case CompareLeaf(threshold=threshold):
            return f"> {number(threshold * 100)} % worse"
        case ErrorGroupLeaf():
            return ">= 1"
        case StateLeaf(state):
            return str(state)
        case _:
            return f"{leaf.op} {number(leaf.threshold if bound is None else bound)}"


def amount(value: float, unit: SpendingUnit) -> str:
    """What was or may be spent: `12.5 USD`, `40000 tokens`."""
    return f"{number(value)} {'USD' if unit is SpendingUnit.COST_USD else 'tokens'}"


@lru_cache(_KEPT)
def subject_of(leaf: MetricLeaf | RateLeaf | AnomalyLeaf) -> str:
    """What a leaf reads: `p95 of latency_ms over 5m where env=prod`."""
    over = f"over {format_duration(leaf.window)}"
    if isinstance(leaf, RateLeaf):
        return f"share of executions with status {leaf.rate} {over}"
    return f"{leaf.reduce} of {leaf.metric} {over}{_where(leaf.where)}{_by(leaf)}"


def unit_of(leaf: MetricLeaf | RateLeaf | AnomalyLeaf | BurnRateLeaf, count: int = 2) -> str:
    """What a leaf counts: `points`, `execution`."""
    noun = "point" if isinstance(leaf, MetricLeaf | AnomalyLeaf) else "execution"
    return noun if count == 1 else f"{noun}s"


def _leaf(leaf: Leaf) -> str:
    match leaf:
        case StatusLeaf():
            return _status(leaf)
        case HeartbeatLeaf(after):
            return f"no heartbeat for {format_duration(after)}" if after else "heartbeats missed"
        case ScheduleLeaf(grace):
            return f"a scheduled run missed by {format_duration(grace)}"
        case LogLeaf():
            few = "a" if leaf.count == 1 else f"at least {leaf.count}"
            return f"{few} {_lines(leaf)}"
        case DurationLeaf(longer_than, task_type):
            what = f"a task of type {task_type}" if task_type else "a run"
            return f"{what} that takes longer than {format_duration(longer_than)}"
        case BudgetLeaf():
            return _budget(leaf)
        case BurnRateLeaf():
            windows = f"{format_duration(leaf.long)} and {format_duration(leaf.short)}"
            allowed = f"what an objective of {number(leaf.objective * 100)} % allows"
            return f"status {leaf.burn_rate} > {number(leaf.factor)} times {allowed}, over {windows}"
        case RepeatCallLeaf(times, window):
            return f"the same call of a tool {times} times over {format_duration(window)}"
        case AnomalyLeaf(direction=direction):
            side = "away from" if direction is Direction.BOTH else direction
            usual = f"usual at that hour of the last {format_duration(leaf.baseline)}"
            return f"{subject_of(leaf)} > {number(leaf.sigma)} deviations {side} what was {usual}"
        case ErrorGroupLeaf():
            return _error(leaf)
        case CompareLeaf():
            return _compare(leaf)
        case StateLeaf(state):
            return f"the agent is {state}"
        case _:
            return describe_bound(leaf)


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


def _budget(leaf: BudgetLeaf) -> str:
    share = "" if leaf.warn_at == 1 else f"{number(leaf.warn_at * 100)} % of "
    zone = "" if leaf.timezone == "UTC" else f" ({leaf.timezone})"
    whose = f"{_where(leaf.where)}{_by(leaf)}"
    return f"{share}{amount(leaf.limit, leaf.budget)} spent in a {leaf.period}{zone}{whose}"


def _error(leaf: ErrorGroupLeaf) -> str:
    over = f"over {format_duration(leaf.window)}"
    if leaf.error is ErrorNews.REGRESSED:
        return f"an error that was resolved has come again {over}"
    first = "the agent's version" if leaf.since is None else f"the last {format_duration(leaf.since)}"
    return f"an error {over} that was never seen before {first}"


def _compare(leaf: CompareLeaf) -> str:
    of = "more of its tasks fail" if leaf.of is Compared.ERROR_RATE else f"its tasks have a higher {leaf.of}"
    more = f" by more than {number(leaf.threshold * 100)} %" if leaf.threshold else ""
    where = f" in {leaf.environment}" if leaf.environment else ""
    return f"a {leaf.compare} is worse than the one before: {of}{more}{where}"


def _where(where: Labels) -> str:
    return f" where {', '.join(f'{name}={value}' for name, value in where)}" if where else ""


def _by(leaf: LabelLeaf) -> str:
    return f" by {', '.join(leaf.by)}" if leaf.by else ""
