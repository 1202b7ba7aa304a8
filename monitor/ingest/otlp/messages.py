"""The protocol's messages as JSON spells them, field for field as in opentelemetry-proto; unknown fields are left out.

As protobuf's JSON mapping wants it, `null` is an absent field. Integers and numbers may be texts (and `NaN`,
`Infinity`): the decoders are lax ones.
"""

from typing import Annotated, TypeAlias

import msgspec

Int32: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Int64: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
# Unsigned ones are taken up to 2^63: msgspec knows no larger bound, and no time or count comes near it.
Uint64: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class AnyValue(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Int64 | None = None
    double_value: float | None = None
    array_value: "ArrayValue | None" = None
    kvlist_value: "KeyValueList | None" = None
    bytes_value: str | None = None


class ArrayValue(msgspec.Struct):
    values: list[AnyValue] | None = None


class KeyValue(msgspec.Struct):
    key: str | None = None
    value: AnyValue | None = None


class KeyValueList(msgspec.Struct):
    values: list[KeyValue] | None = None


class Resource(msgspec.Struct):
    attributes: list[KeyValue] | None = None


class Scope(msgspec.Struct):
    name: str | None = None
    version: str | None = None
    attributes: list[KeyValue] | None = None


class Event(msgspec.Struct, rename="camel"):
    time_unix_nano: Uint64 | None = None
    name: str | None = None
    attributes: list[KeyValue] | None = None


class Link(msgspec.Struct, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None
    attributes: list[KeyValue] | None = None


class Status(msgspec.Struct):
    message: str | None = None
    code: Int32 | None = None


class Span(msgspec.Struct, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    kind: Int32 | None = None
    start_time_unix_nano: Uint64 | None = None
    end_time_unix_nano: Uint64 | None = None
    attributes: list[KeyValue] | None = None
    events: list[Event] | None = None
    links: list[Link] | None = None
    status: Status | None = None


class ScopeSpans(msgspec.Struct):
    scope: Scope | None = None
    spans: list[Span] | None = None


class ResourceSpans(msgspec.Struct, rename="camel"):
    resource: Resource | None = None
    scope_spans: list[ScopeSpans] | None = None


class Traces(msgspec.Struct, rename="camel"):
    resource_spans: list[ResourceSpans] | None = None


class Log(msgspec.Struct, rename="camel"):
    time_unix_nano: Uint64 | None = None
    observed_time_unix_nano: Uint64 | None = None
    severity_number: Int32 | None = None
    severity_text: str | None = None
    body: AnyValue | None = None
    attributes: list[KeyValue] | None = None
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str | None = None


class ScopeLogs(msgspec.Struct, rename="camel"):
    scope: Scope | None = None
    log_records: list[Log] | None = None


class ResourceLogs(msgspec.Struct, rename="camel"):
    resource: Resource | None = None
    scope_logs: list[ScopeLogs] | None = None


class Logs(msgspec.Struct, rename="camel"):
    resource_logs: list[ResourceLogs] | None = None


class Exemplar(msgspec.Struct, rename="camel"):
    filtered_attributes: list[KeyValue] | None = None
    time_unix_nano: Uint64 | None = None
    as_double: float | None = None
    as_int: Int64 | None = None
    span_id: str | None = None
    trace_id: str | None = None


class Point(msgspec.Struct, rename="camel"):
    attributes: list[KeyValue] | None = None
    start_time_unix_nano: Uint64 | None = None
    time_unix_nano: Uint64 | None = None
    flags: Uint64 | None = None


class NumberPoint(Point, rename="camel"):
    as_double: float | None = None
    as_int: Int64 | None = None
    exemplars: list[Exemplar] | None = None


class HistogramPoint(Point, rename="camel"):
    count: Uint64 | None = None
    sum: float | None = None
    min: float | None = None
    max: float | None = None
    bucket_counts: list[Uint64] | None = None
    explicit_bounds: list[float] | None = None
    exemplars: list[Exemplar] | None = None


class Buckets(msgspec.Struct, rename="camel"):
    offset: Int32 | None = None
    bucket_counts: list[Uint64] | None = None


class ExponentialPoint(Point, rename="camel"):
    count: Uint64 | None = None
    sum: float | None = None
    min: float | None = None
    max: float | None = None
    scale: Int32 | None = None
    zero_count: Uint64 | None = None
    zero_threshold: float | None = None
    positive: Buckets | None = None
    negative: Buckets | None = None
    exemplars: list[Exemplar] | None = None


class Quantile(msgspec.Struct):
    quantile: float | None = None
    value: float | None = None


class SummaryPoint(Point, rename="camel"):
    count: Uint64 | None = None
    sum: float | None = None
    quantile_values: list[Quantile] | None = None


class Gauge(msgspec.Struct, rename="camel"):
    data_points: list[NumberPoint] | None = None


class Sum(msgspec.Struct, rename="camel"):
    data_points: list[NumberPoint] | None = None
    aggregation_temporality: Int32 | None = None
    is_monotonic: bool | None = None


class Histogram(msgspec.Struct, rename="camel"):
    data_points: list[HistogramPoint] | None = None
    aggregation_temporality: Int32 | None = None


class ExponentialHistogram(msgspec.Struct, rename="camel"):
    data_points: list[ExponentialPoint] | None = None
    aggregation_temporality: Int32 | None = None


class Summary(msgspec.Struct, rename="camel"):
    data_points: list[SummaryPoint] | None = None


class Metric(msgspec.Struct, rename="camel"):
    name: str | None = None
    description: str | None = None
    unit: str | None = None
    gauge: Gauge | None = None
    sum: Sum | None = None
    histogram: Histogram | None = None
    exponential_histogram: ExponentialHistogram | None = None
    summary: Summary | None = None


class ScopeMetrics(msgspec.Struct):
    scope: Scope | None = None
    metrics: list[Metric] | None = None


class ResourceMetrics(msgspec.Struct, rename="camel"):
    resource: Resource | None = None
    scope_metrics: list[ScopeMetrics] | None = None


class Metrics(msgspec.Struct, rename="camel"):
    resource_metrics: list[ResourceMetrics] | None = None


TRACES = msgspec.json.Decoder(Traces, strict=False)
METRICS = msgspec.json.Decoder(Metrics, strict=False)
LOGS = msgspec.json.Decoder(Logs, strict=False)
