"""Claude Code's events and spans."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from monitor.ingest.normalise.events import steps_of_logs
from monitor.ingest.normalise.spans import steps_of_spans
from monitor.ingest.otlp.records import LogRecord, SpanRecord, StatusCode
from monitor.runs.assembly import Assembled, assemble
from monitor.runs.model import RunStatus, ToolStatus
from monitor.runs.steps import StepKind
from monitor.runs.tree import Trace
from tests.normalise.records import AT_US, CLAUDE, SPAN, TRACE, event, span

COMMON = {"session.id": "s-1", "prompt.id": "p-1", "user.id": "u-1", "app.version": "2.1.224"}


def told(name: str, attributes: dict[str, Any], *, at_ms: int, **more: Any) -> LogRecord:
    """An event as it is sent: the name without its prefix, the whole of it as the body."""
    attributes = {**COMMON, **attributes}
    return event(name, attributes, at_ms=at_ms, body=f"claude_code.{name}", scope=CLAUDE, **more)


def prompt(**more: Any) -> list[LogRecord]:
    """A prompt with two calls, a tool that worked and one that did not."""
    return [
        told("user_prompt", {"prompt_length": "31", "prompt": "Fix it, please"}, at_ms=0, **more),
        told("api_request", CALL | {"request_id": "req_1"}, at_ms=3000, **more),
        told("tool_decision", {"tool_name": "Bash", "tool_use_id": "t1", "decision": "accept"}, at_ms=3100, **more),
        told("tool_result", TOOL | {"tool_use_id": "t1", "success": "true"}, at_ms=4000, **more),
        told("tool_result", TOOL | {"tool_use_id": "t2", "success": "false", "error": "exit 1"}, at_ms=4500, **more),
        told("api_request", CALL | {"request_id": "req_2"}, at_ms=8000, **more),
        told("plugin_loaded", {"plugin.name": "x"}, at_ms=8100, **more),
    ]


CALL = {
    "model": "claude-sonnet-4-5",
    "input_tokens": "10",
    "output_tokens": "200",
    "cache_read_tokens": "5000",
    "cache_creation_tokens": "700",
    "cost_usd": "0.0123",
    "duration_ms": "2500",
    "ttft_ms": 400,
}
TOOL = {"tool_name": "Bash", "duration_ms": "800", "tool_parameters": '{"bash_command": "make"}'}


def assembled(records: list[LogRecord], *, fresh: set[str] | None = None) -> Assembled:
    trace = Trace(steps_of_logs(records).steps, fresh=fresh or ())
    return assemble(trace, {name: uuid5(UUID(int=0), name) for name in trace.agents})


def test_a_prompt_is_a_task_with_its_calls_and_tools() -> None:
    outcome = steps_of_logs(prompt())
    assert outcome.misfits == {}
    assert [step.kind for step in outcome.steps] == [
        StepKind.AGENT, StepKind.CALL, StepKind.OTHER, StepKind.TOOL, StepKind.TOOL, StepKind.CALL,
    ]  # fmt: skip
    runs = assembled(prompt()).runs
    (task,) = runs.tasks
    assert (task.conversation, task.user, task.agent_version) == ("s-1", "u-1", "2.1.224")
    assert task.completed_at is not None
    assert task.started_at is not None
    # It is over when the last of what it caused is.
    assert task.completed_at - task.started_at == timedelta(seconds=8)
    assert task.status is RunStatus.COMPLETED
    for call in runs.calls:
        assert (call.task_id, call.model, call.given_cost) == (task.id, "claude-sonnet-4-5", Decimal("0.0123"))
        # What the cache took and gave stands beside its input tokens.
        assert (call.tokens.input, call.tokens.output) == (5710, 200)
        assert (call.tokens.cache_read, call.tokens.cache_write) == (5000, 700)
        assert call.completed_at is not None
        assert call.completed_at - call.started_at == timedelta(milliseconds=2500)
        assert call.time_to_first_token_ms == 400
    assert len(runs.calls) == 2
    by_call = {tool.call_id: tool for tool in runs.tools}
    assert {tool.tool_name for tool in runs.tools} == {"Bash"}
    assert (by_call["t1"].status, by_call["t2"].status) == (ToolStatus.SUCCESS, ToolStatus.ERROR)
    assert by_call["t2"].error_message == "exit 1"


def test_an_event_that_is_sent_again_is_the_same_step() -> None:
    first, again = steps_of_logs(prompt()).steps, steps_of_logs(prompt()[::-1]).steps
    assert {(step.trace_id, step.span_id) for step in first} == {(step.trace_id, step.span_id) for step in again}
    assert len({step.span_id for step in first}) == len(first)


def test_sessions_and_prompts_are_kept_apart() -> None:
    records = [told("user_prompt", {"prompt.id": key}, at_ms=0) for key in ("p-1", "p-2")]
    other = told("user_prompt", {"session.id": "s-2"}, at_ms=0)
    assert len({step.trace_id for step in steps_of_logs([*records, other]).steps}) == 3


def test_a_prompt_whose_last_call_failed_failed() -> None:
    failed = {"model": "claude-sonnet-4-5", "error": "overloaded", "status_code": "529", "attempt": "11"}
    records = [*prompt(), told("api_error", failed, at_ms=9000)]
    (task,) = assembled(records).runs.tasks
    assert (task.status, task.error_message) == (RunStatus.FAILED, "overloaded")
    last = assembled(records).runs.calls[-1]
    assert last.failed
    assert steps_of_logs(records).steps[-1].facts["retries"] == 10


def test_a_prompt_is_an_execution_once_nothing_more_came_for_a_while() -> None:
    quiet = assembled(prompt())
    assert [(one.failed, one.ended_us) for one in quiet.finished] == [(False, AT_US + 8_000_000)]
    last = steps_of_logs(prompt()).steps[-1]
    going = assembled(prompt(), fresh={last.span_id})
    assert going.finished == ()
    assert going.waits


def test_calls_without_a_prompt_are_tasks_of_their_own() -> None:
    bare = event("", CALL | {"event.name": "api_request", "session.id": "s-1"}, scope=CLAUDE)
    runs = assembled([bare]).runs
    assert [call.task_id for call in runs.calls] == [task.id for task in runs.tasks]


def test_events_beside_spans_count_nothing_again() -> None:
    beside = steps_of_logs(prompt(within=(TRACE, SPAN))).steps
    assert {step.kind for step in beside} == {StepKind.OTHER}
    assert {(step.trace_id, step.parent_id) for step in beside} == {(TRACE, SPAN)}
    # What only the event knows stays to be seen.
    assert beside[1].facts["cost_usd"] == "0.0123"


def spans() -> list[SpanRecord]:
    """A prompt as its traces tell it."""
    base = {"session.id": "s-1", "span.type": "x"}
    made = [
        span(base | {"user_prompt": "<REDACTED>", "user_prompt_length": 14}, name="claude_code.interaction"),
        span(
            base
            | CALL
            | {"gen_ai.system": "anthropic", "gen_ai.request.model": "claude-sonnet-4-5", "success": True}
            | {"request_id": "req_1", "stop_reason": "tool_use", "input_tokens": 10, "attempt": 1},
            name="claude_code.llm_request",
        ),
        span(base | {"tool_name": "Bash", "tool_use_id": "t1", "full_command": "make"}, name="claude_code.tool"),
        span(
            base | {"tool_use_id": "t1", "success": False, "error": "ShellError"},
            name="claude_code.tool.execution",
            code=StatusCode.ERROR,
        ),
        span(base | {"decision": "accept"}, name="claude_code.tool.blocked_on_user"),
    ]
    parents = [None, 0, 0, 2, 2]
    return [
        SpanRecord(
            one.resource, one.scope, one.trace_id, f"{index + 1:016x}",
            None if parents[index] is None else f"{(parents[index] or 0) + 1:016x}", one.name, one.kind,
            one.start_ns, one.end_ns, one.status_code, one.status_message, one.attributes,
        )
        for index, one in enumerate(made)
    ]  # fmt: skip


def test_its_traces_tell_the_same() -> None:
    outcome = steps_of_spans(spans())
    assert outcome.unmapped == {}
    assert outcome.misfits == {}
    trace = Trace(outcome.steps)
    runs = assemble(trace, {name: uuid5(UUID(int=0), name) for name in trace.agents}).runs
    assert len(runs.tasks) == 1
    (call,) = runs.calls
    assert (call.tokens.input, call.tokens.output, call.tokens.cache_read) == (5710, 200, 5000)
    assert (call.model, call.provider, call.conversation) == ("claude-sonnet-4-5", "anthropic", "s-1")
    # The run of the tool and its part that failed are one.
    (tool,) = runs.tools
    assert (tool.tool_name, tool.status, tool.error_message) == ("Bash", ToolStatus.ERROR, "ShellError")
    assert outcome.steps[1].facts["finish_reasons"] == ["tool_use"]
    assert outcome.steps[2].facts["arguments"] == "make"
