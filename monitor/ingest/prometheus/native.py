"""Native histograms of Prometheus (https://prometheus.io/docs/specs/native_histograms/): what one of them holds."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from monitor.ingest.buckets import QUANTILES, Count, Distribution, Explicit, Exponential, quantiles
from monitor.ingest.streams import Streams, Stretch
from monitor.ingest.values import Fault

BUCKETS_LIMIT = 4096
_CUSTOM = -53
_SCALES = range(-4, 9)
_RESET, _GAUGE = 1, 3


class Native(NamedTuple):
    """One histogram. `gauge`: it is of a moment; else it counts since `start_us` (0: not said), and `reset` says that
    it was begun anew."""

    found: Distribution
    observed: float
    sum: float
    start_us: int
    gauge: bool
    reset: bool

    def stretch(self, streams: Streams, name: tuple[Any, ...], at_us: int) -> Stretch:
        """What lies between it and the one before."""
        if self.gauge:
            return Stretch(known=True)
        stretch = streams.next(name, self.start_us, at_us, self.found)
        return Stretch(stretch.fresh_us, known=True) if self.reset else stretch

    def quantiles(self, stretch: Stretch) -> Iterator[tuple[str, float]]:
        """Quantiles of what came since, by the tag's spelling."""
        if stretch.known:
            for quantile, value in quantiles(self.found.since(stretch.before), low=None, high=None):
                yield QUANTILES[quantile], value


def native(given: Any) -> Native:
    """A message's histogram, checked. Raises Fault."""
    floats = given.count_float or given.positive_counts or given.negative_counts
    positive = _side(given.positive_spans, given.positive_counts if floats else _sums(given.positive_deltas))
    negative = _side(given.negative_spans, given.negative_counts if floats else _sums(given.negative_deltas))
    zero = given.zero_count_float if floats else given.zero_count_int
    if given.schema == _CUSTOM:
        found: Distribution = _custom(tuple(given.custom_values), positive)
    elif given.schema in _SCALES:
        # Bucket i ends at base^i here, and begins there with OpenTelemetry, whose way buckets.py has.
        sides = [{index - 1: count for index, count in side.items() if count} for side in (positive, negative)]
        found = Exponential(given.schema, sides[0], sides[1], zero, given.zero_threshold)
    else:
        raise Fault(f"schema: {given.schema} is none that is known")
    if not all(count >= 0 for count in (zero, *positive.values(), *negative.values())):
        raise Fault("buckets: a count is negative, or none at all")
    count = given.count_float if floats else float(given.count_int)
    hint = given.reset_hint
    return Native(found, count, given.sum, given.start_timestamp * 1000, hint == _GAUGE, hint == _RESET)


def _side(spans: Sequence[Any], counts: Iterable[Count]) -> dict[int, Count]:
    held = list(counts)
    if sum(span.length for span in spans) != len(held):
        raise Fault("spans: they do not cover as many buckets as there are")
    if len(held) > BUCKETS_LIMIT:
        raise Fault(f"buckets: at most {BUCKETS_LIMIT} are expected")
    made: dict[int, Count] = {}
    index, given = 0, iter(held)
    for span in spans:
        index += span.offset
        for _ in range(span.length):
            made[index] = next(given)
            index += 1
    return made


def _sums(deltas: Iterable[int]) -> Iterator[int]:
    total = 0
    for delta in deltas:
        total += delta
        yield total


def _custom(bounds: tuple[float, ...], positive: dict[int, Count]) -> Explicit:
    if len(bounds) > BUCKETS_LIMIT or any(not 0 <= index <= len(bounds) for index in positive):
        raise Fault("custom_values: fewer bounds than buckets")
    return Explicit(bounds, tuple(positive.get(index, 0) for index in range(len(bounds) + 1)))
