"""Verdicts per label set: the lines of the semantics one by one, and the laws of Kleene logic."""

from datetime import timedelta

import pytest

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
from alerts.core.judge import judge
from alerts.core.labels import Labels
from alerts.core.reading import Evaluation, Reading, Readings
from alerts.core.terms import ExecutionStatus, Op
from alerts.core.vocabulary import NoData, Phase, Verdict
from tests.core.judging import BY_MODEL, CPU, LONG_AGO, OK, A, B, U, Z, only, seen, verdicts
from tests.core.strategies import START


def test_unknown_when_the_read_failed() -> None:
    evaluation = only(CPU, None)
    assert (evaluation.verdict, evaluation.detail) == (U, "the data could not be read")
    assert verdicts(CPU, {}) == {(): U}


@pytest.mark.parametrize("leaf", [CPU, RateLeaf(ExecutionStatus.ERROR, 0.5), LogLeaf("x"), HeartbeatLeaf()])
def test_unknown_when_the_window_is_empty(leaf: Leaf) -> None:
    assert only(leaf, Reading()).verdict is U
    assert only(leaf, Reading()).no_data


def test_unknown_when_min_count_is_not_met() -> None:
    leaf = MetricLeaf("cpu", 10.0, min_count=5)
    assert only(leaf, seen(11, 4)).verdict is U
    assert only(leaf, seen(11, 5)).verdict is B
    rate = RateLeaf(ExecutionStatus.ERROR, 0.2, min_count=20)
    assert only(rate, seen(0.9, 19)).verdict is U
    assert only(rate, seen(0.9, 20)).verdict is B


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_unknown_when_there_is_no_value(value: float | None) -> None:
    assert only(CPU, seen(value)).verdict is U


@pytest.mark.parametrize(
    ("op", "breached"),
    [
        (Op.GT, [11]),
        (Op.GE, [10, 11]),
        (Op.LT, [9]),
        (Op.LE, [9, 10]),
        (Op.EQ, [10]),
        (Op.NE, [9, 11]),
    ],
)
def test_a_value_is_compared_by_its_op(op: Op, breached: list[float]) -> None:
    leaf = MetricLeaf("cpu", 10.0, op=op)
    assert [value for value in (9, 10, 11) if only(leaf, seen(value)).verdict is B] == breached


def test_a_status_rule_is_breached_by_the_streak_it_names() -> None:
    leaf = StatusLeaf(ExecutionStatus.ERROR, 3)
    assert [only(leaf, seen(streak)).verdict for streak in (0, 2, 3, 4)] == [OK, OK, B, B]


def test_a_schedule_is_breached_while_its_newest_decided_run_is_overdue() -> None:
    leaf = ScheduleLeaf(timedelta(minutes=10))
    assert [only(leaf, seen(late, 1)).verdict for late in (0.0, 600.000001, 7200.0)] == [OK, B, B]
    assert only(leaf, Reading()).verdict is U
    assert only(leaf, Reading(changes_at=START)).verdict is U
    assert only(leaf, None).verdict is U
    assert verdicts(Not(leaf), {leaf: {(): seen(0.0, 1)}}) == {(): B}


def test_an_agent_that_never_ran_is_unknown_to_a_status_rule() -> None:
    assert only(StatusLeaf(ExecutionStatus.ERROR, 1), Reading()).verdict is U


def test_a_log_rule_counts_matching_lines_and_needs_no_match_to_be_ok() -> None:
    leaf = LogLeaf("Traceback", count=2)
    assert [only(leaf, seen(matches, 7)).verdict for matches in (0, 1, 2)] == [OK, OK, B]


def test_no_data_keep_says_nothing() -> None:
    assert only(CPU, Reading()).verdict is U
    assert only(CPU, Reading(), firing=True).verdict is U


def test_no_data_ok_makes_an_empty_window_ok() -> None:
    assert only(MetricLeaf("cpu", 10.0, no_data=NoData.OK), Reading(), firing=True).verdict is OK
    assert only(HeartbeatLeaf(no_data=NoData.OK), Reading()).verdict is OK


def test_no_data_alert_needs_a_full_window_since_rule_and_agent_exist() -> None:
    leaf = MetricLeaf("cpu", 10.0, no_data=NoData.ALERT)
    assert only(leaf, Reading(), since=START - timedelta(seconds=299)).verdict is U
    assert only(leaf, Reading(), since=START - timedelta(seconds=300)).verdict is B


def test_no_data_alert_of_a_heartbeat_waits_for_after() -> None:
    leaf = HeartbeatLeaf(timedelta(seconds=90), NoData.ALERT)
    assert only(leaf, Reading(), since=START - timedelta(seconds=89)).verdict is U
    assert only(leaf, Reading(), since=START - timedelta(seconds=90)).verdict is B
    assert only(leaf, Reading(expected=False)).verdict is U


def test_no_data_alert_of_a_read_that_failed_stays_unknown() -> None:
    assert only(MetricLeaf("cpu", 10.0, no_data=NoData.ALERT), None).verdict is U


@pytest.mark.parametrize("phase", [Phase.FIRING, Phase.RECOVERING])
def test_recover_is_judged_from_the_phase(phase: Phase) -> None:
    leaf = MetricLeaf("cpu", 10.0, recover=5.0)
    for value, verdict in ((11, B), (10, B), (5.1, B), (5, OK), (4, OK)):
        assert verdicts(leaf, {leaf: {(): seen(value)}}, phases={(): phase}) == {(): verdict}
    for value, verdict in ((11, B), (10, OK), (5.1, OK)):
        assert verdicts(leaf, {leaf: {(): seen(value)}}, phases={(): Phase.PENDING}) == {(): verdict}


