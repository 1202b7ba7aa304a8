"""What StatsD's lines of some seconds come to, in bounded memory. Pure.

A counter gives what it rose by, a gauge its last value, a set how many different members it had, a timer count, sum,
least, greatest and quantiles. What nothing was said of gives nothing.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from monitor.ingest.buckets import QUANTILES, Count, Exponential, quantiles
from monitor.ingest.statsd.lines import Key, Line, Type
from monitor.series.store import Kind

KEYS_LIMIT = 50_000
MEMBERS_LIMIT = 1_000_000
_SCALE = 6  # buckets 1.1 % apart


class Value(NamedTuple):
    """A value for a series. `at_s`: Unix seconds, None for the time of summing up."""

    agent: str
    metric: str
    tags: Mapping[str, str]
    kind: Kind
    unit: str | None
    at_s: int | None
    value: float


@dataclass(slots=True)
class _Timer:
    count: float = 0.0
    sum: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    zero: Count = 0
    positive: dict[int, Count] = field(default_factory=dict)
    negative: dict[int, Count] = field(default_factory=dict)

    def add(self, value: float, weight: float) -> None:
        """Add a value that stands for `weight` of them."""
        self.count += weight
        self.sum += value * weight
        self.low, self.high = min(self.low, value), max(self.high, value)
        if value == 0:
            self.zero += weight
            return
        index = math.ceil(math.log2(abs(value)) * 2**_SCALE) - 1
        side = self.positive if value > 0 else self.negative
        side[index] = side.get(index, 0) + weight


class Full(Exception):
    """There are too many different names or members: this line is left out."""


class Sums:
    """Adds lines up until they are asked for."""

    def __init__(self, *, keys: int = KEYS_LIMIT, members: int = MEMBERS_LIMIT) -> None:
        """`keys`: different names, agents and tags in one interval at most; as many gauges are remembered for longer,
        to be moved. `members`: of all sets together."""
        self._keys_limit, self._members_limit = keys, members
        self._levels: OrderedDict[Key, float] = OrderedDict()
        self._clear()

    def _clear(self) -> None:
        self._counters: dict[tuple[Key, int | None], float] = {}
        self._gauges: dict[tuple[Key, int | None], float] = {}
        self._sets: dict[Key, set[str]] = {}
        self._timers: dict[Key, _Timer] = {}
        self._members = 0

    def add(self, line: Line) -> None:
        """Add a line. Raises Full."""
        key, place = line.key, (line.key, line.at_s)
        known = place in self._counters or place in self._gauges or key in self._sets or key in self._timers
        if not known and len(self) >= self._keys_limit:
            raise Full
        if key.type is Type.COUNTER:
            added = sum(float(value) for value in line.values) / line.rate
            self._counters[place] = self._counters.get(place, 0.0) + added
        elif key.type is Type.GAUGE:
            self._gauge(line)
        elif key.type is Type.SET:
            self._set(key, str(line.values[0]))
        else:
            timer = self._timers.setdefault(key, _Timer())
            for value in line.values:
                timer.add(float(value), 1 / line.rate)

    def __len__(self) -> int:
        """How many different things have been told of."""
        return len(self._counters) + len(self._gauges) + len(self._sets) + len(self._timers)

    def _gauge(self, line: Line) -> None:
        last = float(line.values[-1])
        if line.relative:
            last = self._levels.get(line.key, 0.0) + sum(float(value) for value in line.values)
        self._levels[line.key] = last
        self._levels.move_to_end(line.key)
        if len(self._levels) > self._keys_limit:
            self._levels.popitem(last=False)
        self._gauges[line.key, line.at_s] = last

    def _set(self, key: Key, member: str) -> None:
        members = self._sets.setdefault(key, set())
        if member not in members:
            if self._members >= self._members_limit:
                raise Full
            self._members += 1
            members.add(member)

    def take(self) -> list[Value]:
        """What came since the last time."""
        made = list(self._values())
        self._clear()
        return [value for value in made if math.isfinite(value.value)]

    def _values(self) -> Iterator[Value]:
        for (key, at_s), value in self._counters.items():
            yield _value(key, "", Kind.DELTA, value, at_s=at_s)
        for (key, at_s), value in self._gauges.items():
            yield _value(key, "", Kind.GAUGE, value, at_s=at_s)
        for key, members in self._sets.items():
            yield _value(key, "", Kind.GAUGE, len(members))
        for key, timer in self._timers.items():
            unit = "ms" if key.type is Type.TIMER else None
            yield _value(key, ".count", Kind.DELTA, timer.count)
            yield _value(key, ".sum", Kind.DELTA, timer.sum, unit=unit)
            yield _value(key, ".min", Kind.GAUGE, timer.low, unit=unit)
            yield _value(key, ".max", Kind.GAUGE, timer.high, unit=unit)
            found = Exponential(_SCALE, timer.positive, timer.negative, timer.zero)
            for quantile, value in quantiles(found, low=timer.low, high=timer.high):
                yield _value(key, "", Kind.GAUGE, value, unit=unit, quantile=QUANTILES[quantile])


def _value(
    key: Key,
    suffix: str,
    kind: Kind,
    value: float,
    *,
    unit: str | None = None,
    at_s: int | None = None,
    quantile: str | None = None,
) -> Value:
    tags = dict(key.tags) if quantile is None else {**dict(key.tags), "quantile": quantile}
    return Value(key.agent, f"{key.name}{suffix}", tags, kind, unit, at_s, float(value))
