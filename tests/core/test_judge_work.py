"""Verdicts on what agents do and spend, when they are due, and what they say where nothing is known."""

from datetime import timedelta
from typing import get_args

import pytest

from alerts.core.condition import (
    AnomalyLeaf,
    BudgetLeaf,
    BurnRateLeaf,
    CompareLeaf,
    Condition,
    DurationLeaf,
    ErrorGroupLeaf,
    Leaf,
    Not,
    RepeatCallLeaf,
    StateLeaf,
    StatusLeaf,
)
from alerts.core.due import Touched, kinds_read, next_due
from alerts.core.judge import judge
from alerts.core.labels import Labels
from alerts.core.reading import Reading, Readings
from alerts.core.state import AlertState
from alerts.core.terms import (
    AgentState,
    Compared,
    ErrorNews,
    ExecutionStatus,
    Side,
    SpendingPeriod,
    SpendingUnit,
)
from alerts.core.vocabulary import NoData, Phase, Verdict
from alerts.sources import SOURCES
from monitor.signals import Touch
from tests.core.judging import LONG_AGO, OK, B, U, only, seen, verdicts
from tests.core.strategies import START

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
INTERVAL = timedelta(seconds=10)
DURATION = DurationLeaf(10 * MINUTE)
BUDGET = BudgetLeaf(SpendingUnit.COST_USD, 50.0, warn_at=0.8)
MONTHLY = BudgetLeaf(SpendingUnit.COST_USD, 50.0, SpendingPeriod.MONTH)
BURN = BurnRateLeaf(ExecutionStatus.ERROR, 0.99)
REPEAT = RepeatCallLeaf(5, no_data=NoData.KEEP)
ANOMALY = AnomalyLeaf("latency_ms")
ERROR = ErrorGroupLeaf(ErrorNews.NEW)
COMPARE = CompareLeaf(Side.VERSION, Compared.DURATION, threshold=0.2)
STATE = StateLeaf(AgentState.DEAD)
LEAVES: tuple[Leaf, ...] = (DURATION, BUDGET, BURN, REPEAT, ANOMALY, ERROR, COMPARE, STATE)


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_failed_read_and_a_value_that_is_not_known_are_unknown(leaf: Leaf) -> None:
    assert only(leaf, None).verdict is U
    assert only(leaf, None).detail == "the data could not be read"
    assert only(leaf, seen(None)).verdict is U
    assert only(leaf, Reading()).verdict is U


@pytest.mark.parametrize(
    ("leaf", "most", "breach"),
    [
        (DURATION, 600.0, 600.1),
        (BUDGET, 39.9, 40.0),
        (BURN, 14.4, 14.5),
        (REPEAT, 4.0, 5.0),
        (ANOMALY, 4.0, 4.1),
        (ERROR, 0.0, 1.0),
        (COMPARE, 0.2, 0.21),
        (STATE, 0.0, 1.0),
    ],
)
def test_the_bound_parts_well_from_breached(leaf: Leaf, most: float, breach: float) -> None:
    assert only(leaf, seen(most)).verdict is OK
    assert only(leaf, seen(breach)).verdict is B


def test_nothing_spent_is_known_to_be_nothing() -> None:
    leaf = BudgetLeaf(SpendingUnit.TOKENS, 10.0, by=("model",))
    model: Labels = (("model", "a"),)
    other: Labels = (("model", "b"),)
    readings: Readings = {leaf: {other: seen(20.0)}}
    assert verdicts(leaf, readings, phases={model: Phase.FIRING}) == {model: OK, other: B}
    assert verdicts(leaf, {leaf: {}}, phases={model: Phase.FIRING}) == {model: OK, (): OK}
    assert verdicts(leaf, {leaf: None}, phases={model: Phase.FIRING})[model] is U


@pytest.mark.parametrize("leaf", [RepeatCallLeaf(5, no_data=NoData.OK), BurnRateLeaf(ExecutionStatus.ERROR, 0.99)])
def test_an_empty_window_says_what_its_rule_says(leaf: Leaf) -> None:
    assert only(leaf, Reading(), firing=True).verdict is (OK if isinstance(leaf, RepeatCallLeaf) else U)


