"""Tracks say at which ticks their verdict can change, and read what the history store would."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import TypeVar

import numpy as np
import pytest

from alerts.backtest.durations import Ran, running_track
from alerts.backtest.errors import Seen, errors_track
from alerts.backtest.points import AnomalyTrack
from alerts.backtest.repeats import calls_track
from alerts.backtest.rows import BurnTrack, RowsTrack
from alerts.backtest.schedules import runs_track
from alerts.backtest.spending import Spent, spent_track
from alerts.backtest.tracks import Grid, Track
from alerts.backtest.windows import MetricTrack
from alerts.core.condition import (
    AnomalyLeaf,
    BudgetLeaf,
    BurnRateLeaf,
    Condition,
    DurationLeaf,
    ErrorGroupLeaf,
    LogLeaf,
    MetricLeaf,
    RateLeaf,
    RepeatCallLeaf,
    ScheduleLeaf,
    leaves,
)
from alerts.core.judge import judge
from alerts.core.labels import Labels
from alerts.core.parse import parse_condition
from alerts.core.reading import Reading, Readings
from alerts.core.terms import Reducer
from alerts.core.vocabulary import Phase, Verdict
from monitor.ids import microseconds

START = datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
TICK = timedelta(seconds=10)
GRID = Grid(START, TICK, 200)


L = TypeVar("L")


def _leaf(kind: type[L], body: Mapping[str, object]) -> L:
    """The only leaf of a condition, of a kind."""
    (leaf,) = leaves(parse_condition(body))
    assert isinstance(leaf, kind)
    return leaf


def _verdicts(condition: Condition, track: Track, phase: Phase) -> list[Verdict]:
    """At every tick."""
    (leaf,) = leaves(condition)
    found = []
    for tick in range(GRID.count):
        now, read = GRID.at(tick), track.reading(GRID.at(tick))
        sets: dict[Labels, Reading] = {} if read is None else {(): read}
        readings: Readings = {leaf: sets}
        said = judge(condition, readings, now=now, since=START - timedelta(days=1), phases={(): phase})
        found.append(said[()].verdict)
    return found


def _check(condition: Condition, track: Track) -> int:
    """Whether the verdict changes at looks only, in whichever phase; returns how often it changes."""
    looks, changes = set(track.looks(GRID).tolist()), 0
    for phase in (Phase.INACTIVE, Phase.FIRING):
        for tick, (before, after) in enumerate(pairwise(_verdicts(condition, track, phase)), start=1):
            assert before is after or tick in looks, (tick, before, after)
            changes += before is not after
    return changes


def _points(rng: Random, *, counter: bool) -> tuple[list[datetime], list[float]]:
    seconds = {rng.choice([rng.randint(-600, 1900), rng.randint(400, 700)]) for _ in range(150)}
    at = sorted(START + timedelta(seconds=one) for one in seconds)
    if not counter:
        return at, [rng.choice([50, 99, 100, 101, 400]) + rng.choice([0, 0, 0.25]) for _ in at]
    total, values = 0.0, []
    for _ in at:
        total = 0.0 if rng.random() < 0.03 else total + rng.randint(0, 40)
        values.append(total)
    return at, values


def _metric(leaf: MetricLeaf, rng: Random, *, counter: bool = False, series: int = 1) -> MetricTrack:
    at, values = _points(rng, counter=counter)
    return MetricTrack(
        leaf,
        np.array([microseconds(one) for one in at], np.int64),
        np.array(values, np.float64),
        np.array(sorted(rng.randrange(series) for _ in at) if series > 1 else [0] * len(at), np.int64),
        np.full(series, counter),
    )


_OF_COUNTERS = (Reducer.INCREASE, Reducer.RATE)


@pytest.mark.parametrize("reduce", list(Reducer))
@pytest.mark.parametrize("op", [">", "<=", "=="])
def test_a_metrics_verdict_changes_at_looks_only(reduce: Reducer, op: str) -> None:
    rng = Random(f"{reduce}{op}")
    middle = {"count": 12.0, "sum": 1800.0, "stddev": 120.0, "increase": 250.0, "rate": 1.5}.get(reduce, 100.0)
    body = {"metric": "m", "reduce": str(reduce), "window": "2m", "op": op, "threshold": middle, "min_count": 3}
    changed = 0
    rises = reduce in _OF_COUNTERS
    for no_data, counter, series in (("keep", rises, 1), ("alert", False, 1), ("ok", rises, 2)):
        leaf = _leaf(MetricLeaf, body | {"no_data": no_data})
        changed += _check(leaf, _metric(leaf, rng, counter=counter, series=series))
    assert changed > 6, "the test is about nothing"


@pytest.mark.parametrize("reduce", [one for one in Reducer if one not in _OF_COUNTERS])
def test_what_is_read_is_what_the_store_reduces(reduce: Reducer) -> None:
    body = {"metric": "m", "reduce": str(reduce), "window": "2m", "op": ">", "threshold": 1}
    leaf = _leaf(MetricLeaf, body)
    track = _metric(leaf, Random(reduce), series=2)
    for tick in range(0, GRID.count, 3):
        end = microseconds(GRID.at(tick))
        stored = next(track.reduced((end - 120_000_000, end)), None)
        read = track.reading(GRID.at(tick))
        assert (read is None) == (stored is None)
        if read is not None and stored is not None:
            assert read.last_at is not None
            assert (read.value, read.count, microseconds(read.last_at)) == stored


def _times(rng: Random, number: int = 120) -> list[datetime]:
    return sorted(START + timedelta(seconds=rng.randint(-300, 1900)) for _ in range(number))


def _us(times: Sequence[datetime]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array([microseconds(one) for one in times], np.int64)


def test_verdicts_on_rows_change_at_looks_only() -> None:
    rng = Random(3)
    times = _us(_times(rng))
    chosen = np.array([rng.random() < 0.5 for _ in times], np.bool_)
    share = {"rate": "error", "window": "3m", "threshold": 0.5, "recover": 0.3, "min_count": 2}
    rate = _leaf(RateLeaf, share)
    log = _leaf(LogLeaf, {"log": {"contains": "x"}, "window": "2m", "count": 3, "no_data": "alert"})
    windows = {"long": "10m", "short": "1m"}
    burn = _leaf(BurnRateLeaf, windows | {"burn_rate": "error", "objective": 0.7, "factor": 1.5, "min_count": 2})
    assert _check(rate, RowsTrack(rate, times, chosen)) > 4
    assert _check(log, RowsTrack(log, times, chosen)) > 4
    assert _check(burn, BurnTrack(burn, times, chosen)) > 4


def test_verdicts_on_what_is_unusual_change_at_looks_only() -> None:
    shape = {"window": "5m", "baseline": "3d", "sigma": 3, "min_count": 2}
    leaf = _leaf(AnomalyLeaf, {"anomaly": "m"} | shape)
    rng, at = Random(4), list[datetime]()
    for day in range(4):
        at += [START - timedelta(days=day) + timedelta(seconds=second) for second in range(-5400, 5400, 60)]
    at.sort()
    values = [100 + rng.gauss(0, 10) + (80 if rng.random() < 0.2 and one > START else 0) for one in at]
    plain = MetricLeaf("m", 0.0, window=leaf.window, min_count=leaf.min_count)
    points = MetricTrack(plain, _us(at), np.array(values), np.zeros(len(at), np.int64), np.zeros(1, np.bool_))
    assert _check(leaf, AnomalyTrack(leaf, points)) > 2


def test_verdicts_on_runs_calls_spending_and_errors_change_at_looks_only() -> None:
    rng = Random(5)
    duration = _leaf(DurationLeaf, {"duration": "running", "longer_than": "90s"})
    ran = [Ran(one, one, one + timedelta(seconds=rng.randint(5, 300))) for one in _times(rng, 30)]
    assert _check(duration, running_track(duration, ran)) > 1
    repeat = _leaf(RepeatCallLeaf, {"repeat_call": 3, "window": "2m", "no_data": "ok"})
    calls = [(one, one + timedelta(seconds=rng.randint(0, 20)), rng.randint(0, 3)) for one in _times(rng)]
    assert _check(repeat, calls_track(repeat, calls)) > 1
    budget = _leaf(BudgetLeaf, {"budget": "cost_usd", "period": "hour", "limit": 15})
    spent = [Spent(one, one + timedelta(seconds=rng.randint(0, 20)), rng.random()) for one in _times(rng)]
    assert _check(budget, spent_track(budget, spent, start=START, end=GRID.at(GRID.count))) > 1
    error = _leaf(ErrorGroupLeaf, {"error": "new", "since": "1d", "window": "1m"})
    seen = [Seen(rng.choice("abc"), one, one + timedelta(minutes=1), rng.random() < 0.7) for one in _times(rng, 40)]
    assert _check(error, errors_track(seen)) > 1
    schedule = _leaf(ScheduleLeaf, {"schedule": "missed", "grace": "40s"})
    due = [START + timedelta(minutes=2 * number) for number in range(30)]
    runs = [(one, rng.choice([None, one + timedelta(seconds=rng.randint(1, 150))])) for one in due]
    assert _check(schedule, runs_track(schedule, runs)) > 1


def test_readings_are_of_what_was_known_before() -> None:
    leaf = _leaf(DurationLeaf, {"duration": "running", "longer_than": "1m"})
    track = running_track(leaf, [Ran(START, START, START + 3 * TICK)])
    assert track.reading(START) == Reading(0.0, 1)
    assert track.reading(START + TICK) == Reading(10.0, 1, START)
    assert track.reading(START + 3 * TICK) == Reading(30.0, 1, START)
    assert track.reading(START + 4 * TICK) == Reading(0.0, 1)
