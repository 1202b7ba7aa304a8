"""Claude Code: its events, and the spans of its traces (code.claude.com/docs/en/monitoring-usage).

`input_tokens` leaves out what came from the cache and what was written to it.

Spans: `claude_code.interaction` is a prompt with all that it caused, `.llm_request` a call, `.tool` a tool's run with
the wait for leave, of which `.tool.execution` is the part that fails or does not.

Events: all that one prompt caused carry its `prompt.id`. They become a trace of their own, named after session and
prompt, whose top is the prompt: an agent's task that ends when the last of its calls and tools does, so that its step
has no length of its own. Events that have a trace id come beside spans, which tell the same: their steps are `other`,
so that nothing counts twice.

Metrics (`claude_code.token.usage`, `claude_code.cost.usage`) tell the same sums once more: they are series, and no
line of the ledger.
"""

from monitor.ingest.normalise.dialect import (
    Dialect,
    Field,
    attempts,
    content,
    count,
    dollars,
    milliseconds,
    name,
    prose,
    success,
    words,
)
from monitor.runs.steps import StepKind

PREFIX = "claude_code."
SCOPES = frozenset({"com.anthropic.claude_code.events", "com.anthropic.claude_code"})
"""Scopes of its events, whose names say only `api_request` in `event.name`."""

SPANS = {
    "claude_code.interaction": StepKind.AGENT,
    "claude_code.llm_request": StepKind.CALL,
    "claude_code.tool": StepKind.TOOL,
    # It has the call id of the `claude_code.tool` above it: assembly takes both for one.
    "claude_code.tool.execution": StepKind.TOOL,
}
"""Kinds by a span's name; `claude_code.tool.blocked_on_user`, `claude_code.hook` and what may come are `other`."""

EVENTS = {
    "claude_code.user_prompt": StepKind.AGENT,
    "claude_code.api_request": StepKind.CALL,
    "claude_code.api_error": StepKind.CALL,
    "claude_code.tool_result": StepKind.TOOL,
    "claude_code.tool_decision": StepKind.OTHER,
    "claude_code.assistant_response": StepKind.OTHER,
}
"""Kinds by an event's name. The others say nothing of a run: they are lines only."""

FAILURES = frozenset({"claude_code.api_error"})

FIELDS = {
    "session.id": Field("conversation"),
    "user.email": Field("user"),
    "user.account_uuid": Field("user"),
    "user.id": Field("user"),
    "app.version": Field("agent_version"),
    "prompt.id": Field("_turn"),
    "model": Field("model", name),
    "input_tokens": Field("input_tokens", count),
    "output_tokens": Field("output_tokens", count),
    "cache_read_tokens": Field("cache_read_tokens", count),
    "cache_creation_tokens": Field("cache_write_tokens", count),
    "cost_usd": Field("cost_usd", dollars),
    "ttft_ms": Field("time_to_first_token_ms", milliseconds),
    "duration_ms": Field("_duration_ms", milliseconds),
    "request_id": Field("response_id"),
    "client_request_id": Field("_event_key"),
    "attempt": Field("retries", attempts),
    "stop_reason": Field("finish_reasons", words),
    "success": Field("_success", success),
    "error": Field("error_message", prose),
    "error_type": Field("error_type"),
    "status_code": Field("error_code"),
    "tool_name": Field("tool", name),
    "tool_use_id": Field("tool_call_id"),
    "tool_source": Field("tool_type"),
    "mcp_server.name": Field("mcp_server", name),
    "mcp_server_name": Field("mcp_server", name),
    "workflow.name": Field("workflow", name),
    "prompt": Field("input", content),
    "user_prompt": Field("input", content),
    "new_context": Field("input", content),
    "response": Field("output", content),
    "response.model_output": Field("output", content),
    "body": Field("output", content),
    "system_prompt_preview": Field("system", content),
    "user_system_prompt": Field("system", content),
    "tool_input": Field("arguments", content),
    "tool_parameters": Field("arguments", content),
    "full_command": Field("arguments", content),
    "bash_command": Field("arguments", content),
    "file_path": Field("arguments", content),
    "content": Field("result", content),
    "output": Field("result", content),
    "hook_definitions": Field("system", content),
}

DIALECT = Dialect(name="claude_code", fields=FIELDS, namespaces=frozenset({"claude_code"}))