def test_recover_is_judged_per_leaf() -> None:
    low = MetricLeaf("memory", 2.0, op=Op.LT, recover=4.0)
    high = MetricLeaf("cpu", 10.0, recover=5.0)
    readings: Readings = {low: {(): seen(3)}, high: {(): seen(4)}}
    evaluation = judge(Any((high, low)), readings, now=START, since=LONG_AGO, phases={(): Phase.FIRING})[()]
    assert (evaluation.verdict, evaluation.leaf, evaluation.bound) == (B, low, 4.0)


def test_recover_is_judged_per_label_set() -> None:
    leaf = MetricLeaf("latency_ms", 10.0, recover=5.0, by=("model",))
    readings: Readings = {leaf: {A: seen(7), Z: seen(7)}}
    assert verdicts(leaf, readings, phases={A: Phase.FIRING}) == {A: B, Z: OK}


def test_by_yields_a_verdict_per_label_set() -> None:
    assert verdicts(BY_MODEL, {BY_MODEL: {A: seen(11), Z: seen(9)}}) == {A: B, Z: OK}


def test_by_without_any_data_is_one_unknown() -> None:
    assert verdicts(BY_MODEL, {BY_MODEL: {}}) == {(): U}


def test_a_label_set_that_vanishes_while_firing_goes_on_firing() -> None:
    assert verdicts(BY_MODEL, {BY_MODEL: {Z: seen(9)}}, phases={A: Phase.FIRING}) == {A: U, Z: OK}


def test_a_label_set_that_vanishes_resolves_if_its_rule_says_ok() -> None:
    leaf = MetricLeaf("latency_ms", 10.0, by=("model",), no_data=NoData.OK)
    assert verdicts(leaf, {leaf: {Z: seen(9)}}, phases={A: Phase.FIRING}) == {A: OK, Z: OK}


def test_a_lack_of_data_that_fired_as_a_whole_ends_when_a_label_set_arrives() -> None:
    leaf = MetricLeaf("latency_ms", 10.0, by=("model",), no_data=NoData.ALERT)
    assert verdicts(leaf, {leaf: {}}) == {(): B}
    assert verdicts(leaf, {leaf: {A: seen(11)}}, phases={(): Phase.FIRING}) == {(): OK, A: B}


def test_a_leaf_without_labels_holds_for_every_set() -> None:
    status = StatusLeaf(ExecutionStatus.ERROR)
    readings: Readings = {status: {(): seen(1)}, BY_MODEL: {A: seen(11), Z: seen(9)}}
    assert verdicts(All((status, BY_MODEL)), readings) == {A: B, Z: OK}
    assert verdicts(Any((status, BY_MODEL)), readings) == {A: B, Z: B}


def test_leaves_join_on_the_labels_they_share() -> None:
    fine = MetricLeaf("errors", 0.0, by=("model", "region"))
    eu: Labels = (("model", "a"), ("region", "eu"))
    us: Labels = (("model", "a"), ("region", "us"))
    readings: Readings = {BY_MODEL: {A: seen(11), Z: seen(11)}, fine: {eu: seen(1), us: seen(0)}}
    assert verdicts(All((BY_MODEL, fine)), readings) == {eu: B, us: OK, Z: U}
    assert verdicts(Any((fine, BY_MODEL)), readings) == {eu: B, us: B, Z: B}


def test_leaves_that_share_no_label_combine() -> None:
    region = MetricLeaf("errors", 0.0, by=("region",))
    readings: Readings = {BY_MODEL: {A: seen(11), Z: seen(9)}, region: {(("region", "eu"),): seen(1)}}
    assert verdicts(All((BY_MODEL, region)), readings) == {
        (("model", "a"), ("region", "eu")): B,
        (("model", "z"), ("region", "eu")): OK,
    }


def test_not_applies_to_the_sets_its_child_yields() -> None:
    assert verdicts(Not(BY_MODEL), {BY_MODEL: {A: seen(11), Z: seen(9)}}) == {A: OK, Z: B}
    assert verdicts(Not(BY_MODEL), {BY_MODEL: {}}) == {(): U}


def test_the_value_of_all_and_any_is_that_of_the_leaf_that_decided() -> None:
    memory = MetricLeaf("memory", 5.0)
    readings: Readings = {CPU: {(): seen(3)}, memory: {(): seen(7)}}

    def decided(condition: Condition) -> tuple[Verdict, float | None, Leaf | None]:
        evaluation = judge(condition, readings, now=START, since=LONG_AGO)[()]
        return evaluation.verdict, evaluation.value, evaluation.leaf

    assert decided(Any((CPU, memory))) == (B, 7, memory)
    assert decided(All((memory, CPU))) == (OK, 3, CPU)
    assert decided(Not(Any((CPU, memory)))) == (OK, 7, memory)
    assert decided(All((memory, Not(CPU)))) == (B, 7, memory)


def test_an_evaluation_tells_what_it_saw() -> None:
    evaluation = only(CPU, seen(12.5, 41))
    assert (evaluation.points, evaluation.window, evaluation.bound) == (41, timedelta(minutes=5), 10)
    assert evaluation.detail == "mean of cpu over 5m is 12.5 (41 points)"
    assert evaluation.threshold == "> 10"
    bare = Evaluation(START, OK)
    assert (bare.detail, bare.threshold, bare.points, bare.window, bare.no_data) == ("", "", 0, None, False)
    assert only(HeartbeatLeaf(), Reading()).window is None
