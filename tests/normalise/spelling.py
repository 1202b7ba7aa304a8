"""Records spelled as OTLP's JSON, for requests to a collector."""

from collections.abc import Iterable, Mapping
from typing import Any

from monitor.ingest.otlp.records import LogRecord, SpanRecord


def traces(records: Iterable[SpanRecord]) -> dict[str, Any]:
    """A body for `/v1/traces`; each span stands under a resource and a scope of its own."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(one.resource.attributes)},
                "scopeSpans": [{"scope": {"name": one.scope.name}, "spans": [_span(one)]}],
            }
            for one in records
        ]
    }


def logs(records: Iterable[LogRecord]) -> dict[str, Any]:
    """A body for `/v1/logs`."""
    return {
        "resourceLogs": [
            {
                "resource": {"attributes": _attributes(one.resource.attributes)},
                "scopeLogs": [{"scope": {"name": one.scope.name}, "logRecords": [_log(one)]}],
            }
            for one in records
        ]
    }


def _span(one: SpanRecord) -> dict[str, Any]:
    return {
        "traceId": one.trace_id,
        "spanId": one.span_id,
        "parentSpanId": one.parent_id or "",
        "name": one.name,
        "kind": int(one.kind),
        "startTimeUnixNano": str(one.start_ns),
        "endTimeUnixNano": str(one.end_ns),
        "status": {"code": int(one.status_code), "message": one.status_message},
        "attributes": _attributes(one.attributes),
        "events": [
            {"timeUnixNano": str(event.time_ns), "name": event.name, "attributes": _attributes(event.attributes)}
            for event in one.events
        ],
    }


def _log(one: LogRecord) -> dict[str, Any]:
    return {
        "timeUnixNano": str(one.time_ns),
        "severityNumber": one.severity_number,
        "body": _value(one.body),
        "attributes": _attributes(one.attributes),
    }


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": value}
