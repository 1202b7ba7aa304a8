"""Both decoders say the same of the same message, and say it right."""

import json
from typing import Any

import msgspec
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from monitor.errors import TooLarge, Unreadable
from monitor.ingest.otlp import forms, protocol, reading, records
from monitor.ingest.otlp.logs import logs
from monitor.ingest.otlp.metrics import metrics
from monitor.ingest.otlp.protocol import LOGS, METRICS, TRACES, Encoding, Signal
from monitor.ingest.otlp.traces import spans
from monitor.ingest.payloads import Outcome
from tests.otlp import strategies
from tests.otlp.requests import traces
from tests.otlp.spelling import otlp_json

NS = 1_700_000_000_000_000_000
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def _decoded(signal: Signal, body: bytes, encoding: Encoding) -> tuple[list[Any], Outcome]:
    message, form = protocol.read(signal, body, encoding)
    outcome = Outcome()
    if signal is TRACES:
        return list(spans(message, form, outcome).values()), outcome
    return list(metrics(message, form) if signal is METRICS else logs(message, form)), outcome


def _check_both(signal: Signal, message: Message) -> None:
    one, first = _decoded(signal, message.SerializeToString(), Encoding.PROTOBUF)
    other, second = _decoded(signal, otlp_json(message), Encoding.JSON)
    # By their text: NaN is not equal to itself.
    assert repr(one) == repr(other)
    assert first == second
    for record in one:
        msgspec.json.encode(getattr(record, "attributes", None))


@QUICK
@given(strategies.traces)
def test_spans_are_the_same_in_both_spellings(message: Message) -> None:
    _check_both(TRACES, message)


@QUICK
@given(strategies.logs)
def test_log_records_are_the_same_in_both_spellings(message: Message) -> None:
    _check_both(LOGS, message)


@QUICK
@given(strategies.metrics)
def test_metrics_are_the_same_in_both_spellings(message: Message) -> None:
    _check_both(METRICS, message)


def _span(**fields: Any) -> dict[str, Any]:
    return {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "B7AD6B7169203331", **fields}


def _read(span: dict[str, Any]) -> tuple[list[records.SpanRecord], Outcome]:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    return _decoded(TRACES, body, Encoding.JSON)


def test_a_span_with_everything_said() -> None:
    (made,), _ = _read(
        _span(
            parentSpanId="00f067aa0ba902b7",
            name="chat",
            kind=3,
            startTimeUnixNano=str(NS),
            endTimeUnixNano=NS + 5,
            attributes=[
                {"key": "text", "value": {"stringValue": "a\u0000b"}},
                {"key": "whole", "value": {"intValue": "9007199254740993"}},
                {"key": "number", "value": {"doubleValue": 1}},
                {"key": "nan", "value": {"doubleValue": "NaN"}},
                {"key": "list", "value": {"arrayValue": {"values": [{"boolValue": True}, {}]}}},
                {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"bytesValue": "_-8"}}]}}},
            ],
            events=[{"timeUnixNano": "7", "name": "exception", "attributes": []}],
            links=[{"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "00f067aa0ba902b7"}, {"traceId": "00"}],
            status={"code": 2, "message": "bad"},
            unknown={"anything": [1, {"at": "all"}]},
        )
    )
    assert made == records.SpanRecord(
        records.Resource({}),
        records.Scope("", "", {}),
        "0af7651916cd43dd8448eb211c80319c",
        "b7ad6b7169203331",
        "00f067aa0ba902b7",
        "chat",
        records.SpanKind.CLIENT,
        NS,
        NS + 5,
        records.StatusCode.ERROR,
        "bad",
        {
            "text": "a\ufffdb",
            "whole": 9007199254740993,
            "number": 1.0,
            "nan": "NaN",
            "list": [True, None],
            "map": {"k": "/+8="},
        },
        (records.SpanEvent(7, "exception", {}),),
        (records.SpanLink("0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7", {}),),
    )


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("traceId", "", "trace id"),
        ("traceId", "0" * 32, "trace id"),
        ("traceId", "0af7651916cd43dd8448eb211c80319", "trace id"),
        ("traceId", "CvdlGRbNQ92ESOshHIAxnAAAAAAAAAAA", "trace id"),
        ("spanId", None, "span id"),
        ("spanId", "b7ad6b716920333 ", "span id"),
    ],
)
def test_a_span_that_cannot_be_kept_is_named(field: str, value: str | None, fault: str) -> None:
    kept, outcome = _read(_span(startTimeUnixNano=NS) | {field: value})
    assert kept == []
    ((index, error),) = outcome.rejected
    assert index == 0
    assert fault in error


def test_a_span_that_ends_before_it_starts_lasted_no_time_and_one_without_an_end_has_none() -> None:
    (made,), _ = _read(_span(startTimeUnixNano=NS, endTimeUnixNano=NS - 1))
    assert made.end_ns == NS
    (made,), _ = _read(_span(startTimeUnixNano=NS))
    assert made.end_ns == 0


def _valued(value: bytes) -> bytes:
    return b'{"resourceSpans": [{"resource": {"attributes": [{"key": "k", "value": ' + value + b"}]}}]}"


