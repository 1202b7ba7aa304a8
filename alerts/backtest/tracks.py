"""What one leaf read over time for one label set, and the ticks at which its verdict can change. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from alerts.core.condition import HeartbeatLeaf, Leaf, StatusLeaf, WindowLeaf
from alerts.core.judge import heartbeat_limit
from alerts.core.labels import Labels
from alerts.core.reading import Reading
from alerts.core.vocabulary import NoData
from monitor.ids import from_microseconds, microseconds

Int: TypeAlias = npt.NDArray[np.int64]
Float: TypeAlias = npt.NDArray[np.float64]

Mask: TypeAlias = npt.NDArray[np.bool_]

F = TypeVar("F")

NEVER: Int = np.zeros(0, np.int64)
"""No times, or no ticks."""

_COMPARISONS = {
    ">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip

# The classes of a verdict along the ticks; UNSURE ones are judged.
UNSURE, EMPTY, FEW, OK, BREACHED = -1, 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Grid:
    """The ticks of a replay: `count` of them, `step` apart, the first at `start`."""

    start: datetime
    step: timedelta
    count: int

    @property
    def us(self) -> Int:
        """All of their times, in microseconds since the epoch."""
        first, step = microseconds(self.start), self.step // timedelta(microseconds=1)
        return first + step * np.arange(self.count, dtype=np.int64)

    def at(self, tick: int) -> datetime:
        """When a tick is."""
        return self.start + tick * self.step

    def first_from(self, at: datetime) -> int:
        """The first tick that is not before a time; never a negative number."""
        return max(0, -((self.start - at) // self.step))

    def first_after(self, at: datetime) -> int:
        """The first tick that is later than a time."""
        return max(0, (at - self.start) // self.step + 1)


class Track(Protocol):
    """One leaf's past."""

    def reading(self, now: datetime) -> Reading | None:
        """What the live read would have returned at `now`; None: no row."""
        ...

    def looks(self, grid: Grid) -> Int:
        """Ticks, ascending, at which the verdict may differ from that of the tick before."""
        ...

    def news(self, grid: Grid) -> Int:
        """Ticks, ascending, that found news of this leaf."""
        ...

    def turns(self, grid: Grid) -> Int:
        """Ticks, ascending, that are known ahead: the alerter looks then, although nothing new has come."""
        ...


Tracks: TypeAlias = Mapping[Leaf, Mapping[Labels, Track] | None]
"""Per leaf, a track for each of its label sets; None: its past is not kept, so that it is UNKNOWN."""


def changes(classes: npt.NDArray[np.int8]) -> Int:
    """Where a class differs from the one before, or is unsure."""
    if not len(classes):
        return np.zeros(0, np.int64)
    moved = np.ones(len(classes), np.bool_)
    moved[1:] = (classes[1:] != classes[:-1]) | (classes[1:] == UNSURE)
    return np.flatnonzero(moved)


def ticks_after(grid: Grid, at_us: Int) -> Int:
    """The ticks that are the first to see what happened then: what happens at the time of a tick comes after it."""
    ticks = np.unique(np.searchsorted(grid.us, at_us, side="right"))
    return ticks[ticks < grid.count]


@dataclass(frozen=True, slots=True)
class Windowed:
    """What all tracks of a window have: when the rows or points came that it moves along, in order of time."""

    leaf: WindowLeaf
    at_us: Int

    def news(self, grid: Grid) -> Int:
        """Each of them is."""
        return ticks_after(grid, self.at_us)

    def turns(self, grid: Grid) -> Int:
        """Where the window becomes empty."""
        return emptied(grid, self.at_us, self.leaf.window)


@dataclass(frozen=True, slots=True)
class StatusTrack:
    """Executions in the order of their ids. `seen_us`: when each could be seen; `streak`: as of each."""

    leaf: StatusLeaf
    at_us: Int
    seen_us: Int
    streak: Int

    def reading(self, now: datetime) -> Reading | None:
        """The streak as of the newest execution that could be seen."""
        last = int(np.searchsorted(self.seen_us, microseconds(now), side="left")) - 1
        if last < 0:
            return None
        return Reading(float(self.streak[last]), 1, from_microseconds(int(self.at_us[last])))

    def looks(self, grid: Grid) -> Int:
        """Where the newest streak goes over the number, or back."""
        last = np.searchsorted(self.seen_us, grid.us, side="left") - 1
        breached = np.where(self.streak >= self.leaf.consecutive_failures, BREACHED, OK)
        classes = np.where(last < 0, EMPTY, breached[last] if len(breached) else EMPTY)
        return changes(classes.astype(np.int8))

    def news(self, grid: Grid) -> Int:
        """Every execution is."""
        return ticks_after(grid, self.seen_us)

    def turns(self, grid: Grid) -> Int:
        """Only an execution changes it."""
        return NEVER


