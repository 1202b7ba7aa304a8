"""Rules that hold for every dialect: precedence, counting, odd values, errors, contents, unknown names."""

from typing import Any

import pytest

from monitor.ingest.normalise.events import steps_of_logs
from monitor.ingest.normalise.spans import steps_of_spans
from monitor.ingest.otlp.records import StatusCode
from monitor.runs.steps import StepKind, StepStatus
from tests.normalise.records import AT_NS, AT_US, SPAN, TRACE, event, span, step

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def test_of_two_dialects_in_one_span_the_upper_one_wins_in_any_order() -> None:
    both = {
        "llm.token_count.prompt": 1,
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.prompt_tokens": 3,
        "ai.usage.promptTokens": 4,
        "openinference.span.kind": "CHAIN",
        "gen_ai.operation.name": "chat",
        "agent.name": "b",
        "gen_ai.agent.name": "a",
    }
    for told in (both, dict(reversed(both.items()))):
        made = step(told)
        assert (made.facts["input_tokens"], made.kind, made.agent) == (2, StepKind.CALL, "a")
    assert step(both | {"agent_monitor.agent": "own"}).agent == "own"


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"gen_ai.operation.name": "invoke_workflow"}, StepKind.WORKFLOW),
        ({"gen_ai.operation.name": "embeddings"}, StepKind.CALL),
        ({"gen_ai.operation.name": "create_agent"}, StepKind.OTHER),
        ({"gen_ai.operation.name": "retrieval"}, StepKind.OTHER),
        ({"gen_ai.operation.name": "plan"}, StepKind.OTHER),
        ({"gen_ai.operation.name": "search_memory"}, StepKind.OTHER),
        ({"traceloop.span.kind": "workflow"}, StepKind.WORKFLOW),
        ({"traceloop.span.kind": "task"}, StepKind.OTHER),
        ({"openinference.span.kind": "EMBEDDING"}, StepKind.CALL),
        ({"openinference.span.kind": "RETRIEVER"}, StepKind.OTHER),
        ({"llm.request.type": "completion"}, StepKind.CALL),
        ({"ai.operationId": "ai.embed.doEmbed"}, StepKind.CALL),
        ({"mcp.method.name": "tools/call"}, StepKind.TOOL),
        ({"mcp.method.name": "tools/list"}, StepKind.OTHER),
        # Libraries that came before the operations' names.
        ({"gen_ai.system": "x", "gen_ai.request.model": "m", "gen_ai.usage.prompt_tokens": 1}, StepKind.CALL),
        ({"http.request.method": "GET"}, StepKind.OTHER),
        ({}, StepKind.OTHER),
    ],
)
def test_kinds(told: dict[str, Any], kind: StepKind) -> None:
    assert step(told).kind is kind


def test_an_operation_that_nobody_knows_is_other_and_is_listed() -> None:
    outcome = steps_of_spans([span({"gen_ai.operation.name": "dream"})])
    assert outcome.steps[0].kind is StepKind.OTHER
    assert outcome.unmapped == {("otel", "operation=dream"): 1}


def test_cache_and_reasoning_are_parts_of_the_whole() -> None:
    usage = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 80}
    assert step(CHAT | usage).facts["input_tokens"] == 100
    # A part that is larger than the whole was not in it.
    usage["gen_ai.usage.cache_write.input_tokens"] = 30
    assert step(CHAT | usage).facts["input_tokens"] == 210
    thinking = {"gen_ai.usage.output_tokens": 10, "gen_ai.usage.reasoning.output_tokens": 90}
    assert step(CHAT | thinking).facts["output_tokens"] == 100
    assert step(CHAT | {"gen_ai.usage.total_tokens": 7}).facts["input_tokens"] == 7


def test_vercels_counts_for_anthropic_leave_the_cache_out_until_the_parts_are_told() -> None:
    told = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.provider": "anthropic.messages",
        "ai.usage.inputTokens": 100,
        "ai.usage.cachedInputTokens": 80,
    }
    assert step(told).facts["input_tokens"] == 180
    assert step(told | {"ai.usage.inputTokenDetails.noCacheTokens": 20}).facts["input_tokens"] == 100
    assert step(told | {"ai.model.provider": "openai.chat"}).facts["input_tokens"] == 100


