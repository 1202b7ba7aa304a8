"""Hypothesis strategies for conditions, evaluations and timings."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from alerts.core.condition import (
    All,
    Any,
    Condition,
    ExecutionStatus,
    HeartbeatLeaf,
    LogLeaf,
    LogLevel,
    MetricLeaf,
    Not,
    Op,
    RateLeaf,
    Reducer,
    ScheduleLeaf,
    StatusLeaf,
)
from alerts.core.labels import make_labels
from alerts.core.reading import Evaluation
from alerts.core.rule import Timing
from alerts.core.vocabulary import NoData, Verdict

START = datetime(2026, 3, 1, 12, tzinfo=UTC)

names = st.text("abcxyz.", min_size=1, max_size=6)
windows = st.integers(1_000_000, 31 * 86_400_000_000).map(lambda micros: timedelta(microseconds=micros))
whole_windows = st.integers(1, 31 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


@st.composite
def comparisons(draw: st.DrawFn, values: st.SearchStrategy[float]) -> tuple[Op, float, float | None]:
    """An op, a threshold and a recover that is absent or on the healthy side."""
    op = draw(st.sampled_from(Op))
    low, high = sorted((draw(values), draw(values)))
    match op:
        case Op.GT | Op.GE:
            return op, high, draw(st.none() | st.just(low))
        case Op.LT | Op.LE:
            return op, low, draw(st.none() | st.just(high))
        case _:
            return op, low, None


@st.composite
def metric_leaves(draw: st.DrawFn) -> MetricLeaf:
    """Any metric leaf."""
    op, threshold, recover = draw(comparisons(numbers))
    return MetricLeaf(
        metric=draw(names),
        threshold=threshold,
        reduce=draw(st.sampled_from(Reducer)),
        window=draw(windows | whole_windows),
        op=op,
        recover=recover,
        by=tuple(draw(st.lists(names, max_size=8, unique=True))),
        where=make_labels(draw(st.dictionaries(names, names, max_size=4))),
        min_count=draw(st.integers(1, 1000)),
        no_data=draw(st.sampled_from(NoData)),
    )


@st.composite
def rate_leaves(draw: st.DrawFn) -> RateLeaf:
    """Any rate leaf."""
    op, threshold, recover = draw(comparisons(st.floats(0, 1)))
    return RateLeaf(
        rate=draw(st.sampled_from(ExecutionStatus)),
        threshold=threshold,
        window=draw(windows),
        op=op,
        recover=recover,
        min_count=draw(st.integers(1, 1000)),
        no_data=draw(st.sampled_from(NoData)),
    )


status_leaves = st.builds(StatusLeaf, st.sampled_from(ExecutionStatus)) | st.builds(
    StatusLeaf, st.just(ExecutionStatus.ERROR), st.integers(1, 100)
)
heartbeat_leaves = st.builds(HeartbeatLeaf, windows, st.sampled_from(NoData)) | st.builds(
    HeartbeatLeaf, st.none(), st.sampled_from([NoData.KEEP, NoData.OK])
)
log_leaves = st.builds(
    LogLeaf,
    names,
    st.none() | st.sampled_from(LogLevel),
    windows,
    st.integers(1, 1000),
    st.sampled_from(NoData),
)
any_leaf: st.SearchStrategy[Condition] = st.one_of(
    metric_leaves(), rate_leaves(), status_leaves, heartbeat_leaves, st.builds(ScheduleLeaf, windows), log_leaves
)


def _tree(children: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(children, min_size=1, max_size=3).map(tuple)
    return st.one_of(st.builds(All, several), st.builds(Any, several), st.builds(Not, children))


conditions: st.SearchStrategy[Condition] = st.recursive(any_leaf, _tree, max_leaves=8)

timings = st.builds(
    Timing,
    st.sampled_from([0, 5, 30, 120]).map(lambda seconds: timedelta(seconds=seconds)),
    st.sampled_from([0, 5, 30, 120]).map(lambda seconds: timedelta(seconds=seconds)),
)


@st.composite
def timelines(draw: st.DrawFn) -> list[Evaluation]:
    """Evaluations at rising times."""
    steps = draw(
        st.lists(st.tuples(st.sampled_from([1, 5, 10, 10, 10, 20, 60, 200]), st.sampled_from(Verdict)), max_size=30)
    )
    at, evaluations = START, []
    for seconds, verdict in steps:
        at += timedelta(seconds=seconds)
        evaluations.append(Evaluation(at, verdict))
    return evaluations
