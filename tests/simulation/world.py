"""A random fleet over a long time, from a seed: what agents do, and when storage, channels and alerters are away."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from monitor.ids import microseconds

START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(minutes=1)

Spans: TypeAlias = list[tuple[datetime, datetime]]
"""Times from and up to (without), in order, apart from each other."""

Int: TypeAlias = npt.NDArray[np.int64]
Float: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]


def spans(rng: Random, start: datetime, length: timedelta, *, every: timedelta, lasting: timedelta) -> Spans:
    """Random spans: on average one `every`, `lasting` so long."""
    found: Spans = []
    at = timedelta(0)
    while True:
        at += timedelta(seconds=rng.expovariate(1 / every.total_seconds()))
        if at >= length:
            return found
        ends = at + timedelta(seconds=rng.expovariate(1 / lasting.total_seconds()))
        found.append((start + at, start + ends))
        at = ends


class Inside:
    """Whether a time lies in one of some spans, asked at times that only go forward."""

    def __init__(self, given: Spans) -> None:
        self._given = given
        self._place = 0

    def __call__(self, at: datetime) -> bool:
        """Whether the time lies in one of the spans."""
        while self._place < len(self._given) and self._given[self._place][1] <= at:
            self._place += 1
        return self._place < len(self._given) and self._given[self._place][0] <= at


@dataclass(frozen=True, slots=True)
class Life:
    """What one agent did: executions and whether they failed, heartbeats, points of one metric, lines that trace a
    fault. Times in order, in microseconds since the epoch."""

    executions: Int
    failed: Mask
    beats: Int
    points: Int
    values: Float
    traces: Int


@dataclass(frozen=True, slots=True)
class Pace:
    """How often an agent does something in a minute, and how long its bad times are apart and last."""

    runs: float = 0.08
    points: float = 0.1
    beat: int = 5
    bad: tuple[timedelta, timedelta] = (timedelta(hours=30), timedelta(hours=1))
    dead: tuple[timedelta, timedelta] = (timedelta(days=4), timedelta(minutes=40))
    slow: tuple[timedelta, timedelta] = (timedelta(hours=36), timedelta(minutes=50))


USUAL = Pace()


@dataclass(frozen=True, slots=True)
class World:
    """All that happens; the same seed makes the same world."""

    length: timedelta
    lives: tuple[Life, ...]
    storage_away: Spans
    channel_away: Spans
    alerter_away: Spans
    silenced: Spans


def make_world(seed: int, length: timedelta, agents: int, *, often: float = 1) -> World:
    """A world. Outages of channels are shorter than what delivery endures. `often`: how many times as much happens."""
    rng = Random(seed)
    pace = Pace(
        bad=(USUAL.bad[0] / often, USUAL.bad[1]),
        dead=(USUAL.dead[0] / often, USUAL.dead[1]),
        slow=(USUAL.slow[0] / often, USUAL.slow[1]),
    )

    def away(every: int, lasting: int) -> Spans:
        return spans(rng, START, length, every=timedelta(hours=every) / often, lasting=timedelta(minutes=lasting))

    return World(
        length=length,
        lives=tuple(live(Random(rng.random()), START, length, pace) for _ in range(agents)),
        storage_away=away(40, 25),
        channel_away=[(low, min(high, low + timedelta(hours=1))) for low, high in away(60, 60)],
        alerter_away=away(90, 20),
        silenced=away(30, 300 // int(max(often, 1))),
    )


def live(rng: Random, start: datetime, length: timedelta, pace: Pace = USUAL) -> Life:
    """A life: minute by minute, with times in which runs fail, nothing is heard, or answers are slow."""
    bad, dead, slow = (
        Inside(spans(rng, start, length, every=every, lasting=lasting))
        for every, lasting in (pace.bad, pace.dead, pace.slow)
    )
    executions, failed, beats, points, values, traces = [], [], [], [], [], []
    for minute in range(int(length / timedelta(minutes=1))):
        at = start + timedelta(minutes=minute, seconds=rng.randint(1, 58), microseconds=rng.randint(0, 999_999))
        if dead(at):
            continue
        if minute % pace.beat == 0:
            beats.append(microseconds(at))
        if rng.random() < pace.runs:
            executions.append(microseconds(at))
            failed.append(rng.random() < (0.9 if bad(at) else 0.03))
        if rng.random() < pace.points:
            points.append(microseconds(at))
            values.append(rng.gauss(180 if slow(at) else 60, 25))
        if rng.random() < pace.runs * (0.5 if bad(at) else 0.01):
            traces.append(microseconds(at) + 1)
    return Life(
        np.array(executions, np.int64),
        np.array(failed, np.bool_),
        np.array(beats, np.int64),
        np.array(points, np.int64),
        np.array(values, np.float64),
        np.array(traces, np.int64),
    )
