"""What a request of OTLP says, spelled one way: neutral, immutable records.

Field for field as in opentelemetry-proto (`opentelemetry/proto/{trace,metrics,logs,common,resource}/v1`). What holds
for all of them:

- Times are nanoseconds since the epoch, 0 where the sender gave none.
- A trace id has 32 lower-case hex digits, a span id 16; None where there is none (absent, or all zeros).
- Attributes are plain values that JSON can say: str, bool, int, finite float, None, and lists and dicts of these.
  Bytes are base64 text, and NaN and the infinities the texts `NaN`, `Infinity`, `-Infinity`, as OTLP's JSON has them.
  NUL, which PostgreSQL's texts cannot hold, is U+FFFD in every text.
- One Resource and one Scope object is shared by all records that were sent under it: `is` may be asked of them.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, TypeAlias

import msgspec

Attributes: TypeAlias = Mapping[str, Any]


class Resource(msgspec.Struct, frozen=True):
    """Who sends: `service.name`, `host.name` and so on."""

    attributes: Attributes


class Scope(msgspec.Struct, frozen=True):
    """Which library made the records; `name` may be empty."""

    name: str
    version: str
    attributes: Attributes


class SpanKind(IntEnum):
    """As numbered by the protocol; a number that is not known is UNSPECIFIED."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class StatusCode(IntEnum):
    """As numbered by the protocol; a number that is not known is UNSET."""

    UNSET = 0
    OK = 1
    ERROR = 2


class SpanEvent(msgspec.Struct, frozen=True):
    """Something at a moment within a span, such as an exception."""

    time_ns: int
    name: str
    attributes: Attributes


class SpanLink(msgspec.Struct, frozen=True):
    """A span that this one has to do with, in its own trace or in another one."""

    trace_id: str
    span_id: str
    attributes: Attributes


class SpanRecord(msgspec.Struct, frozen=True):
    """One span. `end_ns` is 0 where it has not ended."""

    resource: Resource
    scope: Scope
    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    status_code: StatusCode
    status_message: str
    attributes: Attributes
    events: Sequence[SpanEvent] = ()
    links: Sequence[SpanLink] = ()


class LogRecord(msgspec.Struct, frozen=True):
    """One log record, or an event: then `event_name` is not empty.

    `severity_number`: 1–4 trace, 5–8 debug, 9–12 info, 13–16 warn, 17–20 error, 21–24 fatal, 0 not said.
    `body` is any plain value, None where there is none.
    """

    resource: Resource
    scope: Scope
    time_ns: int
    observed_ns: int
    severity_number: int
    severity_text: str
    body: Any
    attributes: Attributes
    trace_id: str | None
    span_id: str | None
    event_name: str


class Temporality(IntEnum):
    """What a sum or a histogram counts: since the point before (delta) or since `start_ns` (cumulative)."""

    UNSPECIFIED = 0
    DELTA = 1
    CUMULATIVE = 2


class Exemplar(msgspec.Struct, frozen=True):
    """One measurement of those that a point is made of, with the span that it was made in. `value` may be NaN."""

    time_ns: int
    value: float
    trace_id: str | None
    span_id: str | None
    attributes: Attributes


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What points of every kind have. `no_value`: the sender says that there is none (the flag NO_RECORDED_VALUE)."""

    attributes: Attributes
    start_ns: int
    time_ns: int
    no_value: bool = False
    exemplars: Sequence[Exemplar] = ()


class NumberPoint(Point, frozen=True, kw_only=True):
    """A point of a gauge or a sum; `value` is None where none is set, and may be NaN or infinite."""

    value: int | float | None


class HistogramPoint(Point, frozen=True, kw_only=True):
    """A histogram: `counts[i]` values in (bounds[i-1], bounds[i]], with one more count than bounds, or both empty."""

    count: int
    sum: float | None
    min: float | None
    max: float | None
    bounds: Sequence[float]
    counts: Sequence[int]


class Buckets(msgspec.Struct, frozen=True):
    """Counts of buckets at consecutive indexes from `offset`: i holds (base**i, base**(i+1)]."""

    offset: int
    counts: Sequence[int]


class ExponentialPoint(Point, frozen=True, kw_only=True):
    """A histogram with base 2**(2**-scale). `zero_count` values are within ±`zero_threshold`; `negative` by size."""

    count: int
    sum: float | None
    min: float | None
    max: float | None
    scale: int
    zero_count: int
    zero_threshold: float
    positive: Buckets
    negative: Buckets


class SummaryPoint(Point, frozen=True, kw_only=True):
    """Quantiles that the sender has computed: pairs of quantile (0 to 1) and value."""

    count: int
    sum: float
    quantiles: Sequence[tuple[float, float]]


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """What metrics of every kind have: `unit` as in UCUM (`s`, `By`, `{token}`)."""

    resource: Resource
    scope: Scope
    name: str
    unit: str
    description: str


class Gauge(Metric, frozen=True, kw_only=True):
    """Values as they are at a moment."""

    points: Sequence[NumberPoint]


class Sum(Metric, frozen=True, kw_only=True):
    """Values that add up. `monotonic`: they only grow, so that a fall is a restart of the sender."""

    temporality: Temporality
    monotonic: bool
    points: Sequence[NumberPoint]


class Histogram(Metric, frozen=True, kw_only=True):
    """Distributions over the sender's own bounds."""

    temporality: Temporality
    points: Sequence[HistogramPoint]


class ExponentialHistogram(Metric, frozen=True, kw_only=True):
    """Distributions over bounds that grow by a factor."""

    temporality: Temporality
    points: Sequence[ExponentialPoint]


class Summary(Metric, frozen=True, kw_only=True):
    """Quantiles, as older Prometheus clients have them."""

    points: Sequence[SummaryPoint]


MetricRecord: TypeAlias = Gauge | Sum | Histogram | ExponentialHistogram | Summary
