"""Judging one leaf or a condition at START, for the tests of judge.py."""

from datetime import datetime, timedelta

from alerts.core.condition import (
    Condition,
    Leaf,
    MetricLeaf,
)
from alerts.core.judge import judge
from alerts.core.labels import Labels
from alerts.core.reading import Evaluation, Reading, Readings
from alerts.core.vocabulary import Phase, Verdict
from tests.core.strategies import START

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
