"""The verdict on a condition, per label set: what each leaf's reading says, joined by Kleene logic."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial, reduce
from math import isfinite

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
    FactLeaf,
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
    WindowLeaf,
)
from alerts.core.labels import Labels, agree, join, only
from alerts.core.reading import Evaluation, Reading, Readings
from alerts.core.terms import Op
from alerts.core.vocabulary import NoData, Phase, Verdict

HEARTBEATS_TO_LEARN = 3
"""With its third heartbeat an agent's interval is learned and its expectation starts."""

MISSED_INTERVALS = 3
HEARTBEAT_GRACE = timedelta(seconds=5)

_NOTHING = Reading()
_NOTHING_SPENT = Reading(0.0, 1)


def judge(
    condition: Condition,
    readings: Readings,
    *,
    now: datetime,
    since: datetime,
    phases: Mapping[Labels, Phase] | None = None,
) -> dict[Labels, Evaluation]:
    """An evaluation for every label set that the leaves yield, and for every set in `phases`.

    `since` is the later of the rule's and the agent's creation. `phases` are the label sets that have a
    state: the phase chooses between `threshold` and `recover`, and a set that has vanished from the data is
    judged as an empty window, so that it goes on firing unless its rule says otherwise.

    The value of `all` and `any` is that of the leaf that decided: the first with the verdict of the whole.
    """
    known = phases or {}
    evaluations = {}
    for labels in label_sets(condition, readings) | set(known):
        firing = known.get(labels) in (Phase.FIRING, Phase.RECOVERING)
        evaluations[labels] = _evaluate(
            condition,
            partial(_judge_leaf, readings=readings, labels=labels, firing=firing, now=now, since=since),
        )
    return evaluations


def label_sets(condition: Condition, readings: Readings) -> set[Labels]:
    """The label sets that a condition yields: its leaves' sets, joined on the labels they share.

    A leaf that yields none (nothing in its window, or not readable) stands for every set, as one without
    labels does.
    """
    match condition:
        case All(children) | Any(children):
            return reduce(join, (label_sets(child, readings) for child in children))
        case Not(child):
            return label_sets(child, readings)
        case _:
            return set(readings.get(condition) or {(): _NOTHING})


def heartbeat_limit(leaf: HeartbeatLeaf, reading: Reading) -> timedelta | None:
    """The silence after which a heartbeat is missed, or None while nothing is expected yet.

    With an explicit `after` the expectation starts with the first heartbeat; otherwise with the third, and
    the limit is three learned intervals and a small grace.
    """
    if leaf.after is not None:
        return leaf.after if reading.count > 0 else None
    if reading.interval is None or reading.count < HEARTBEATS_TO_LEARN:
        return None
    return MISSED_INTERVALS * reading.interval + HEARTBEAT_GRACE


def _evaluate(condition: Condition, judge_leaf: Callable[[Leaf], Evaluation]) -> Evaluation:
    match condition:
        case All(children):
            return _decisive(children, judge_leaf, (Verdict.OK, Verdict.UNKNOWN))
        case Any(children):
            return _decisive(children, judge_leaf, (Verdict.BREACHED, Verdict.UNKNOWN))
        case Not(child):
            return _negated(_evaluate(child, judge_leaf))
        case _:
            return judge_leaf(condition)


def _decisive(
    children: Collection[Condition], judge_leaf: Callable[[Leaf], Evaluation], order: tuple[Verdict, ...]
) -> Evaluation:
    """The first child with the strongest verdict; `order` has those that are stronger than the rest."""
    evaluations = [_evaluate(child, judge_leaf) for child in children]
    for verdict in order:
        for evaluation in evaluations:
            if evaluation.verdict is verdict:
                return evaluation
    return evaluations[0]


_OPPOSITE = {
    Verdict.OK: Verdict.BREACHED,
    Verdict.BREACHED: Verdict.OK,
    Verdict.UNKNOWN: Verdict.UNKNOWN,
}


def _negated(evaluation: Evaluation) -> Evaluation:
    return Evaluation(
        at=evaluation.at,
        verdict=_OPPOSITE[evaluation.verdict],
        value=evaluation.value,
        labels=evaluation.labels,
        leaf=evaluation.leaf,
        reading=evaluation.reading,
        bound=evaluation.bound,
    )