def test_too_few_points_or_executions_are_unknown() -> None:
    few = Reading(99.0, 4)
    assert only(AnomalyLeaf("x", min_count=5), few).verdict is U
    assert only(BurnRateLeaf(ExecutionStatus.ERROR, 0.99, min_count=5), few).verdict is U
    assert "4 of the 5 points needed" in only(AnomalyLeaf("x", min_count=5), few).detail


def test_a_note_is_told_behind_what_was_seen() -> None:
    evaluation = only(REPEAT, Reading(7.0, 12, START, note="the tool is search"))
    assert evaluation.detail == "7 equal calls of a tool over 10m; the tool is search"
    assert (evaluation.threshold, evaluation.window, evaluation.points) == (">= 5", 10 * MINUTE, 12)


@pytest.mark.parametrize(
    ("condition", "kinds"),
    [
        (DURATION, Touched.RUN | Touched.LINE),
        (BUDGET, Touched.SPENDING),
        (MONTHLY, Touched(0)),
        (BURN, Touched.EXECUTION),
        (REPEAT, Touched.RUN),
        (ANOMALY, Touched.METRIC),
        (ERROR, Touched.ERROR),
        (COMPARE, Touched(0)),
    ],
)
def test_news_that_can_change_the_verdict_wakes_the_rule(condition: Condition, kinds: Touched) -> None:
    assert kinds_read(condition) == kinds


def test_what_collectors_tell_is_what_rules_know() -> None:
    assert {kind.name: int(kind) for kind in Touch} == {kind.name: int(kind) for kind in Touched}


def due(condition: Condition, leaf: Leaf, reading: Reading) -> timedelta | None:
    """How long after now a rule that does not fire is due again."""
    at = next_due(condition, [AlertState()], {leaf: {(): reading}}, now=START, interval=INTERVAL, since=LONG_AGO)
    return None if at is None else at - START


@pytest.mark.parametrize(
    ("condition", "leaf", "reading", "after"),
    [
        (DURATION, DURATION, Reading(0.0, 1), None),
        (DURATION, DURATION, Reading(60.0, 1, START, changes_at=START + 9 * MINUTE), 9 * MINUTE),
        (BUDGET, BUDGET, Reading(1.0, 1, START, changes_at=START + 3 * HOUR), 3 * HOUR),
        (MONTHLY, MONTHLY, Reading(1.0, 1, START, changes_at=START + 3 * HOUR), 5 * MINUTE),
        # A success that leaves the short window can make it burn.
        (BURN, BURN, Reading(1.0, 9, START), INTERVAL),
        # Calls that leave the window can only end a loop.
        (REPEAT, REPEAT, Reading(4.0, 9, START), None),
        (ANOMALY, ANOMALY, Reading(1.0, 9, START - MINUTE), INTERVAL),
        (ERROR, ERROR, Reading(0.0, 1), None),
        (Not(ERROR), ERROR, Reading(1.0, 1, START - 30 * MINUTE), 30 * MINUTE + timedelta(microseconds=1)),
        (COMPARE, COMPARE, Reading(0.0, 60, START), 5 * MINUTE),
        (STATE, STATE, Reading(0.0, 1, START, changes_at=START + MINUTE), MINUTE),
        (STATE, STATE, Reading(0.0, 1, START, changes_at=START - MINUTE), INTERVAL),
    ],
)
def test_a_rule_is_due_when_time_alone_can_change_its_verdict(
    condition: Condition, leaf: Leaf, reading: Reading, after: timedelta | None
) -> None:
    assert due(condition, leaf, reading) == after


def test_a_failed_read_is_tried_again_at_the_next_tick() -> None:
    for leaf in LEAVES:
        at = next_due(leaf, [], {leaf: None}, now=START, interval=INTERVAL, since=LONG_AGO)
        assert at == START + INTERVAL


def test_every_kind_of_leaf_has_a_source() -> None:
    assert set(SOURCES) == {kind for part in get_args(Leaf) for kind in (get_args(part) or (part,))}


def test_leaves_of_agents_and_of_labels_are_joined() -> None:
    labelled = RepeatCallLeaf(2, by=("tool",))
    status = StatusLeaf(ExecutionStatus.ERROR)
    tool: Labels = (("tool", "search"),)
    judged = judge(Not(labelled), {labelled: {tool: seen(3.0)}, status: {(): seen(1.0)}}, now=START, since=LONG_AGO)
    assert {labels: evaluation.verdict for labels, evaluation in judged.items()} == {tool: Verdict.OK}
