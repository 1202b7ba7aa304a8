"""A random fleet over a long time, from a seed: what agents do, and when storage, channels and alerters are away."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np

from monitor.ids import microseconds

START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(minutes=1)

Spans = list[tuple[datetime, datetime]]
"""Times from and up to (without), in order, apart from each other."""


def spans(rng: Random, length: timedelta, *, every: timedelta, lasting: timedelta) -> Spans:
    """Random spans: on average one `every`, `lasting` so long."""
    found: Spans = []
    at = timedelta(0)
    while True:
        at += timedelta(seconds=rng.expovariate(1 / every.total_seconds()))
        if at >= length:
            return found
        ends = at + timedelta(seconds=rng.expovariate(1 / lasting.total_seconds()))
        found.append((START + at, START + ends))
        at = ends


def within(at: datetime, given: Spans) -> bool:
    """Whether a time lies in one of the spans."""
    return any(low <= at < high for low, high in given)


class Inside:
    """`within`, asked at times that only go forward."""

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
    """What one agent did: executions and whether they failed, heartbeats, points of one metric. Times in order, µs."""

    executions: np.ndarray[tuple[int], np.dtype[np.int64]]
    failed: np.ndarray[tuple[int], np.dtype[np.bool_]]
    beats: np.ndarray[tuple[int], np.dtype[np.int64]]
    points: np.ndarray[tuple[int], np.dtype[np.int64]]
    values: np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class World:
    """All that happens; the same seed makes the same world."""

    length: timedelta
    lives: tuple[Life, ...]
    storage_away: Spans
    channel_away: Spans
    alerter_away: Spans
    silenced: Spans


def make_world(seed: int, length: timedelta, agents: int) -> World:
    """A world. Outages of channels are shorter than what delivery endures."""
    rng = Random(seed)
    return World(
        length=length,
        lives=tuple(_life(Random(rng.random()), length) for _ in range(agents)),
        storage_away=spans(rng, length, every=timedelta(hours=40), lasting=timedelta(minutes=25)),
        channel_away=[
            (low, min(high, low + timedelta(hours=1)))
            for low, high in spans(rng, length, every=timedelta(hours=60), lasting=timedelta(hours=1))
        ],
        alerter_away=spans(rng, length, every=timedelta(hours=90), lasting=timedelta(minutes=20)),
        silenced=spans(rng, length, every=timedelta(hours=30), lasting=timedelta(hours=5)),
    )


def _life(rng: Random, length: timedelta) -> Life:
    bad = Inside(spans(rng, length, every=timedelta(hours=30), lasting=timedelta(hours=1)))
    dead = Inside(spans(rng, length, every=timedelta(days=4), lasting=timedelta(minutes=40)))
    slow = Inside(spans(rng, length, every=timedelta(hours=36), lasting=timedelta(minutes=50)))
    executions, failed, beats, points, values = [], [], [], [], []
    for minute in range(int(length / timedelta(minutes=1))):
        at = START + timedelta(minutes=minute, seconds=rng.randint(1, 58), microseconds=rng.randint(0, 999_999))
        if dead(at):
            continue
        if minute % 5 == 0:
            beats.append(microseconds(at))
        if rng.random() < 0.08:
            executions.append(microseconds(at))
            failed.append(rng.random() < (0.9 if bad(at) else 0.03))
        if rng.random() < 0.1:
            points.append(microseconds(at))
            values.append(rng.gauss(180 if slow(at) else 60, 25))
    return Life(
        np.array(executions, np.int64),
        np.array(failed, np.bool_),
        np.array(beats, np.int64),
        np.array(points, np.int64),
        np.array(values, np.float64),
    )
