"""Whatever is sent: nothing raises, and no step holds what it may not."""

import math
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.ingest.normalise.events import PLACES, steps_of_logs
from monitor.ingest.normalise.outcome import Normalised
from monitor.ingest.normalise.spans import steps_of_spans
from monitor.ingest.normalise.tables import CLAUDE_SPANS, CONTENTS, EVENTS, SPANS
from monitor.ingest.normalise.within import EVALUATION, EXCEPTIONS, MESSAGES
from monitor.ingest.otlp.records import StatusCode
from monitor.runs.steps import Facts
from tests.normalise.records import CLAUDE, SPAN, TRACE, event, span

TABLES = (SPANS, CLAUDE_SPANS, *EVENTS.values())
NAMES = sorted(
    {name for table in TABLES for name in table.entries}
    | {f"{family}.{rest}" for table in TABLES for family in table.families for rest in ("0.message.role", "x", "0", "")}
)
VALUES = sorted({value for table in TABLES for _fact, kinds in table.kinds for value in kinds})
COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")

words = st.text(max_size=12)
values: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | words
    | st.sampled_from(VALUES) | st.sampled_from(["12", "NaN", "-1", "true", "false", '{"model": 3}', "transfer_to_x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
attributes = st.dictionaries(
    st.sampled_from(NAMES) | st.tuples(st.sampled_from(["gen_ai", "llm", "ai", "mcp"]), words).map(".".join) | words,
    values,
    max_size=12,
)
within = st.lists(
    st.tuples(st.sampled_from([*MESSAGES, *EXCEPTIONS, EVALUATION, "x", "tool.output"]) | words, attributes), max_size=3
)
span_names = st.sampled_from(["chat", "claude_code.tool", "claude_code.x", "handoff to ", "tools/call ", ""]) | words
event_names = st.sampled_from(
    [f"{dialect}.{name}" for dialect in PLACES for name in ("api_request", "user_prompt", "tool_result", "x")]
    + ["codex.sse_event", "codex.conversation_starts", "gen_ai.client.inference.operation.details", EVALUATION]
)


def check_fit(outcome: Normalised) -> None:
    """Every step can be stored, and its counts are what counts may be."""
    for step in outcome.steps:
        assert set(step.facts) <= Facts.__annotations__.keys()
        facts: dict[str, Any] = dict(step.facts)
        counts = [facts.get(name, 0) for name in COUNTS]
        assert all(type(count) is int and count >= 0 for count in counts)
        read, written, cache_read, cache_write, reasoning = counts
        assert cache_read + cache_write <= read
        assert reasoning <= written
        assert step.ended_us is None or step.ended_us >= step.started_us
        assert step.agent is None or 0 < len(step.agent) <= 200
        assert (len(step.trace_id), len(step.span_id)) == (32, 16)
        for name in ("model", "tool", "error_message", "conversation", "cost_usd", "response_id", "workflow"):
            assert type(facts.get(name, "")) is str
        assert math.isfinite(facts.get("time_to_first_token_ms", 0.0))
        msgspec.json.encode((step.facts, step.attributes, step.events, step.links))
    for score in outcome.scores:
        assert score.value is not None or score.label is not None


def check_any_span(told: dict[str, Any], events: list[Any], name: str, code: StatusCode) -> None:
    scope = "openinference.instrumentation.openai_agents"
    first = steps_of_spans([span(told, *events, name=name, code=code, scope=scope)])
    check_fit(first)
    again = steps_of_spans([span(dict(reversed(told.items())), *events, name=name, code=code, scope=scope)])
    # The order of attributes says nothing, but for contents that are told twice.
    for outcome in (first, again):
        for one in CONTENTS:
            cast("dict[str, Any]", outcome.steps[0].facts).pop(one, None)
    assert first.steps == again.steps
    assert first.unmapped == again.unmapped


@settings(deadline=None, max_examples=150)
@given(attributes, within, span_names, st.sampled_from(StatusCode))
def test_any_span_is_a_step(told: dict[str, Any], events: list[Any], name: str, code: StatusCode) -> None:
    check_any_span(told, events, name, code)


def check_any_event(told: dict[str, Any], name: str, body: Any, *, placed: bool) -> None:
    place = (TRACE, SPAN) if placed else None
    check_fit(steps_of_logs([event(name, told, body=body, within=place), event("", told, body=body, scope=CLAUDE)]))


@settings(deadline=None, max_examples=150)
@given(attributes, event_names, values, st.booleans())
def test_any_event_is_a_step_or_none(told: dict[str, Any], name: str, body: Any, placed: bool) -> None:
    check_any_event(told, name, body, placed=placed)


@pytest.mark.accept
@settings(deadline=None, max_examples=20_000)
@given(attributes, within, span_names, st.sampled_from(StatusCode))
def test_very_many_spans(told: dict[str, Any], events: list[Any], name: str, code: StatusCode) -> None:
    check_any_span(told, events, name, code)


@pytest.mark.accept
@settings(deadline=None, max_examples=20_000)
@given(attributes, event_names, values, st.booleans())
def test_very_many_events(told: dict[str, Any], name: str, body: Any, placed: bool) -> None:
    check_any_event(told, name, body, placed=placed)
