"""Log records of a request. Pure."""

from typing import Any

from monitor.ingest.otlp.forms import Form, text
from monitor.ingest.otlp.records import LogRecord, Resource, Scope
from monitor.ingest.otlp.traces import resource_of, scope_of


def logs(request: Any, form: Form) -> list[LogRecord]:
    """All records of an ExportLogsServiceRequest, in its order.

    As the protocol wants it, one with an id that is not valid belongs to no trace.
    """
    kept: list[LogRecord] = []
    for group in request.resource_logs or ():
        resource = resource_of(group.resource, form)
        for part in group.scope_logs or ():
            scope = scope_of(part.scope, form)
            kept.extend(_log(resource, scope, given, form) for given in part.log_records or ())
    return kept


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