def _never() -> Int:
    return NEVER


@dataclass(frozen=True, slots=True)
class EventTrack(Generic[F]):
    """What is known changes at `at_us`, ascending; `facts` has what is known from then on, `read` makes it a reading.

    `told_us`: when news came, `turns_us`: when it turns by itself, at a time that was known ahead. `moved_us`: the
    changes that may be others to the judgement; None: all.
    """

    at_us: Int
    facts: Sequence[F]
    read: Callable[[F, datetime], Reading | None]
    told_us: Int = field(default_factory=_never)
    turns_us: Int = field(default_factory=_never)
    moved_us: Int | None = None

    def reading(self, now: datetime) -> Reading | None:
        """Of what was known before `now`."""
        last = int(np.searchsorted(self.at_us, microseconds(now), side="left")) - 1
        return self.read(self.facts[last], now) if last >= 0 else None

    def looks(self, grid: Grid) -> Int:
        """After every such change and every turn."""
        moved = self.at_us if self.moved_us is None else self.moved_us
        return ticks_after(grid, np.concatenate([moved, self.turns_us]))

    def news(self, grid: Grid) -> Int:
        """What was told."""
        return ticks_after(grid, self.told_us)

    def turns(self, grid: Grid) -> Int:
        """What turns by itself."""
        return ticks_after(grid, self.turns_us)


@dataclass(frozen=True, slots=True)
class BeatTrack:
    """Heartbeats: when each was received, and what was known as of each."""

    leaf: HeartbeatLeaf
    at_us: Int
    readings: tuple[Reading, ...]

    def reading(self, now: datetime) -> Reading | None:
        """As of the newest one."""
        last = int(np.searchsorted(self.at_us, microseconds(now), side="left")) - 1
        return self.readings[last] if last >= 0 else None

    def looks(self, grid: Grid) -> Int:
        """Each that comes after a silence that was too long, and the end of such a silence."""
        due, following = self._silences(grid)
        # The first ones too: with them something is known, and expected.
        first = np.searchsorted(grid.us, self.at_us[:4], side="right")
        ticks = np.unique(np.concatenate([[0], first, due, following]))
        return ticks[ticks < grid.count]

    def _silences(self, grid: Grid) -> tuple[Int, Int]:
        """When each silence became too long, and when it ended."""
        limits = [heartbeat_limit(self.leaf, reading) for reading in self.readings]
        longest = np.iinfo(np.int64).max // 4
        limit_us = np.array([longest if one is None else one // timedelta(microseconds=1) for one in limits], np.int64)
        due = np.searchsorted(grid.us, np.minimum(self.at_us + limit_us, longest), side="right")
        seen = np.searchsorted(grid.us, self.at_us, side="right")
        following = np.append(seen[1:], grid.count)
        missed = due < following
        return due[missed], following[missed]

    def news(self, grid: Grid) -> Int:
        """Every one is."""
        return ticks_after(grid, self.at_us)

    def turns(self, grid: Grid) -> Int:
        """Where a silence becomes too long."""
        return self._silences(grid)[0]


def times(given: Iterable[int]) -> Int:
    """Times in their order, each once."""
    return np.unique(np.fromiter(given, np.int64))


def emptied(grid: Grid, at_us: Int, window: timedelta) -> Int:
    """The ticks that are the first to find a window empty that was not."""
    ticks = np.searchsorted(grid.us, at_us + window // timedelta(microseconds=1), side="right")
    following = np.append(at_us[1:], np.iinfo(np.int64).max) if len(at_us) else at_us
    inside = ticks < grid.count
    ticks, following = ticks[inside], following[inside]
    return np.unique(ticks[following >= grid.us[ticks]])


def bounds(threshold: float, recover: float | None) -> tuple[float, ...]:
    """The numbers that a value is held against, in whichever phase."""
    return (threshold,) if recover is None else (threshold, recover)


def compare(op: str, values: Float, bound: float) -> Mask:
    """`Op.holds` of many values."""
    compared: Mask = _COMPARISONS[op](values, bound)
    return compared


def full_at(leaf: Leaf, since: datetime) -> datetime | None:
    """When an emptiness that began with the rule is one to alert for; None: never."""
    if getattr(leaf, "no_data", None) is not NoData.ALERT:
        return None
    span: timedelta | None = leaf.after if isinstance(leaf, HeartbeatLeaf) else getattr(leaf, "window", None)
    return None if span is None else since + span