@pytest.mark.parametrize(
    ("value", "expected"), [(12, 12), ("12", 12), (12.0, 12), (0, 0), ("1e3", None), (-1, None), (1.5, None),
                            ("NaN", None), (True, None), (10**12, None), ("9" * 400, None), ([1], None), ("", None)],
)  # fmt: skip
def test_counts_of_odd_types_are_read_or_left_out_and_counted(value: Any, expected: int | None) -> None:
    outcome = steps_of_spans([span(CHAT | {"gen_ai.usage.input_tokens": value})])
    assert outcome.steps[0].facts.get("input_tokens") == expected
    known = expected is not None or value == ""
    assert outcome.misfits == ({} if known else {("otel", "gen_ai.usage.input_tokens"): 1})
    assert "gen_ai.usage.input_tokens" not in outcome.steps[0].attributes


@pytest.mark.parametrize(
    ("value", "expected"), [(0.1, "0.1"), ("0.00001234", "0.00001234"), (1, "1"), (1e-7, "0.0000001"), ("NaN", None),
                            (-1, None), ("Infinity", None), (1e300, None), ("sNaN", None), ("a", None), (True, None)],
)  # fmt: skip
def test_money_is_decimal_text(value: Any, expected: str | None) -> None:
    assert step(CHAT | {"gen_ai.usage.cost": value}).facts.get("cost_usd") == expected


def test_costs_told_in_two_parts_add_up_exactly() -> None:
    told = {"openinference.span.kind": "LLM", "llm.cost.prompt": 0.1, "llm.cost.completion": 0.2}
    assert step(told).facts["cost_usd"] == "0.3"
    assert step(told | {"llm.cost.total": 0.31}).facts["cost_usd"] == "0.31"


def test_a_failure_is_told_by_the_status_or_by_the_kind_of_error() -> None:
    broken = ("exception", {"exception.type": "E", "exception.message": "m", "exception.stacktrace": "T"})
    failed = step(CHAT, broken, code=StatusCode.ERROR)
    facts = failed.facts
    assert (failed.status, facts["error_type"], facts["error_message"], facts["traceback"]) == ("error", "E", "m", "T")
    # The trace of calls is a fact; the event keeps the rest.
    assert failed.events[0]["attributes"] == {"exception.type": "E", "exception.message": "m"}
    assert step(CHAT, broken, code=StatusCode.ERROR, message="status").facts["error_message"] == "status"
    caught = step(CHAT, broken)
    assert (caught.status, "error_message" in caught.facts) == (StepStatus.UNSET, False)
    assert step(CHAT | {"error.type": "timeout"}).status is StepStatus.ERROR
    assert step(CHAT, code=StatusCode.OK).status is StepStatus.OK


def test_hand_overs() -> None:
    tool = step({"gen_ai.operation.name": "execute_tool"}, name="execute_tool transfer_to_sales_desk")
    assert (tool.kind, tool.facts["handoff_to"], tool.facts["interaction"]) == ("handoff", "sales_desk", "handoff")
    named = step({"openinference.span.kind": "TOOL"}, name="handoff to Sales")
    assert (named.kind, named.facts["handoff_to"]) == ("handoff", "Sales")


def test_a_call_of_an_mcp_server() -> None:
    made = step(
        {
            "mcp.method.name": "tools/call",
            "mcp.session.id": "i-1",
            "mcp.server.name": "docs",
            "error.type": "tool_error",
            "rpc.response.status_code": "-32602",
        },
        name="tools/call search",
    )
    facts = made.facts
    assert (made.kind, facts["tool"], facts["tool_type"], made.status) == ("tool", "search", "mcp", "error")
    assert (facts["mcp_server"], facts["mcp_instance"], facts["mcp_method"]) == ("docs", "i-1", "tools/call")
    assert (facts["error_code"], facts["error_type"]) == ("-32602", "tool_error")