def _judge_leaf(
    leaf: Leaf, *, readings: Readings, labels: Labels, firing: bool, now: datetime, since: datetime
) -> Evaluation:
    sets = readings.get(leaf)
    bound = _bound(leaf, firing=firing)
    if sets is None:
        return Evaluation(now, Verdict.UNKNOWN, labels=labels, leaf=leaf, bound=bound)
    reading = _find(leaf, sets, labels)
    if reading is None:
        return Evaluation(now, Verdict.OK, labels=labels, leaf=leaf, reading=_NOTHING, bound=bound)
    value = reading.value
    match leaf:
        case HeartbeatLeaf():
            value = (now - reading.last_at).total_seconds() if reading.last_at else None
            limit = heartbeat_limit(leaf, reading)
            bound = limit.total_seconds() if limit else bound
            verdict = _judge_heartbeat(leaf, reading, now=now, since=since)
        case _ if isinstance(leaf, WindowLeaf):
            verdict = _judge_window(leaf, reading, bound, age=now - since)
        case _:
            verdict = _judge_value(leaf, reading, bound) if reading.count else Verdict.UNKNOWN
    return Evaluation(now, verdict, value=value, labels=labels, leaf=leaf, reading=reading, bound=bound)


def _find(leaf: Leaf, sets: Mapping[Labels, Reading], labels: Labels) -> Reading | None:
    """The reading of a leaf for a label set; one of nothing where the leaf has none.

    None: the set stands for several sets of the leaf, each judged on its own, so that it says nothing itself.
    """
    names = leaf.by if isinstance(leaf, LabelLeaf) else ()
    own = only(labels, names)
    if (reading := sets.get(own)) is not None:
        return reading
    finer = len(own) < len(names) and any(agree(own, each) for each in sets)
    if finer:
        return None
    # The ledger has all calls: where there are none, nothing was spent.
    return _NOTHING_SPENT if isinstance(leaf, BudgetLeaf) else _NOTHING


def _bound(leaf: Leaf, *, firing: bool) -> float | None:
    match leaf:
        case StatusLeaf(consecutive_failures=needed) | LogLeaf(count=needed) | RepeatCallLeaf(times=needed):
            return float(needed)
        case HeartbeatLeaf(after):
            return after.total_seconds() if after else None
        case ScheduleLeaf(span) | DurationLeaf(span):
            return span.total_seconds()
        case BudgetLeaf(limit=limit, warn_at=share):
            return limit * share
        case BurnRateLeaf(factor=bound) | AnomalyLeaf(sigma=bound) | CompareLeaf(threshold=bound):
            return bound
        case ErrorGroupLeaf() | StateLeaf():
            return 1.0
        case MetricLeaf(threshold=threshold, recover=recover) | RateLeaf(threshold=threshold, recover=recover):
            return recover if firing and recover is not None else threshold


def _op(leaf: FactLeaf | WindowLeaf) -> Op:
    """How a leaf's value is held against its bound."""
    match leaf:
        case MetricLeaf() | RateLeaf():
            return leaf.op
        case DurationLeaf() | BurnRateLeaf() | AnomalyLeaf() | CompareLeaf():
            return Op.GT
        case _:
            return Op.GE


def _judge_value(leaf: FactLeaf | WindowLeaf, reading: Reading, bound: float | None) -> Verdict:
    if reading.value is None or bound is None or not isfinite(reading.value):
        return Verdict.UNKNOWN
    return Verdict.BREACHED if _op(leaf).holds(reading.value, bound) else Verdict.OK


def _judge_window(leaf: WindowLeaf, reading: Reading, bound: float | None, *, age: timedelta) -> Verdict:
    if reading.count == 0:
        return _judge_nothing(leaf.no_data, full=age >= leaf.window)
    if not isinstance(leaf, LogLeaf | RepeatCallLeaf) and reading.count < leaf.min_count:
        return Verdict.UNKNOWN
    return _judge_value(leaf, reading, bound)


def _judge_heartbeat(leaf: HeartbeatLeaf, reading: Reading, *, now: datetime, since: datetime) -> Verdict:
    limit = heartbeat_limit(leaf, reading)
    if reading.last_at is None or limit is None:
        # Nothing is expected yet. An expectation that ended before it began is no reason for an alert either.
        full = reading.expected and leaf.after is not None and now - since >= leaf.after
        return _judge_nothing(leaf.no_data, full=full and reading.last_at is None)
    if now - reading.last_at <= limit:
        return Verdict.OK
    if reading.expected:
        return Verdict.BREACHED
    return Verdict.OK if leaf.no_data is NoData.OK else Verdict.UNKNOWN


def _judge_nothing(no_data: NoData, *, full: bool) -> Verdict:
    """What an empty window says; `full`: it was empty for its whole length since rule and agent exist."""
    match no_data:
        case NoData.OK:
            return Verdict.OK
        case NoData.ALERT if full:
            return Verdict.BREACHED
        case _:
            return Verdict.UNKNOWN