def _arrays(depth: int) -> bytes:
    return _valued(b'{"arrayValue": {"values": [' * depth + b"]}}" * depth)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"{",
        b"\xff",
        b'{"resourceSpans": {}}',
        b'{"resourceSpans": [null]}',
        b'{"resourceSpans": [{"resource": {"attributes": [{"key": 5}]}}]}',
        _valued(b'{"intValue": "x"}'),
        _valued(b'{"intValue": 9223372036854775808}'),
        _valued(b'{"bytesValue": "!"}'),
        _valued(b'{"stringValue": "\\ud800"}'),
        _arrays(40),
        _arrays(100_000),
    ],
)
def test_json_that_is_not_a_request_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        _decoded(TRACES, body, Encoding.JSON)


def field(number: int, content: bytes) -> bytes:
    """A field of bytes, as protobuf writes it."""
    size, length = [], len(content)
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + content


def test_values_of_protobuf_that_are_nested_too_deeply_are_unreadable() -> None:
    def nested(depth: int) -> bytes:
        value = field(1, b"x")
        for _ in range(depth):
            # AnyValue.array_value, ArrayValue.values
            value = field(5, field(1, value))
        # resource_spans, resource, attributes, value
        return field(1, field(1, field(1, field(2, value))))

    _decoded(TRACES, nested(30), Encoding.PROTOBUF)
    for depth in (31, 44, 90, 10_000):
        with pytest.raises(Unreadable):
            _decoded(TRACES, nested(depth), Encoding.PROTOBUF)


def test_protobuf_that_is_cut_off_is_unreadable() -> None:
    message = ExportMetricsServiceRequest()
    message.resource_metrics.add().resource.attributes.add(key="k").value.string_value = "v"
    body = message.SerializeToString()
    with pytest.raises(Unreadable):
        _decoded(METRICS, body[:-1], Encoding.PROTOBUF)


SPAN = traces(1).resource_spans[0].scope_spans[0].spans[0].SerializeToString()


def test_outer_messages_of_protobuf_may_come_in_pieces_and_with_fields_that_are_not_known() -> None:
    named = Resource(attributes=[KeyValue(key="a", value=AnyValue(string_value="1"))]).SerializeToString()
    more = Resource(attributes=[KeyValue(key="b", value=AnyValue(int_value=2))]).SerializeToString()
    # A number, four bytes, eight bytes, and text, in fields 15 to 18.
    unknown = b"\x78\x96\x01" + b"\x85\x01abcd" + b"\x89\x01abcdefgh" + b"\x92\x01\x04text"
    part = unknown + field(2, SPAN) + field(1, b"\x0a\x01s")
    group = field(1, named) + unknown + field(2, part) + field(1, more)
    kept, _ = _decoded(TRACES, unknown + field(1, group) * 2, Encoding.PROTOBUF)
    assert [(span.scope.name, span.resource.attributes) for span in kept] == [("s", {"a": "1", "b": 2})] * 2


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0a\x80",
        b"\x0a" + b"\xff" * 10,
        b"\x00\x01",
        b"\x02\x00",
        b"\x0b\x0c",
        b"\x0f",
        b"\x15abc",
        field(1, field(2, b"\x12\x09")),
        field(1, field(2, field(2, SPAN[:-1]))),
        field(1, field(1, b"\x0a")),
        field(1, field(2, field(1, b"\xff"))),
        field(1, field(2, field(2, field(5, b"\xff")))),
    ],
)
def test_damaged_protobuf_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        _decoded(TRACES, body, Encoding.PROTOBUF)


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a\x00" * 10,
        field(1, b"\x12\x00" * 10),
        field(1, field(2, b"\x12\x00" * 10)),
        field(1, field(1, b"\x0a\x00" * 10)),
        field(1, field(2, field(2, SPAN + b"\x4a\x00" * 10))),
        field(1, field(2, field(2, SPAN + b"\x5a\x00" * 10))),
        field(1, field(2, field(2, SPAN + field(9, field(2, field(5, b"\x0a\x00" * 10)))))),
        field(1, field(2, field(2, SPAN + b" " * 1000))),
    ],
)
def test_what_would_take_many_times_its_size_is_too_large(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECES_LIMIT", 9)
    monkeypatch.setattr(reading, "PIECE_BYTES", 1000)
    monkeypatch.setattr(forms, "VALUES_LIMIT", 9)
    with pytest.raises(TooLarge):
        _decoded(TRACES, body, Encoding.PROTOBUF)


def test_an_absent_field_and_null_are_the_same() -> None:
    (made,), _ = _read(_span(startTimeUnixNano=NS, name=None, kind=None, attributes=None, status=None, events=None))
    assert made.name == ""
    assert made.kind is records.SpanKind.UNSPECIFIED
    assert made.attributes == {}


def test_more_objects_than_the_limit_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "OBJECTS_LIMIT", 3)
    with pytest.raises(TooLarge):
        _decoded(TRACES, b'{"resourceSpans": [{}, {}, {}]}', Encoding.JSON)
