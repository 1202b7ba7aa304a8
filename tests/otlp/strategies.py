"""Messages of the protocol, drawn by Hypothesis: every kind of value, of metric and of omission."""

import time
from typing import Any

from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1 import metrics_pb2 as m
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from monitor.ingest.normalise.tables import EVENTS, SPANS

_texts = st.text(max_size=12)
KNOWN = sorted({name for table in (SPANS, *EVENTS.values()) for name in table.entries})
"""Names that dialects know, so that what reads them meets values of every kind."""

_keys = st.one_of(_texts, st.integers(0, len(KNOWN) - 1).map(lambda place: KNOWN[place]))
_int32 = st.integers(-(2**31), 2**31 - 1)
_int64 = st.integers(-(2**63), 2**63 - 1)
_counts = st.one_of(st.integers(0, 50), st.integers(0, 2**63 - 1))
# Mostly of the last minutes: others are refused before much becomes of them.
NOW = time.time_ns()
_recent = st.integers(NOW - 300 * 10**9, NOW)
_times = st.one_of(_recent, _recent, _recent, st.just(0), st.integers(0, 2**63 - 1))
_doubles = st.floats(allow_nan=True, allow_infinity=True)
_trace_ids = st.one_of(st.binary(min_size=16, max_size=16), st.just(b""), st.just(bytes(16)), st.binary(max_size=20))
_span_ids = st.one_of(st.binary(min_size=8, max_size=8), st.just(b""), st.just(bytes(8)), st.binary(max_size=10))


def _some(strategy: st.SearchStrategy[Any], size: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=size)


_plain = st.one_of(
    st.builds(AnyValue),
    st.builds(AnyValue, string_value=_texts),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=_int64),
    st.builds(AnyValue, double_value=_doubles),
    st.builds(AnyValue, bytes_value=st.binary(max_size=6)),
)


def _nested(inner: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    pairs = st.builds(KeyValue, key=_keys, value=inner)
    return st.one_of(
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=_some(inner))),
        st.builds(AnyValue, kvlist_value=st.builds(KeyValueList, values=_some(pairs))),
    )


values = st.recursive(_plain, _nested, max_leaves=5)
_pairs = _some(st.one_of(st.builds(KeyValue, key=_keys, value=values), st.builds(KeyValue, key=_keys)))
_resources = st.one_of(st.none(), st.builds(Resource, attributes=_pairs))
_scopes = st.one_of(st.none(), st.builds(InstrumentationScope, name=_texts, version=_texts, attributes=_pairs))

_events = st.builds(Span.Event, time_unix_nano=_times, name=_texts, attributes=_pairs)
_links = st.builds(Span.Link, trace_id=_trace_ids, span_id=_span_ids, attributes=_pairs)
_spans = st.builds(
    Span,
    trace_id=_trace_ids,
    span_id=_span_ids,
    parent_span_id=_span_ids,
    name=_texts,
    kind=st.integers(0, 7),
    start_time_unix_nano=_times,
    end_time_unix_nano=_times,
    attributes=_pairs,
    events=_some(_events, 2),
    links=_some(_links, 2),
    status=st.one_of(st.none(), st.builds(Status, code=st.integers(0, 4), message=_texts)),
)
traces = st.builds(
    ExportTraceServiceRequest,
    resource_spans=_some(
        st.builds(
            ResourceSpans,
            resource=_resources,
            scope_spans=_some(st.builds(ScopeSpans, scope=_scopes, spans=_some(_spans)), 2),
        ),
        2,
    ),
)

_records = st.builds(
    LogRecord,
    time_unix_nano=_times,
    observed_time_unix_nano=_times,
    severity_number=st.integers(0, 30),
    severity_text=_texts,
    body=st.one_of(st.none(), values),
    attributes=_pairs,
    trace_id=_trace_ids,
    span_id=_span_ids,
    event_name=_texts,
)
logs = st.builds(
    ExportLogsServiceRequest,
    resource_logs=_some(
        st.builds(
            ResourceLogs,
            resource=_resources,
            scope_logs=_some(st.builds(ScopeLogs, scope=_scopes, log_records=_some(_records)), 2),
        ),
        2,
    ),
)

_number: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}), st.builds(dict, as_double=_doubles), st.builds(dict, as_int=_int64)
)
_exemplars = _some(
    st.builds(
        lambda number, **rest: m.Exemplar(**rest, **number),
        _number,
        filtered_attributes=_pairs,
        time_unix_nano=_times,
        trace_id=_trace_ids,
        span_id=_span_ids,
    ),
    2,
)
_common = {"attributes": _pairs, "start_time_unix_nano": _times, "time_unix_nano": _times, "flags": st.integers(0, 3)}
_optional = st.one_of(st.none(), _doubles)
_numbers = st.builds(
    lambda number, **rest: m.NumberDataPoint(**rest, **number), _number, exemplars=_exemplars, **_common
)
_distribution = {
    **_common, "count": _counts, "sum": _optional, "min": _optional, "max": _optional, "exemplars": _exemplars,
}  # fmt: skip
_buckets = st.one_of(
    st.none(),
    st.builds(m.ExponentialHistogramDataPoint.Buckets, offset=_int32, bucket_counts=_some(_counts)),
)
_histograms = st.builds(
    m.HistogramDataPoint, bucket_counts=_some(_counts), explicit_bounds=_some(_doubles), **_distribution
)
_exponentials = st.builds(
    m.ExponentialHistogramDataPoint,
    scale=_int32,
    zero_count=_counts,
    zero_threshold=_doubles,
    positive=_buckets,
    negative=_buckets,
    **_distribution,
)
_quantiles = st.builds(m.SummaryDataPoint.ValueAtQuantile, quantile=_doubles, value=_doubles)
_summaries = st.builds(m.SummaryDataPoint, count=_counts, sum=_doubles, quantile_values=_some(_quantiles), **_common)
_temporality = st.integers(0, 4)
_data: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.builds(dict, gauge=st.builds(m.Gauge, data_points=_some(_numbers))),
    st.builds(
        dict,
        sum=st.builds(
            m.Sum, data_points=_some(_numbers), aggregation_temporality=_temporality, is_monotonic=st.booleans()
        ),
    ),
    st.builds(
        dict, histogram=st.builds(m.Histogram, data_points=_some(_histograms), aggregation_temporality=_temporality)
    ),
    st.builds(
        dict,
        exponential_histogram=st.builds(
            m.ExponentialHistogram, data_points=_some(_exponentials), aggregation_temporality=_temporality
        ),
    ),
    st.builds(dict, summary=st.builds(m.Summary, data_points=_some(_summaries))),
)
_metrics = st.builds(lambda data, **rest: m.Metric(**rest, **data), _data, name=_texts, description=_texts, unit=_texts)
metrics = st.builds(
    ExportMetricsServiceRequest,
    resource_metrics=_some(
        st.builds(
            m.ResourceMetrics,
            resource=_resources,
            scope_metrics=_some(st.builds(m.ScopeMetrics, scope=_scopes, metrics=_some(_metrics)), 2),
        ),
        2,
    ),
)
