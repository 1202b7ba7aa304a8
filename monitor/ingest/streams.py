"""What is remembered of streams that count since their sender's start, to know what came between two of their points.

A stream's first point says what was counted since the start of its run. Where that is up to five minutes ago, all of
it counts: the sender has just started, or is a short one. Where it is longer ago, this process is the one that has
just started, or the sender has just been pointed here: then the point only says where to count from.

The memory is one process' own and bounded. Nothing that is stored is wrong without it: totals are stored as they are.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

from monitor.ingest.buckets import Distribution

RECENT_US = 300_000_000
WEIGHT = 2_000_000
_ENTRY = 8


class Stretch(NamedTuple):
    """What lies between a point and the one before it.

    `fresh_us`: the start of the run, where this is its first point that counts: the total was 0 then. `known`: whether
    it is known where to count from; then `before` is what had been counted, None for nothing.
    """

    fresh_us: int | None = None
    known: bool = False
    before: Distribution | None = None


@dataclass(slots=True)
class _Stream:
    start_us: int
    at_us: int
    found: Distribution | None
    stretch: Stretch

    @property
    def weight(self) -> int:
        before = self.stretch.before
        return _ENTRY + (self.found.weight if self.found else 0) + (before.weight if before else 0)


class Streams:
    """Streams by any name, those that were seen last. May be used by several threads."""

    def __init__(self, *, weight: int = WEIGHT) -> None:
        """`weight`: about how many numbers are remembered at most, of 8 to 32 bytes each."""
        self._known: OrderedDict[Hashable, _Stream] = OrderedDict()
        self._limit = weight
        self._weight = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._known)

    def next(self, name: Hashable, start_us: int, at_us: int, found: Distribution | None = None) -> Stretch:
        """What lies before a point that counts since `start_us` (0: not said), and remember it.

        The same point again gets the same answer. One from before the last is not remembered and has no answer.
        """
        with self._lock:
            last = self._known.get(name)
            if last is not None:
                self._known.move_to_end(name)
                if at_us < last.at_us or start_us < last.start_us:
                    return Stretch()
                if at_us == last.at_us and start_us == last.start_us:
                    return last.stretch
            stretch = _stretch(last, start_us, at_us)
            self._keep(name, last, _Stream(start_us, at_us, found, stretch))
            return stretch

    def _keep(self, name: Hashable, last: _Stream | None, new: _Stream) -> None:
        self._weight += new.weight - (last.weight if last is not None else 0)
        self._known[name] = new
        while self._weight > self._limit and self._known:
            _name, oldest = self._known.popitem(last=False)
            self._weight -= oldest.weight


def _stretch(last: _Stream | None, start_us: int, at_us: int) -> Stretch:
    if last is not None and start_us == last.start_us:
        return Stretch(None, True, last.found)
    begun = 0 < start_us < at_us
    if last is not None:
        return Stretch(start_us if begun else None, True)
    return Stretch(start_us, True) if begun and at_us - start_us <= RECENT_US else Stretch()
