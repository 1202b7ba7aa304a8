"""Metrics of a request as records. Pure."""

from collections.abc import Iterator
from typing import Any

from monitor.ingest.otlp.forms import Form, text
from monitor.ingest.otlp.reading import Records
from monitor.ingest.otlp.records import (
    Buckets,
    Exemplar,
    ExponentialHistogram,
    ExponentialPoint,
    Gauge,
    Histogram,
    HistogramPoint,
    MetricRecord,
    NumberPoint,
    Resource,
    Scope,
    Sum,
    Summary,
    SummaryPoint,
    Temporality,
)

_TEMPORALITIES = {temporality.value: temporality for temporality in Temporality}
_NO_RECORDED_VALUE = 1


def metrics(given: Records, form: Form) -> Iterator[MetricRecord]:
    """All metrics of a request, in its order. One without data of a known kind says nothing."""
    for resource, scope, metric in given:
        made = _metric(resource, scope, metric, form)
        if made is not None:
            yield made


def _metric(resource: Resource, scope: Scope, given: Any, form: Form) -> MetricRecord | None:
    kind = form.kind(given)
    if kind is None:
        return None
    data = getattr(given, kind)
    what: dict[str, Any] = {
        "resource": resource,
        "scope": scope,
        "name": text(given.name),
        "unit": text(given.unit),
        "description": text(given.description),
    }
    points = data.data_points or ()
    if kind == "gauge":
        return Gauge(**what, points=[_number(point, form) for point in points])
    if kind == "summary":
        return Summary(**what, points=[_summary(point, form) for point in points])
    what["temporality"] = _TEMPORALITIES.get(data.aggregation_temporality, Temporality.UNSPECIFIED)
    if kind == "sum":
        return Sum(**what, monotonic=bool(data.is_monotonic), points=[_number(point, form) for point in points])
    if kind == "histogram":
        return Histogram(**what, points=[_histogram(point, form) for point in points])
    return ExponentialHistogram(**what, points=[_exponential(point, form) for point in points])


def _common(given: Any, form: Form) -> dict[str, Any]:
    return {
        "attributes": form.attributes(given.attributes),
        "start_ns": given.start_time_unix_nano or 0,
        "time_ns": given.time_unix_nano or 0,
        "no_value": bool((given.flags or 0) & _NO_RECORDED_VALUE),
    }


def _number(given: Any, form: Form) -> NumberPoint:
    return NumberPoint(**_common(given, form), value=form.number(given), exemplars=_exemplars(given.exemplars, form))


def _distribution(given: Any, form: Form) -> dict[str, Any]:
    return {
        **_common(given, form),
        "count": given.count or 0,
        "sum": form.optional(given, "sum"),
        "min": form.optional(given, "min"),
        "max": form.optional(given, "max"),
        "exemplars": _exemplars(given.exemplars, form),
    }


def _histogram(given: Any, form: Form) -> HistogramPoint:
    return HistogramPoint(
        **_distribution(given, form),
        bounds=tuple(given.explicit_bounds or ()),
        counts=tuple(given.bucket_counts or ()),
    )


def _exponential(given: Any, form: Form) -> ExponentialPoint:
    return ExponentialPoint(
        **_distribution(given, form),
        scale=given.scale or 0,
        zero_count=given.zero_count or 0,
        zero_threshold=given.zero_threshold or 0.0,
        positive=_buckets(given.positive),
        negative=_buckets(given.negative),
    )


def _buckets(given: Any) -> Buckets:
    if given is None:
        return Buckets(0, ())
    return Buckets(given.offset or 0, tuple(given.bucket_counts or ()))


def _summary(given: Any, form: Form) -> SummaryPoint:
    return SummaryPoint(
        **_common(given, form),
        count=given.count or 0,
        sum=given.sum or 0.0,
        quantiles=tuple((entry.quantile or 0.0, entry.value or 0.0) for entry in given.quantile_values or ()),
    )


def _exemplars(given: Any, form: Form) -> tuple[Exemplar, ...]:
    if not given:
        return ()
    made = []
    for one in given:
        value = form.number(one)
        if value is not None:
            made.append(
                Exemplar(
                    one.time_unix_nano or 0,
                    float(value),
                    form.trace_id(one.trace_id),
                    form.span_id(one.span_id),
                    form.attributes(one.filtered_attributes),
                )
            )
    return tuple(made)
