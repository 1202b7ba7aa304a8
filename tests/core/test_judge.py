"""Verdicts per label set: the lines of the semantics one by one, and the laws of Kleene logic."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    Op,
    RateLeaf,
    StatusLeaf,
)
from alerts.core.judge import HEARTBEAT_GRACE, judge
from alerts.core.labels import Labels
from alerts.core.reading import Evaluation, Reading, Readings
from alerts.core.vocabulary import NoData, Phase, Verdict
from tests.core.strategies import START, conditions

B, OK, U = Verdict.BREACHED, Verdict.OK, Verdict.UNKNOWN
LONG_AGO = START - timedelta(days=30)
A: Labels = (("model", "a"),)
Z: Labels = (("model", "z"),)
CPU = MetricLeaf("cpu", 10.0)
BY_MODEL = MetricLeaf("latency_ms", 10.0, by=("model",))


def verdicts(
    condition: Condition,
    readings: Readings,
    *,
    phases: dict[Labels, Phase] | None = None,
    since: datetime = LONG_AGO,
) -> dict[Labels, Verdict]:
    judged = judge(condition, readings, now=START, since=since, phases=phases)
    assert all(labels == evaluation.labels for labels, evaluation in judged.items())
    return {labels: evaluation.verdict for labels, evaluation in judged.items()}


def only(leaf: Leaf, reading: Reading | None, *, firing: bool = False, since: datetime = LONG_AGO) -> Evaluation:
    phases: dict[Labels, Phase] = {(): Phase.FIRING} if firing else {}
    readings: Readings = {leaf: None if reading is None else {(): reading}}
    return judge(leaf, readings, now=START, since=since, phases=phases)[()]


def seen(value: float | None, count: int = 5) -> Reading:
    return Reading(value=value, count=count, last_at=START)


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


def heartbeat(seconds: float, *, count: int = 3, interval: float | None = None, expected: bool = True) -> Reading:
    return Reading(
        count=count,
        last_at=START - timedelta(seconds=seconds),
        interval=None if interval is None else timedelta(seconds=interval),
        expected=expected,
    )


EXPLICIT = HeartbeatLeaf(timedelta(seconds=90))


def test_dead_man_an_explicit_interval_is_expected_from_the_first_heartbeat() -> None:
    assert only(EXPLICIT, heartbeat(90, count=1)).verdict is OK
    evaluation = only(EXPLICIT, heartbeat(91, count=1))
    assert (evaluation.verdict, evaluation.value, evaluation.bound) == (B, 91, 90)
    assert (evaluation.detail, evaluation.threshold) == ("last heartbeat 91s ago", "> 90s")


def test_dead_man_a_learned_interval_is_expected_from_the_third_heartbeat() -> None:
    limit = 3 * 60 + HEARTBEAT_GRACE.total_seconds()
    assert only(HeartbeatLeaf(), heartbeat(10_000, count=2, interval=60)).verdict is U
    assert only(HeartbeatLeaf(), heartbeat(10_000, count=3)).verdict is U
    assert only(HeartbeatLeaf(), heartbeat(limit, interval=60)).verdict is OK
    assert only(HeartbeatLeaf(), heartbeat(limit + 1, interval=60)).verdict is B


def test_dead_man_an_expectation_that_ended_opens_nothing() -> None:
    assert only(EXPLICIT, heartbeat(10_000, expected=False)).verdict is U
    assert only(HeartbeatLeaf(EXPLICIT.after, NoData.ALERT), heartbeat(10_000, expected=False)).verdict is U
    assert only(HeartbeatLeaf(EXPLICIT.after, NoData.OK), heartbeat(10_000, expected=False)).verdict is OK


def test_dead_man_a_clean_shutdown_is_a_sign_of_life() -> None:
    assert only(EXPLICIT, heartbeat(1, expected=False), firing=True).verdict is OK


def test_dead_man_heartbeats_that_are_not_yet_an_expectation_are_no_lack_of_data() -> None:
    odd = HeartbeatLeaf(timedelta(seconds=90), NoData.ALERT)
    assert only(odd, heartbeat(10_000, count=0)).verdict is U


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
    assert only(EXPLICIT, heartbeat(1)).window is None


P, Q, R = (StatusLeaf(ExecutionStatus.ERROR, streak) for streak in (1, 2, 3))
three = st.sampled_from(Verdict)


def value_of(condition: Condition, *given_verdicts: Verdict) -> Verdict:
    """The verdict on a condition whose leaves P, Q, R have these verdicts."""
    reads = {B: seen(9), OK: seen(0), U: Reading()}
    leaves = dict(zip((P, Q, R), given_verdicts, strict=False))
    return verdicts(condition, {leaf: {(): reads[verdict]} for leaf, verdict in leaves.items()})[()]


@given(three, three)
def test_kleene_tables(p: Verdict, q: Verdict) -> None:
    both = OK if OK in (p, q) else U if U in (p, q) else B
    either = B if B in (p, q) else U if U in (p, q) else OK
    assert value_of(All((P, Q)), p, q) is both
    assert value_of(Any((P, Q)), p, q) is either
    assert value_of(Not(P), p) is {B: OK, OK: B, U: U}[p]


@given(three, three, three)
def test_kleene_laws(p: Verdict, q: Verdict, r: Verdict) -> None:
    def same(left: Condition, right: Condition) -> bool:
        return value_of(left, p, q, r) is value_of(right, p, q, r)

    assert same(Not(All((P, Q))), Any((Not(P), Not(Q))))
    assert same(Not(Any((P, Q))), All((Not(P), Not(Q))))
    assert same(Not(Not(P)), P)
    assert same(All((P, Q, R)), All((All((R, Q)), P)))
    assert same(Any((P, Q, R)), Any((R, Any((Q, P)))))
    assert same(All((P, Any((Q, R)))), Any((All((P, Q)), All((P, R)))))


readings_of = st.builds(
    Reading,
    st.none() | st.floats(),
    st.integers(0, 5),
    st.none() | st.just(START - timedelta(seconds=100)),
    st.none() | st.just(timedelta(seconds=10)),
    st.booleans(),
)


@given(conditions, readings_of)
def test_every_condition_has_a_verdict_and_a_text_for_every_reading(condition: Condition, reading: Reading) -> None:
    class Everything(dict[Leaf, dict[Labels, Reading]]):
        def get(self, leaf: Leaf, default: object = None) -> dict[Labels, Reading]:
            return {(): reading}

    judged = judge(condition, Everything(), now=START, since=LONG_AGO, phases={A: Phase.FIRING})
    assert set(judged) == {(), A}
    for evaluation in judged.values():
        assert evaluation.detail
        assert evaluation.threshold
