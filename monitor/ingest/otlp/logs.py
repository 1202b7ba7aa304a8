"""Log records of a request. Pure."""

from typing import Any

from monitor.ingest.otlp.forms import Form, text
from monitor.ingest.otlp.reading import Records
from monitor.ingest.otlp.records import LogRecord, Resource, Scope


def logs(given: Records, form: Form) -> list[LogRecord]:
    """All log records of a request, in its order.

    As the protocol wants it, one with an id that is not valid belongs to no trace.
    """
    return [_log(resource, scope, record, form) for resource, scope, record in given]


def _log(resource: Resource, scope: Scope, given: Any, form: Form) -> LogRecord:
    trace_id = form.trace_id(given.trace_id)
    return LogRecord(
        resource,
        scope,
        given.time_unix_nano or 0,
        given.observed_time_unix_nano or 0,
        given.severity_number or 0,
        text(given.severity_text),
        form.value(given.body),
        form.attributes(given.attributes),
        trace_id,
        None if trace_id is None else form.span_id(given.span_id),
        text(given.event_name),
    )
