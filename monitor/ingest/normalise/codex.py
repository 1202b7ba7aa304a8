"""Codex: its events (openai/codex, codex-rs/otel/src/events/session_telemetry.rs).

`input_token_count` includes `cached_token_count`, `output_token_count` includes `reasoning_token_count`. Tokens come
with the end of a stream of the model's answer (`codex.sse_event` of the kind `response.completed`), not with
`codex.api_request`, which tells of a call only where that fails.

No event names the turn that caused it. So a conversation is a trace, named after `conversation.id`, and one task,
whose step `codex.conversation_starts` makes; as in Claude Code it ends with the last of its calls and tools.

Codex' own spans tell once more, without a model, what its events tell, which are the ones it sends first: a span with
an attribute in `codex.` is `other`. Likewise its metrics (`codex.turn.token_usage`) are series only.
"""

from monitor.ingest.normalise.dialect import (
    Dialect,
    Field,
    attempts,
    content,
    count,
    milliseconds,
    name,
    prose,
    success,
)
from monitor.runs.steps import StepKind

PREFIX = "codex."

EVENTS = {
    "codex.conversation_starts": StepKind.AGENT,
    "codex.user_prompt": StepKind.OTHER,
    "codex.api_request": StepKind.OTHER,
    "codex.sse_event": StepKind.OTHER,
    "codex.tool_decision": StepKind.OTHER,
    "codex.tool_result": StepKind.TOOL,
}
"""Kinds by an event's name. The others are lines only."""

ENDS_OF_CALLS = frozenset({"response.completed", "response.failed"})
"""Kinds of `codex.sse_event` that end a call; the other pieces of a stream are lines only, unless they failed."""

CALLS_WHERE_FAILED = frozenset({"codex.api_request", "codex.sse_event"})

FIELDS = {
    "conversation.id": Field("conversation"),
    "user.email": Field("user"),
    "user.account_id": Field("user"),
    "app.version": Field("agent_version"),
    "provider_name": Field("provider"),
    "model": Field("model", name),
    "event.kind": Field("_stream"),
    "input_token_count": Field("input_tokens", count),
    "output_token_count": Field("output_tokens", count),
    "cached_token_count": Field("cache_read_tokens", count),
    "cache_write_token_count": Field("cache_write_tokens", count),
    "reasoning_token_count": Field("reasoning_tokens", count),
    "ttft_ms": Field("time_to_first_token_ms", milliseconds),
    "duration_ms": Field("_duration_ms", milliseconds),
    "attempt": Field("retries", attempts),
    "success": Field("_success", success),
    "error.message": Field("error_message", prose),
    "http.response.status_code": Field("error_code"),
    "tool_name": Field("tool", name),
    "call_id": Field("tool_call_id"),
    "tool_origin": Field("tool_type"),
    "mcp_server": Field("mcp_server", name),
    "prompt": Field("input", content),
    "arguments": Field("arguments", content),
    "output": Field("result", content),
}

SPAN_FIELDS = {
    "codex.usage.total_tokens": Field("_codex", count),
    "codex.usage.reasoning_output_tokens": Field("reasoning_tokens", count),
}
"""What its spans tell beside OpenTelemetry's names."""

DIALECT = Dialect(name="codex", fields=FIELDS, namespaces=frozenset({"codex"}))
SPANS = Dialect(name="codex", fields=SPAN_FIELDS, namespaces=frozenset({"codex"}))
