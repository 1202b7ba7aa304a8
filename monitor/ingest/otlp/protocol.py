"""The three signals of the protocol: where they are sent, how they are read, and what is answered.

From opentelemetry-proto (docs/specification.md): answers are in the request's encoding, errors are
a `google.rpc.Status`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from monitor.ingest.otlp import messages, reading
from monitor.ingest.otlp.forms import Form
from monitor.ingest.otlp.reading import Names, Records
from monitor.ingest.payloads import Outcome

_NAMED = 5
_MESSAGE_LIMIT = 1000

CODES: dict[int, int] = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    413: Code.RESOURCE_EXHAUSTED,
    415: Code.INVALID_ARGUMENT,
    422: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    503: Code.UNAVAILABLE,
}
"""gRPC's code for an HTTP status; INTERNAL for others."""


class Encoding(StrEnum):
    """How a request is spelled, as its Content-Type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Signal:
    """One of traces, metrics, logs. `noun` is one of what it holds, `rejected` the field that counts those refused.

    `record` is the protobuf message of one, `response` that of an answer; `json` reads a request in JSON.
    """

    name: str
    service: str
    noun: str
    rejected: str
    record: Callable[[], Message]
    response: Callable[..., Message]
    json: msgspec.json.Decoder[Any]
    names: Names

    @property
    def path(self) -> str:
        """Where it is posted."""
        return f"/v1/{self.name}"


TRACES = Signal(
    "traces",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    "span",
    "rejected_spans",
    Span,
    ExportTraceServiceResponse,
    messages.TRACES,
    Names("resource_spans", "scope_spans", "spans"),
)
METRICS = Signal(
    "metrics",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "data point",
    "rejected_data_points",
    Metric,
    ExportMetricsServiceResponse,
    messages.METRICS,
    Names("resource_metrics", "scope_metrics", "metrics"),
)
LOGS = Signal(
    "logs",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    "log record",
    "rejected_log_records",
    LogRecord,
    ExportLogsServiceResponse,
    messages.LOGS,
    Names("resource_logs", "scope_logs", "log_records"),
)
SIGNALS = (TRACES, METRICS, LOGS)


def read(signal: Signal, body: bytes, encoding: Encoding) -> tuple[Records, Form]:
    """A request's records and how to ask them. Raises Unreadable and TooLarge, now or while records are taken."""
    if encoding is Encoding.PROTOBUF:
        return reading.from_protobuf(signal.record, body)
    return reading.from_json(signal.json, signal.names, body)


def success(signal: Signal, outcome: Outcome, encoding: Encoding) -> bytes:
    """The answer's body: empty where everything is kept, else how many are refused or changed, and why."""
    refused, message = len({index for index, _ in outcome.rejected}), _message(signal, outcome)
    if not refused and not message:
        return b"" if encoding is Encoding.PROTOBUF else b"{}"
    if encoding is Encoding.PROTOBUF:
        made = signal.response(partial_success={signal.rejected: refused, "error_message": message})
        return made.SerializeToString()
    first, *rest = signal.rejected.split("_")
    count = {first + "".join(word.title() for word in rest): str(refused)} if refused else {}
    return msgspec.json.encode({"partialSuccess": {**count, "errorMessage": message}})


def failure(status: int, message: str, encoding: Encoding) -> bytes:
    """The body of an error: a Status, whose code is gRPC's for the HTTP status."""
    code = CODES.get(status, Code.INTERNAL)
    if encoding is Encoding.JSON:
        return msgspec.json.encode({"code": code, "message": message})
    made: bytes = Status(code=code, message=message).SerializeToString()
    return made


def _message(signal: Signal, outcome: Outcome) -> str:
    """The first faults and warnings, by the places of what they are about."""
    lines = list(_lines(signal, sorted(outcome.rejected), "not kept"))
    lines += _lines(signal, sorted(outcome.warnings), "changed")
    return "; ".join(lines)[:_MESSAGE_LIMIT]


def _lines(signal: Signal, faults: list[tuple[int, str]], verdict: str) -> Iterator[str]:
    for index, fault in faults[:_NAMED]:
        yield f"{signal.noun} {index} {verdict}: {fault}"
    if len(faults) > _NAMED:
        yield f"and {len(faults) - _NAMED} more {verdict}"
