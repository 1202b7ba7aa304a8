"""Hypothesis strategies for conditions, evaluations and timings."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from alerts.core.condition import (
    CALL_LABELS,
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
    LogLeaf,
    MetricLeaf,
    Not,
    RateLeaf,
    RepeatCallLeaf,
    ScheduleLeaf,
    StateLeaf,
    StatusLeaf,
)
from alerts.core.labels import make_labels
from alerts.core.reading import Evaluation
from alerts.core.rule import Timing
from alerts.core.terms import (
    AgentState,
    Compared,
    Direction,
    ErrorNews,
    ExecutionStatus,
    LogLevel,
    Op,
    Reducer,
    Side,
    SpendingPeriod,
    SpendingUnit,
)
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


@st.composite
def burn_rate_leaves(draw: st.DrawFn) -> BurnRateLeaf:
    """Any burn rate leaf whose factor can be reached."""
    short, long = sorted(draw(st.lists(windows, min_size=2, max_size=2, unique=True)))
    return BurnRateLeaf(
        burn_rate=draw(st.sampled_from([ExecutionStatus.ERROR, ExecutionStatus.WARNING])),
        objective=draw(st.sampled_from([0.5, 0.9, 0.99])),
        long=long,
        short=short,
        factor=draw(st.sampled_from([0.5, 1.0, 1.5])),
        min_count=draw(st.integers(1, 1000)),
        no_data=draw(st.sampled_from(NoData)),
    )


@st.composite
def anomaly_leaves(draw: st.DrawFn) -> AnomalyLeaf:
    """Any anomaly leaf."""
    return AnomalyLeaf(
        metric=draw(names),
        reduce=draw(st.sampled_from(Reducer)),
        window=timedelta(minutes=draw(st.sampled_from([1, 5, 10, 30]))),
        baseline=timedelta(days=draw(st.integers(3, 31))),
        sigma=draw(st.floats(0.1, 1000)),
        direction=draw(st.sampled_from(Direction)),
        by=tuple(draw(st.lists(names, max_size=8, unique=True))),
        where=make_labels(draw(st.dictionaries(names, names, max_size=4))),
        min_count=draw(st.integers(1, 1000)),
        no_data=draw(st.sampled_from(NoData)),
    )


call_labels = st.sampled_from(CALL_LABELS)
budget_leaves = st.builds(
    BudgetLeaf,
    budget=st.sampled_from(SpendingUnit),
    limit=st.floats(0.01, 1e9),
    period=st.sampled_from(SpendingPeriod),
    warn_at=st.floats(0.01, 1),
    timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
    by=st.lists(call_labels, max_size=5, unique=True).map(tuple),
    where=st.dictionaries(call_labels, names, max_size=3).map(make_labels),
)
repeat_call_leaves = st.builds(
    RepeatCallLeaf, st.integers(2, 10_000), windows, st.sampled_from([(), ("tool",)]), st.sampled_from(NoData)
)
error_leaves = st.builds(ErrorGroupLeaf, st.just(ErrorNews.NEW), st.none() | windows, windows) | st.builds(
    ErrorGroupLeaf, st.just(ErrorNews.REGRESSED), st.none(), windows
)
compare_leaves = st.builds(
    CompareLeaf,
    st.sampled_from(Side),
    st.sampled_from(Compared),
    st.floats(0, 0.99),
    windows,
    st.integers(5, 5_000),
    st.none() | names,
)
any_leaf: st.SearchStrategy[Condition] = st.one_of(
    metric_leaves(),
    rate_leaves(),
    status_leaves,
    heartbeat_leaves,
    st.builds(ScheduleLeaf, windows),
    log_leaves,
    st.builds(DurationLeaf, windows, st.none() | names),
    budget_leaves,
    burn_rate_leaves(),
    repeat_call_leaves,
    anomaly_leaves(),
    error_leaves,
    compare_leaves,
    st.builds(StateLeaf, st.sampled_from(AgentState)),
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
