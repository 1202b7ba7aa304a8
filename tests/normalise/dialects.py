"""One conversation, told in five dialects.

An agent `support` asks its model, runs a tool, runs one that fails, and hands over to `billing`, which asks its model
and answers. The first call reads 1200 tokens, 1000 of them from a cache, and writes 80, of which 30 are reasoning; the
second one reads 1500, 1000 of them cached and 200 written to the cache, and writes 50.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.ingest.otlp.records import Resource, Scope, SpanEvent, SpanKind, SpanRecord, StatusCode
from monitor.runs.steps import StepKind, StepStatus
from tests.normalise.tellings import MESSAGES, MODEL, OPENINFERENCE, OTEL, OTEL_OLD, SECRET, TRACELOOP, VERCEL

TRACE_ID = "5b8efff798038103d269b633813fc60c"


class Part(NamedTuple):
    """Where a step stands in the conversation: its parent's role, when it starts and ends in milliseconds."""

    parent: str | None
    start_ms: int
    end_ms: int


PARTS = {
    "support": Part(None, 0, 9000),
    "ask": Part("support", 100, 1100),
    "weather": Part("support", 1200, 1500),
    "invoice": Part("support", 1600, 1900),
    "handoff": Part("support", 2000, 2010),
    "billing": Part("support", 2100, 8900),
    "answer": Part("billing", 2200, 8800),
}

EXPECTED: dict[str, dict[str, Any]] = {
    "support": {"kind": StepKind.AGENT, "agent": "support", "conversation": "c-42", "user": "u-7"},
    "ask": {
        "kind": StepKind.CALL,
        "model": MODEL,
        "request_model": "gpt-4o",
        "provider": "openai",
        "input_tokens": 1200,
        "output_tokens": 80,
        "cache_read_tokens": 1000,
        "reasoning_tokens": 30,
        "finish_reasons": ["tool_calls"],
    },
    "weather": {
        "kind": StepKind.TOOL,
        "tool": "get_weather",
        "tool_call_id": "call_1",
        "arguments": '{"city": "Oslo"}',
    },
    "invoice": {
        "kind": StepKind.TOOL,
        "tool": "find_invoice",
        "tool_call_id": "call_2",
        "status": StepStatus.ERROR,
        "error_message": "no such invoice",
    },
    "handoff": {"kind": StepKind.HANDOFF, "handoff_to": "billing"},
    "billing": {"kind": StepKind.AGENT, "agent": "billing", "conversation": "c-42"},
    "answer": {
        "kind": StepKind.CALL,
        "model": MODEL,
        "input_tokens": 1500,
        "output_tokens": 50,
        "cache_read_tokens": 1000,
        "cache_write_tokens": 200,
        "finish_reasons": ["stop"],
    },
}
"""What every dialect comes down to, by role: kind, agent and status (no failure where none is named), and facts."""

DIALECTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "otel": OTEL,
    "otel_old": OTEL_OLD,
    "openinference": OPENINFERENCE,
    "traceloop": TRACELOOP,
    "vercel": VERCEL,
}

SAID: Mapping[tuple[str, str], tuple[str, Mapping[str, Any]]] = {
    ("otel_old", "support"): ("gen_ai.user.message", {"content": SECRET, "role": "user"}),
    ("otel_old", "ask"): ("gen_ai.content.prompt", {"gen_ai.prompt": MESSAGES}),
}
"""Events of spans that hold what was said, by dialect and role."""

NAMES = {"handoff": "handoff to billing"}


def span_id(role: str) -> str:
    """The id of a role's span."""
    return f"{list(PARTS).index(role) + 1:016x}"


def conversation(
    dialect: str, *, start_ns: int = 1_764_000_000_000_000_000, trace_id: str = TRACE_ID
) -> list[SpanRecord]:
    """The conversation's spans, children before their parents, as exporters send them."""
    resource = Resource({"service.name": "desk", "service.version": "2.1.0", "deployment.environment.name": "test"})
    scope = Scope(f"test.{dialect}", "1", {})
    made = []
    for role, told in DIALECTS[dialect].items():
        part = PARTS[role]
        said = SAID.get((dialect, role))
        failed = EXPECTED[role].get("status") is StepStatus.ERROR
        made.append(
            SpanRecord(
                resource,
                scope,
                trace_id,
                span_id(role),
                None if part.parent is None else span_id(part.parent),
                NAMES.get(role, role),
                SpanKind.INTERNAL,
                start_ns + part.start_ms * 1_000_000,
                start_ns + part.end_ms * 1_000_000,
                StatusCode.ERROR if failed else StatusCode.UNSET,
                "no such invoice" if failed else "",
                dict(told),
                () if said is None else (SpanEvent(start_ns, *said),),
            )
        )
    return made[::-1]
