"""Spans of a request as records. Pure."""

from typing import Any

from monitor.ingest.otlp.forms import Form, text
from monitor.ingest.otlp.reading import Records
from monitor.ingest.otlp.records import Resource, Scope, SpanEvent, SpanKind, SpanLink, SpanRecord, StatusCode
from monitor.ingest.payloads import Outcome
from monitor.ingest.values import Fault

_KINDS = {kind.value: kind for kind in SpanKind}
_CODES = {code.value: code for code in StatusCode}


def spans(given: Records, form: Form, outcome: Outcome) -> dict[int, SpanRecord]:
    """The spans of a request by their place in it; those without valid ids go into `outcome`."""
    kept: dict[int, SpanRecord] = {}
    for index, (resource, scope, span) in enumerate(given):
        try:
            kept[index] = _span(resource, scope, span, form)
        except Fault as fault:
            outcome.reject(index, str(fault))
    return kept


def _span(resource: Resource, scope: Scope, given: Any, form: Form) -> SpanRecord:
    trace_id, span_id = form.trace_id(given.trace_id), form.span_id(given.span_id)
    if trace_id is None or span_id is None:
        wrong = "trace id of 16 bytes" if trace_id is None else "span id of 8 bytes"
        raise Fault(f"a {wrong} that are not all zero is expected")
    start, end = given.start_time_unix_nano or 0, given.end_time_unix_nano or 0
    events, links, status = given.events, given.links, given.status
    return SpanRecord(
        resource,
        scope,
        trace_id,
        span_id,
        form.span_id(given.parent_span_id),
        text(given.name),
        _KINDS.get(given.kind, SpanKind.UNSPECIFIED),
        start,
        # Clocks of two machines, or one that was set: the span lasted no time rather than less than none.
        max(start, end) if end else 0,
        StatusCode.UNSET if status is None else _CODES.get(status.code, StatusCode.UNSET),
        "" if status is None else text(status.message),
        form.attributes(given.attributes),
        _events(events, form) if events else (),
        _links(links, form) if links else (),
    )


def _events(given: Any, form: Form) -> tuple[SpanEvent, ...]:
    return tuple(
        SpanEvent(event.time_unix_nano or 0, text(event.name), form.attributes(event.attributes)) for event in given
    )


def _links(given: Any, form: Form) -> tuple[SpanLink, ...]:
    """Links without a valid trace and span id lead nowhere, and are left out."""
    made = []
    for link in given:
        trace_id, span_id = form.trace_id(link.trace_id), form.span_id(link.span_id)
        if trace_id is not None and span_id is not None:
            made.append(SpanLink(trace_id, span_id, form.attributes(link.attributes)))
    return tuple(made)
