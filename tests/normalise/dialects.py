"""One conversation, told in five dialects.

An agent `support` asks its model, runs a tool, runs one that fails, and hands over to `billing`, which asks its model
and answers. The first call reads 1200 tokens, 1000 of them from a cache, and writes 80, of which 30 are reasoning; the
second one reads 1500, 1000 of them cached and 200 written to the cache, and writes 50.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.ingest.otlp.records import Resource, Scope, SpanEvent, SpanKind, SpanRecord, StatusCode
from monitor.runs.steps import StepKind, StepStatus

TRACE_ID = "5b8efff798038103d269b633813fc60c"
MODEL = "gpt-4o-2024-08-06"
MESSAGES = '[{"role": "user", "parts": [{"type": "text", "content": "Rain in Oslo? And my bill?"}]}]'
SECRET = "Rain in Oslo? And my bill?"
"""What somebody said: no dialect may leave it anywhere but in the contents."""


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

OTEL: dict[str, dict[str, Any]] = {
    "support": {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "support",
        "gen_ai.conversation.id": "c-42",
        "enduser.id": "u-7",
        "gen_ai.input.messages": MESSAGES,
    },
    "ask": {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": MODEL,
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 80,
        "gen_ai.usage.cache_read.input_tokens": 1000,
        "gen_ai.usage.reasoning.output_tokens": 30,
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.input.messages": MESSAGES,
        "gen_ai.request.temperature": 0.3,
    },
    "weather": {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_weather",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.call.arguments": '{"city": "Oslo"}',
        "gen_ai.tool.type": "function",
    },
    "invoice": {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "find_invoice",
        "gen_ai.tool.call.id": "call_2",
        "error.type": "LookupError",
    },
    "handoff": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "transfer_to_billing"},
    "billing": {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "billing",
        "gen_ai.conversation.id": "c-42",
    },
    "answer": {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": MODEL,
        "gen_ai.usage.input_tokens": 1500,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 1000,
        "gen_ai.usage.cache_write.input_tokens": 200,
        "gen_ai.response.finish_reasons": ["stop"],
    },
}

RENAMED = {
    "gen_ai.provider.name": "gen_ai.system",
    "gen_ai.usage.input_tokens": "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.output_tokens": "gen_ai.usage.completion_tokens",
    "gen_ai.usage.cache_read.input_tokens": "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cache_write.input_tokens": "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.reasoning.output_tokens": "gen_ai.usage.reasoning_tokens",
}

OTEL_OLD = {
    role: {RENAMED.get(name, name): value for name, value in told.items() if not name.endswith(".messages")}
    for role, told in OTEL.items()
}
"""Its names of before; what was said is in events."""

OPENINFERENCE: dict[str, dict[str, Any]] = {
    "support": {
        "openinference.span.kind": "AGENT",
        "agent.name": "support",
        "session.id": "c-42",
        "user.id": "u-7",
        "input.value": SECRET,
    },
    "ask": {
        "openinference.span.kind": "LLM",
        "llm.model_name": MODEL,
        "llm.request.model_name": "gpt-4o",
        "llm.provider": "openai",
        "llm.system": "openai",
        "llm.token_count.prompt": 1200,
        "llm.token_count.completion": 80,
        "llm.token_count.total": 1280,
        "llm.token_count.prompt_details.cache_read": 1000,
        "llm.token_count.completion_details.reasoning": 30,
        "llm.finish_reason": "tool_calls",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": SECRET,
        "input.value": MESSAGES,
        "input.mime_type": "application/json",
    },
    "weather": {
        "openinference.span.kind": "TOOL",
        "tool.name": "get_weather",
        "tool.id": "call_1",
        "input.value": '{"city": "Oslo"}',
        "output.value": "rain",
    },
    "invoice": {"openinference.span.kind": "TOOL", "tool.name": "find_invoice", "tool.id": "call_2"},
    "handoff": {"openinference.span.kind": "TOOL", "input.value": "support", "output.value": "billing"},
    "billing": {"openinference.span.kind": "AGENT", "agent.name": "billing", "session.id": "c-42"},
    "answer": {
        "openinference.span.kind": "LLM",
        "llm.model_name": MODEL,
        "llm.provider": "openai",
        "llm.token_count.prompt": 1500,
        "llm.token_count.completion": 50,
        "llm.token_count.prompt_details.cache_read": 1000,
        "llm.token_count.prompt_details.cache_write": 200,
        "llm.finish_reason": "stop",
    },
}

TRACELOOP: dict[str, dict[str, Any]] = {
    "support": {
        "traceloop.span.kind": "agent",
        "traceloop.entity.name": "support",
        "traceloop.association.properties.session_id": "c-42",
        "traceloop.association.properties.user_id": "u-7",
        "traceloop.entity.input": MESSAGES,
    },
    "ask": {
        "llm.request.type": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": MODEL,
        "gen_ai.usage.prompt_tokens": 1200,
        "gen_ai.usage.completion_tokens": 80,
        "llm.usage.total_tokens": 1280,
        "gen_ai.usage.cache_read_input_tokens": 1000,
        "llm.usage.reasoning_tokens": 30,
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": SECRET,
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.tool_calls.0.name": "get_weather",
        "llm.response.finish_reason": "tool_calls",
        "llm.headers": "None",
        "llm.is_streaming": False,
    },
    "weather": {
        "traceloop.span.kind": "tool",
        "traceloop.entity.name": "get_weather",
        "gen_ai.tool.call.id": "call_1",
        "traceloop.entity.input": '{"city": "Oslo"}',
        "traceloop.entity.path": "support",
    },
    "invoice": {
        "traceloop.span.kind": "tool",
        "traceloop.entity.name": "find_invoice",
        "gen_ai.tool.call.id": "call_2",
    },
    "handoff": {
        "traceloop.span.kind": "handoff",
        "gen_ai.operation.name": "handoff",
        "gen_ai.handoff.from_agent": "support",
        "gen_ai.handoff.to_agent": "billing",
    },
    "billing": {
        "traceloop.span.kind": "agent",
        "traceloop.entity.name": "billing",
        "traceloop.association.properties.session_id": "c-42",
    },
    "answer": {
        "llm.request.type": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": MODEL,
        "gen_ai.usage.prompt_tokens": 1500,
        "gen_ai.usage.completion_tokens": 50,
        "gen_ai.usage.cache_read_input_tokens": 1000,
        "gen_ai.usage.cache_creation_input_tokens": 200,
        "llm.response.finish_reason": "stop",
    },
}

VERCEL: dict[str, dict[str, Any]] = {
    "support": {
        "ai.operationId": "ai.generateText",
        "operation.name": "ai.generateText support",
        "ai.telemetry.functionId": "support",
        "ai.telemetry.metadata.sessionId": "c-42",
        "ai.telemetry.metadata.userId": "u-7",
        "ai.model.id": "gpt-4o",
        "ai.prompt": MESSAGES,
        "ai.usage.promptTokens": 1200,
        "ai.usage.completionTokens": 80,
        "ai.settings.maxRetries": 2,
    },
    "ask": {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.telemetry.functionId": "support",
        "ai.model.id": "gpt-4o",
        "ai.model.provider": "openai",
        "ai.response.model": MODEL,
        "ai.response.finishReason": "tool_calls",
        "ai.usage.inputTokens": 1200,
        "ai.usage.promptTokens": 1200,
        "ai.usage.outputTokens": 80,
        "ai.usage.cachedInputTokens": 1000,
        "ai.usage.reasoningTokens": 30,
        "ai.prompt.messages": MESSAGES,
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 80,
    },
    "weather": {
        "ai.operationId": "ai.toolCall",
        "ai.toolCall.name": "get_weather",
        "ai.toolCall.id": "call_1",
        "ai.toolCall.args": '{"city": "Oslo"}',
        "ai.toolCall.result": '"rain"',
    },
    "invoice": {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "find_invoice", "ai.toolCall.id": "call_2"},
    "handoff": {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "transfer_to_billing"},
    "billing": {
        "ai.operationId": "ai.generateText",
        "ai.telemetry.functionId": "billing",
        "ai.telemetry.metadata.sessionId": "c-42",
        "ai.usage.promptTokens": 1500,
        "ai.usage.completionTokens": 50,
    },
    "answer": {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "gpt-4o",
        "ai.model.provider": "openai",
        "ai.response.model": MODEL,
        "ai.response.finishReason": "stop",
        "ai.usage.inputTokens": 1500,
        "ai.usage.outputTokens": 50,
        "ai.usage.inputTokenDetails.cacheReadTokens": 1000,
        "ai.usage.inputTokenDetails.cacheWriteTokens": 200,
        "ai.usage.inputTokenDetails.noCacheTokens": 300,
    },
}

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
