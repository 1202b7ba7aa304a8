"""Requests of the three signals, in words that tests can read."""

import time
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.otlp.spelling import otlp_json

PROTOBUF, JSON = "application/x-protobuf", "application/json"
AGENT = "akira-001"


def now_ns() -> int:
    """The time, as the tests' clocks begin with it."""
    return time.time_ns()


def traces(*span_ids: int, **more: Any) -> ExportTraceServiceRequest:
    """A request of spans of one trace with these ids; 0 is not a valid one."""
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = AGENT
    spans = group.scope_spans.add().spans
    for span_id in span_ids:
        span = spans.add(trace_id=b"t" * 16, span_id=span_id.to_bytes(8), name=f"invoke_agent {AGENT}", **more)
        span.start_time_unix_nano = span.start_time_unix_nano or now_ns() - 10**9
        span.end_time_unix_nano = span.start_time_unix_nano + 10**8
        span.attributes.add(key="gen_ai.operation.name").value.string_value = "invoke_agent"
        span.attributes.add(key="gen_ai.agent.name").value.string_value = AGENT
    return made


def metrics(*values: float, name: str = "queue.length", at_ns: int | None = None) -> ExportMetricsServiceRequest:
    """A request of a gauge with these values, a second apart."""
    made = ExportMetricsServiceRequest()
    group = made.resource_metrics.add()
    group.resource.attributes.add(key="service.name").value.string_value = AGENT
    metric = group.scope_metrics.add().metrics.add(name=name, unit="{task}")
    begin = now_ns() - 10**11 if at_ns is None else at_ns
    for place, value in enumerate(values):
        point = metric.gauge.data_points.add(time_unix_nano=begin + place * 10**9)
        if isinstance(value, int):
            point.as_int = value
        else:
            point.as_double = value
    return made


def logs(*bodies: str, at_ns: int | None = None) -> ExportLogsServiceRequest:
    """A request of log records with these bodies, a millisecond apart."""
    made = ExportLogsServiceRequest()
    group = made.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = AGENT
    records = group.scope_logs.add().log_records
    begin = now_ns() - 10**11 if at_ns is None else at_ns
    for place, body in enumerate(bodies):
        record = records.add(time_unix_nano=begin + place * 10**6, severity_number=9)
        record.body.string_value = body
    return made


def spelled(message: Message, encoding: str) -> bytes:
    """The body of a request."""
    return message.SerializeToString() if encoding == PROTOBUF else otlp_json(message)
