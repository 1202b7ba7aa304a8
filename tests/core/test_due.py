"""When a target is judged again although nothing new arrived."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core.condition import (
    All,
    Any,
    Condition,
    HeartbeatLeaf,
    Leaf,
    LogLeaf,
    MetricLeaf,
    Not,
    RateLeaf,
    ScheduleLeaf,
    StatusLeaf,
)
from alerts.core.due import Touched, kinds_read, next_due
from alerts.core.judge import judge
from alerts.core.reading import Reading, Readings
from alerts.core.state import AlertState
from alerts.core.terms import ExecutionStatus, Op, Reducer
from alerts.core.vocabulary import NoData, Phase, Verdict
from tests.core.strategies import START

TICK = timedelta(seconds=10)
MICRO = timedelta(microseconds=1)
STATUS = StatusLeaf(ExecutionStatus.ERROR)
RATE = RateLeaf(ExecutionStatus.ERROR, 0.5)
HEARTBEAT = HeartbeatLeaf(timedelta(seconds=90))
HOUR = timedelta(hours=1)


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def due(
    condition: Condition,
    reading: Reading | None = None,
    state: AlertState | None = None,
    since: timedelta = -HOUR,
) -> timedelta | None:
    """How long after now the condition is due, where its only leaf has this reading."""
    leaf = condition.child if isinstance(condition, Not) else condition
    assert not isinstance(leaf, All | Any | Not)
    readings: Readings = {leaf: {} if reading is None else {(): reading}}
    at = next_due(condition, [state or AlertState()], readings, now=START, interval=TICK, since=START + since)
    return None if at is None else at - START


def points(last: float, count: int = 5) -> Reading:
    return Reading(value=1.0, count=count, last_at=START - s(last))


@pytest.mark.parametrize(
    ("condition", "kinds"),
    [
        (STATUS, Touched.EXECUTION),
        (RATE, Touched.EXECUTION),
        (LogLeaf("x"), Touched.EXECUTION | Touched.LINE),
        (MetricLeaf("cpu", 1), Touched.METRIC),
        (HEARTBEAT, Touched.HEARTBEAT),
        (ScheduleLeaf(), Touched.EXECUTION | Touched.AGENT),
        (All((STATUS, Not(Any((HEARTBEAT, MetricLeaf("cpu", 1)))))), 1 | 4 | 8),
    ],
)
def test_kinds_read(condition: Condition, kinds: int) -> None:
    assert kinds_read(condition) == kinds


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.FIRING, Phase.RECOVERING])
def test_whatever_is_not_inactive_is_due_at_the_next_tick(phase: Phase) -> None:
    assert due(STATUS, points(0), AlertState(phase)) == TICK


def test_one_label_set_that_is_not_inactive_is_enough() -> None:
    states = [AlertState(), AlertState(Phase.FIRING)]
    assert next_due(STATUS, states, {STATUS: {}}, now=START, interval=TICK, since=START) == START + TICK


def test_a_status_rule_that_is_inactive_waits_for_data() -> None:
    assert due(STATUS, points(0)) is None
    assert due(STATUS) is None


def test_a_latched_rule_is_due_when_it_may_open_again() -> None:
    assert due(STATUS, points(0), AlertState(latched_until=START + HOUR)) == HOUR
    assert due(STATUS, points(0), AlertState(latched_until=START - HOUR)) == TICK


def test_what_could_not_be_read_is_read_again_at_the_next_tick() -> None:
    at = next_due(STATUS, [], {}, now=START, interval=TICK, since=START)
    assert at == START + TICK


def test_a_heartbeat_is_due_when_it_is_missed_and_not_before() -> None:
    assert due(HEARTBEAT, points(30)) == s(60) + MICRO
    assert due(HEARTBEAT, points(91)) is None
    learned = Reading(count=3, last_at=START, interval=s(10))
    assert due(HeartbeatLeaf(), learned) == s(35) + MICRO
    for later, verdict in ((s(35), Verdict.OK), (s(35) + MICRO, Verdict.BREACHED)):
        leaf = HeartbeatLeaf()
        assert judge(leaf, {leaf: {(): learned}}, now=START + later, since=START)[()].verdict is verdict


def test_a_schedule_is_due_when_its_next_run_is_decided() -> None:
    assert due(ScheduleLeaf(), Reading(0.0, 1, START - HOUR, changes_at=START + s(600) + MICRO)) == s(600) + MICRO
    assert due(ScheduleLeaf(), Reading(changes_at=START + HOUR)) == HOUR
    assert due(Not(ScheduleLeaf()), Reading(changes_at=START + HOUR)) == HOUR
    assert due(ScheduleLeaf(), Reading(9999.0, 1, START - HOUR)) is None
    assert due(ScheduleLeaf()) is None


def test_a_run_that_is_not_planned_yet_is_looked_for_at_the_next_tick() -> None:
    assert due(ScheduleLeaf(), Reading(changes_at=START - s(1))) == TICK
    assert due(ScheduleLeaf(), Reading(changes_at=START)) == TICK


def test_an_agent_that_was_never_heard_is_due_only_if_that_is_an_alert() -> None:
    assert due(HEARTBEAT) is None
    assert due(HeartbeatLeaf(s(90), NoData.ALERT), since=s(-30)) == s(60)
    assert due(HeartbeatLeaf(s(90), NoData.ALERT), since=s(-91)) is None


@pytest.mark.parametrize("leaf", [MetricLeaf("cpu", 1), RATE, LogLeaf("x")])
def test_a_window_without_points_waits_for_data(leaf: Leaf) -> None:
    assert due(leaf) is None


def test_a_window_without_points_is_due_when_that_is_an_alert() -> None:
    leaf = MetricLeaf("cpu", 1, no_data=NoData.ALERT)
    assert due(leaf, since=s(-100)) == s(200)
    assert due(leaf, since=s(-300)) is None


def test_a_window_with_points_is_read_about_thirty_times_while_they_leave() -> None:
    assert due(MetricLeaf("cpu", 1, window=HOUR), points(60)) == s(120)
    assert due(RateLeaf(ExecutionStatus.ERROR, 0.5, window=HOUR), points(60)) == s(120)
    assert due(MetricLeaf("cpu", 1), points(60)) == TICK
    assert due(MetricLeaf("cpu", 1, window=s(60)), points(0)) == TICK


def test_a_window_is_read_at_the_latest_when_its_last_point_leaves() -> None:
    assert due(MetricLeaf("cpu", 1, window=HOUR), points(3550)) == s(50) + MICRO
    assert due(MetricLeaf("cpu", 1, window=HOUR), points(3600)) == MICRO
    assert due(MetricLeaf("cpu", 1, window=HOUR), points(3700)) == s(120)
    assert due(MetricLeaf("cpu", 1, window=HOUR), Reading(value=1, count=1)) == s(120)


@pytest.mark.parametrize(
    "leaf",
    [
        LogLeaf("x"),
        MetricLeaf("cpu", 1, reduce=Reducer.LAST),
        MetricLeaf("cpu", 1, reduce=Reducer.COUNT, op=Op.GE),
        MetricLeaf("cpu", 1, reduce=Reducer.MAX),
        MetricLeaf("cpu", 1, reduce=Reducer.MIN, op=Op.LT),
    ],
)
def test_points_that_leave_cannot_breach_what_only_falls(leaf: Leaf) -> None:
    assert due(leaf, points(60)) is None
    assert due(Not(leaf), points(60)) == TICK


@pytest.mark.parametrize(
    "leaf",
    [
        MetricLeaf("cpu", 1, reduce=Reducer.COUNT, op=Op.LT),
        MetricLeaf("cpu", 1, reduce=Reducer.MIN),
        MetricLeaf("cpu", 1, reduce=Reducer.SUM),
    ],
)
def test_points_that_leave_may_breach_the_others(leaf: Leaf) -> None:
    assert due(leaf, points(60)) == TICK


def test_a_window_that_only_falls_is_due_when_it_is_empty_if_that_is_an_alert() -> None:
    assert due(LogLeaf("x", no_data=NoData.ALERT), points(60)) == s(240) + MICRO
    assert due(LogLeaf("x", no_data=NoData.ALERT), Reading(value=0, count=1)) == TICK


def test_the_earliest_leaf_counts() -> None:
    condition = All((STATUS, Not(HEARTBEAT), Any((MetricLeaf("cpu", 1, window=HOUR),))))
    readings: Readings = {
        STATUS: {(): points(0)},
        HEARTBEAT: {(): points(0)},
        MetricLeaf("cpu", 1, window=HOUR): {(): points(0)},
    }
    at = next_due(condition, [], readings, now=START, interval=TICK, since=START)
    assert at == START + s(90) + MICRO


@st.composite
def leaves_that_only_fall(draw: st.DrawFn) -> MetricLeaf:
    """A leaf that is due again exactly, not by sampling."""
    reduce, op = draw(
        st.sampled_from(
            [
                (Reducer.COUNT, Op.GT),
                (Reducer.MAX, Op.GE),
                (Reducer.MIN, Op.LE),
                (Reducer.LAST, Op.LT),
                (Reducer.LAST, Op.NE),
            ]
        )
    )
    return MetricLeaf(
        "cpu",
        draw(st.integers(0, 4)),
        reduce=reduce,
        op=op,
        window=s(draw(st.integers(1, 40))),
        min_count=draw(st.integers(1, 3)),
        no_data=draw(st.sampled_from(NoData)),
    )


@given(
    leaves_that_only_fall(),
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=6),
    st.integers(0, 50),
)
def test_nothing_breaches_before_it_is_due(leaf: MetricLeaf, stored: list[tuple[int, int]], age: int) -> None:
    since = START - s(age)

    def read(at: datetime) -> Readings:
        inside = sorted((-ago, value) for ago, value in stored if START - s(ago) > at - leaf.window)
        if not inside:
            return {leaf: {}}
        values = [float(value) for _, value in inside]
        reduced = {
            Reducer.COUNT: float(len(values)),
            Reducer.MAX: max(values),
            Reducer.MIN: min(values),
            Reducer.LAST: values[-1],
        }
        return {leaf: {(): Reading(reduced[leaf.reduce], len(values), START + s(inside[-1][0]))}}

    def verdict(at: datetime) -> Verdict:
        return judge(leaf, read(at), now=at, since=since)[()].verdict

    if verdict(START) is Verdict.BREACHED:
        return
    due_at = next_due(leaf, [AlertState()], read(START), now=START, interval=TICK, since=since)
    for second in range(1, 120):
        at = START + s(second)
        # A microsecond later, because a store may count a point at the edge of the window.
        if due_at is not None and at + MICRO >= due_at:
            break
        assert verdict(at) is not Verdict.BREACHED
