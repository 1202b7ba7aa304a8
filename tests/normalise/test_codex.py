"""Codex' events and spans."""

from typing import Any
from uuid import UUID, uuid5

from monitor.ingest.normalise.events import steps_of_logs
from monitor.ingest.otlp.records import LogRecord
from monitor.runs.assembly import assemble
from monitor.runs.model import Runs, RunStatus, ToolStatus
from monitor.runs.steps import StepKind
from monitor.runs.tree import Trace
from tests.normalise.records import SPAN, TRACE, event, step

COMMON = {"conversation.id": "0199-c", "app.version": "0.137.0", "model": "gpt-5.1-codex", "user.account_id": "acc"}
ENDED = {
    "event.kind": "response.completed",
    "input_token_count": "1200",
    "output_token_count": "80",
    "cached_token_count": 1000,
    "reasoning_token_count": 30,
    "tool_token_count": "1280",
}


def told(name: str, attributes: dict[str, Any], *, at_ms: int, **more: Any) -> LogRecord:
    """An event as it is sent."""
    return event(f"codex.{name}", {**COMMON, **attributes}, at_ms=at_ms, **more)


def conversation() -> list[LogRecord]:
    """A conversation with two calls, one of them after an attempt that failed, and two tools."""
    tool = {"tool_name": "shell", "duration_ms": "500", "arguments": '{"command": ["ls"]}', "mcp_server": ""}
    return [
        told("conversation_starts", {"provider_name": "OpenAI", "mcp_servers": "apps"}, at_ms=0),
        told("user_prompt", {"prompt_length": "5", "prompt": "[REDACTED]"}, at_ms=10),
        told("api_request", {"duration_ms": "900", "http.response.status_code": 200, "attempt": 1}, at_ms=1000),
        told("sse_event", {"event.kind": "response.output_text.delta", "duration_ms": "3"}, at_ms=1100),
        told("sse_event", ENDED, at_ms=2000),
        told("tool_decision", {"tool_name": "shell", "call_id": "c1", "decision": "approved"}, at_ms=2100),
        told("tool_result", tool | {"call_id": "c1", "success": "true", "output": "a.txt"}, at_ms=3000),
        told("tool_result", tool | {"call_id": "c2", "success": "false", "output": "no"}, at_ms=3500),
        told("api_request", {"http.response.status_code": 503, "error.message": "busy", "attempt": 1}, at_ms=4000),
        told("sse_event", ENDED, at_ms=6000),
    ]


def runs(records: list[LogRecord]) -> Runs:
    trace = Trace(steps_of_logs(records).steps)
    return assemble(trace, {name: uuid5(UUID(int=0), name) for name in trace.agents}).runs


def test_a_conversation_is_a_task_with_its_calls_and_tools() -> None:
    outcome = steps_of_logs(conversation())
    assert outcome.misfits == {}
    made = runs(conversation())
    (task,) = made.tasks
    assert (task.conversation, task.user, task.status) == ("0199-c", "acc", RunStatus.COMPLETED)
    # A request that went well is told by the end of its answer; one that failed by itself.
    assert [call.failed for call in made.calls] == [False, True, False]
    for call in (made.calls[0], made.calls[2]):
        tokens = call.tokens
        assert (tokens.input, tokens.output, tokens.cache_read, tokens.reasoning) == (1200, 80, 1000, 30)
        assert (call.task_id, call.model) == (task.id, "gpt-5.1-codex")
    assert (made.calls[1].error_message, made.calls[1].tokens.total) == ("busy", 0)
    assert [(tool.call_id, tool.status) for tool in made.tools] == [
        ("c1", ToolStatus.SUCCESS),
        ("c2", ToolStatus.ERROR),
    ]
    # What a failed tool printed is contents, no error message.
    assert (made.tools[1].error_message, made.tools[1].result) == (None, "no")
    assert made.tools[0].parameters == '{"command": ["ls"]}'
    assert made.tools[0].mcp_server is None


def test_pieces_of_a_stream_are_lines_only_unless_they_failed() -> None:
    pieces = [told("sse_event", {"event.kind": "response.created"}, at_ms=at) for at in range(5)]
    assert steps_of_logs(pieces).steps == []
    failed = told("sse_event", {"event.kind": "response.failed", "error.message": "quota"}, at_ms=9)
    (made,) = steps_of_logs([*pieces, failed]).steps
    assert (made.kind, made.status, made.facts["error_message"]) == (StepKind.CALL, "error", "quota")


def test_an_event_within_a_span_links_to_it() -> None:
    (made,) = steps_of_logs([told("sse_event", ENDED, at_ms=0, within=(TRACE, SPAN))]).steps
    assert made.trace_id != TRACE
    assert list(made.links) == [{"trace_id": TRACE, "span_id": SPAN}]


def test_its_spans_are_no_calls() -> None:
    usage = {"gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 80, "gen_ai.request.model": "gpt-5.1"}
    assert step(usage | {"codex.usage.total_tokens": 1280}).kind is StepKind.OTHER
    assert step(usage).kind is StepKind.CALL


def test_a_tool_of_an_mcp_server_names_it() -> None:
    tool = {"tool_name": "search", "call_id": "c1", "success": "true", "mcp_server": "docs", "tool_origin": "mcp"}
    (made,) = steps_of_logs([told("tool_result", tool, at_ms=0)]).steps
    assert (made.facts["mcp_server"], made.facts["tool_type"]) == ("docs", "mcp")