def test_whose_a_step_is() -> None:
    resource = {"service.name": "desk", "service.version": "3", "deployment.environment.name": "prod"}
    made = step({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": "asst_1"}, resource=resource)
    assert (made.agent, made.service, made.facts["agent_version"]) == ("asst_1", "desk", "3")
    assert made.facts["environment"] == "prod"
    assert step({}, resource={"service.name": "desk", "agent_monitor.agent": "own"}).service == "own"
    assert step({}, resource={"service.name": 5}).service is None
    assert step({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "x" * 300}).agent is None


def test_names_that_nobody_knows_are_kept_and_listed_once_a_kind() -> None:
    strange = {"gen_ai.moon.phase": 3, "llm.things.0.colour": "red", "llm.things.1.colour": "blue", "other.thing": 1}
    outcome = steps_of_spans([span(CHAT | strange)])
    assert outcome.steps[0].attributes == strange
    assert outcome.unmapped == {("otel", "gen_ai.moon.phase"): 1, ("openinference", "llm.things.N.colour"): 2}


def test_an_unknown_name_that_sounds_like_contents_is_no_attribute() -> None:
    outcome = steps_of_spans([span(CHAT | {"gen_ai.dream.content": "secret", "gen_ai.dream.prompt": "secret"})])
    made = outcome.steps[0]
    assert made.attributes == {}
    assert made.facts["output"] == {"gen_ai.dream.content": "secret"}
    assert made.facts["input"] == {"gen_ai.dream.prompt": "secret"}
    known = step(CHAT | {"gen_ai.dream.content": "secret", "gen_ai.output.messages": "[]"})
    assert known.facts["output"] == "[]"


def test_messages_of_events_are_contents_in_their_order() -> None:
    made = step(
        CHAT,
        ("gen_ai.system.message", {"content": "Be brief.", "gen_ai.system": "openai"}),
        ("gen_ai.user.message", {"content": "Hi"}),
        ("gen_ai.assistant.message", {"content": "Hello", "role": "bot"}),
        ("gen_ai.choice", {"index": 0, "message": "Bye"}),
    )
    assert made.facts["system"] == [{"role": "system", "content": "Be brief."}]
    assert made.facts["input"] == [{"role": "user", "content": "Hi"}, {"role": "bot", "content": "Hello"}]
    assert made.facts["output"] == [{"role": "assistant", "index": 0, "message": "Bye"}]
    assert [one["attributes"] for one in made.events] == [{"gen_ai.system": "openai"}, {}, {}, {}]
    assert made.events[0]["time_us"] == AT_US + 250_000


def test_the_first_of_many_chunks_is_the_time_to_the_first_token() -> None:
    made = step(CHAT, *[("gen_ai.content.completion.chunk", {})] * 3)
    assert (made.events, made.facts["time_to_first_token_ms"]) == ([], 250.0)
    assert step(CHAT | {"gen_ai.response.time_to_first_chunk": 0.4}).facts["time_to_first_token_ms"] == 400


JUDGED = {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.9}


def test_judgements_in_spans_events_and_logs() -> None:
    worded = JUDGED | {"gen_ai.evaluation.score.label": "good", "gen_ai.evaluation.explanation": "fits"}
    (own,) = steps_of_spans([span({"gen_ai.agent.name": "a"} | worded)]).scores
    assert (own.name, own.value, own.label, own.explanation) == ("relevance", 0.9, "good", "fits")
    assert (own.trace_id, own.span_id, own.agent, own.at_us) == (TRACE, SPAN, "a", AT_US + 1_000_000)
    inner = steps_of_spans([span(CHAT, ("gen_ai.evaluation.result", JUDGED), ("gen_ai.evaluation.result", JUDGED))])
    assert len({one.key for one in inner.scores}) == 2
    assert inner.scores[0].at_us == AT_US + 250_000
    logged = event("gen_ai.evaluation.result", worded | {"gen_ai.response.id": "r"}, within=(TRACE, SPAN), field=True)
    outcome = steps_of_logs([logged])
    (score,) = outcome.scores
    assert (score.span_id, score.response_id, score.service, outcome.steps) == (SPAN, "r", "desk", [])
    assert steps_of_logs([event("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "x"})]).scores == []


def test_a_call_that_only_an_event_tells_is_a_call() -> None:
    details = "gen_ai.client.inference.operation.details"
    usage = CHAT | {"gen_ai.usage.input_tokens": 5, "gen_ai.response.id": "r-1"}
    (alone,) = steps_of_logs([event(details, usage, field=True)]).steps
    assert (alone.kind, alone.facts["input_tokens"], alone.started_us) == (StepKind.CALL, 5, AT_NS // 1000)
    assert steps_of_logs([event(details, usage, within=(TRACE, SPAN))]).steps == []
    said = usage | {"gen_ai.input.messages": [{"role": "user"}]}
    (beside,) = steps_of_logs([event(details, said, within=(TRACE, SPAN))]).steps
    assert (beside.kind, beside.parent_id) == (StepKind.OTHER, SPAN)


def test_most_log_records_are_no_steps() -> None:
    plain = [event("", {"http.route": "/"}, body="claude is fine"), event("order.placed", {}), event("", {}, body=3)]
    outcome = steps_of_logs([*plain, event("gen_ai.user.message", {}, body={"content": "Hi"})])
    assert (outcome.steps, outcome.scores, outcome.unmapped) == ([], [], {})
