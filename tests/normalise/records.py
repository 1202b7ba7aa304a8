"""Records as short as a test needs them."""

from typing import Any

from monitor.ingest.normalise.spans import steps_of_spans
from monitor.ingest.otlp.records import LogRecord, Resource, Scope, SpanEvent, SpanKind, SpanRecord, StatusCode
from monitor.runs.steps import Step

AT_NS = 1_764_000_000_000_000_000
AT_US = AT_NS // 1000
TRACE, SPAN = "a" * 32, "b" * 16
CLAUDE = Scope("com.anthropic.claude_code.events", "2.1.0", {})


def span(
    attributes: dict[str, Any],
    *events: tuple[str, dict[str, Any]],
    name: str = "a span",
    scope: str = "tests",
    code: StatusCode = StatusCode.UNSET,
    message: str = "",
    resource: dict[str, Any] | None = None,
) -> SpanRecord:
    """A span of one second."""
    return SpanRecord(
        Resource({"service.name": "desk"} if resource is None else resource),
        Scope(scope, "", {}),
        TRACE,
        SPAN,
        None,
        name,
        SpanKind.INTERNAL,
        AT_NS,
        AT_NS + 1_000_000_000,
        code,
        message,
        attributes,
        tuple(SpanEvent(AT_NS + 250_000_000, called, told) for called, told in events),
    )


def step(attributes: dict[str, Any], *events: tuple[str, dict[str, Any]], **more: Any) -> Step:
    """The step that a span becomes."""
    return steps_of_spans([span(attributes, *events, **more)]).steps[0]


def event(
    name: str,
    attributes: dict[str, Any],
    *,
    at_ms: int = 0,
    body: Any = None,
    scope: Scope | None = None,
    within: tuple[str, str] | None = None,
    field: bool = False,
) -> LogRecord:
    """A log record that is an event: its name in the attribute, or in the record's own field."""
    return LogRecord(
        Resource({"service.name": "desk", "service.version": "2.1.0"}),
        scope or Scope("tests", "", {}),
        AT_NS + at_ms * 1_000_000,
        AT_NS + at_ms * 1_000_000,
        9,
        "INFO",
        body,
        attributes if field or not name else {"event.name": name, **attributes},
        None if within is None else within[0],
        None if within is None else within[1],
        name if field else "",
    )
