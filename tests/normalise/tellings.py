"""The conversation of dialects.py in the names of each dialect: attributes of its spans by role."""

from typing import Any

MODEL = "gpt-4o-2024-08-06"
MESSAGES = '[{"role": "user", "parts": [{"type": "text", "content": "Rain in Oslo? And my bill?"}]}]'
SECRET = "Rain in Oslo? And my bill?"
"""What somebody said: no dialect may leave it anywhere but in the contents."""

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
