"""Steps, texts and details as a tenant's rules let them through."""

from dataclasses import replace
from typing import Any

import pytest

from monitor.ingest.privacy import Policy, Rules, is_content
from monitor.ingest.redaction import Category, Redactor
from monitor.runs.steps import Facts, Step, StepKind, StepStatus

SAID = "Where does a@example.com live?"
FACTS: Facts = {
    "input": [{"role": "user", "content": SAID}],
    "output": "In Bern.",
    "arguments": {"who": "a@example.com"},
    "model": "gpt-5",
    "input_tokens": 7,
    "user": "a@example.com",
    "error_message": "no answer for a@example.com",
}
STEP = Step(
    "a" * 32, "b" * 16, None, StepKind.CALL, "chat a@example.com", 1, 2, StepStatus.OK, "akira", None, FACTS,
    attributes={"gen_ai.prompt.0.content": SAID, "mail": "a@example.com", "gen_ai.usage.prompt_tokens": 7},
    events=[{"name": "gen_ai.user.message", "attributes": {"content": SAID}}],
    links=[{"attributes": {"why": "a@example.com"}}],
)  # fmt: skip
OFF = Policy(contents=False, redactor=None, key=b"one")
ON = Policy(contents=True, redactor=None, key=b"one")
REDACTING = Policy(contents=True, redactor=Redactor([Category.EMAILS]), key=b"one")
STRICT = Policy(contents=False, redactor=Redactor([Category.EMAILS]), key=b"one")


def test_contents_become_their_length_and_a_keyed_hash() -> None:
    """In facts, attributes and events; what is no content stays as it is."""
    kept = OFF.step(STEP)
    assert kept.facts["output"]["length"] == len("In Bern.")
    assert len(kept.facts["output"]["hash"]) == 16
    assert SAID not in repr(kept)
    assert kept.attributes["gen_ai.usage.prompt_tokens"] == 7
    assert kept.attributes["gen_ai.prompt.0.content"]["length"] == len(SAID)
    assert kept.events[0]["attributes"]["content"] == kept.attributes["gen_ai.prompt.0.content"]
    assert kept.facts["model"] == "gpt-5"
    assert STEP.facts["output"] == "In Bern.", "the step itself is not touched"


def test_the_same_content_has_the_same_hash_under_one_key_and_another_under_another() -> None:
    """So it is recognised, and nobody can try out what it might have been."""
    other = replace(OFF, key=b"two")
    assert OFF.content(SAID) == OFF.content(SAID)
    assert OFF.content(SAID) != OFF.content(SAID + " ")
    assert OFF.content(SAID) != other.content(SAID)
    assert OFF.content({"a": 1, "b": 2}) == OFF.content({"b": 2, "a": 1})


@pytest.mark.parametrize("value", ["\ud800", {"a": "\ud800"}, ["x", 1, None], {"a": {"b": []}}, 17, True, b"x"])
def test_any_content_can_be_withheld(value: Any) -> None:
    """Texts that are no UTF-8 and values of every kind."""
    assert set(OFF.content(value)) == {"length", "hash"}


def test_nothing_said_stays_nothing() -> None:
    """An absent or empty content is no secret."""
    assert OFF.content(None) is None
    assert OFF.content("") == ""


def test_contents_are_kept_where_the_tenant_says_so() -> None:
    """Without rules a step passes as it is."""
    assert ON.step(STEP) is STEP


def test_redaction_reaches_every_text_of_a_step() -> None:
    """Contents that are kept too; whose a step is stays distinguishable."""
    kept = REDACTING.step(STEP)
    assert "example.com" not in repr(kept)
    assert kept.facts["input"] == [{"role": "user", "content": "Where does [redacted email] live?"}]
    assert kept.name == "chat [redacted email]"
    assert kept.facts["user"].startswith("redacted-")
    assert kept.facts["user"] == REDACTING.name("a@example.com") != REDACTING.name("b@example.com")
    assert REDACTING.name("user-17") == "user-17"
    assert kept.facts["model"] == "gpt-5"


def test_contents_that_are_withheld_are_hashed_and_the_rest_is_redacted() -> None:
    """Both at once."""
    kept = STRICT.step(STEP)
    assert "example.com" not in repr(kept)
    assert set(kept.facts["input"]) == {"length", "hash"}
    assert kept.attributes["mail"] == "[redacted email]"


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt",
        "gen_ai.prompt.0.content", "gen_ai.completion.12.content", "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result", "gen_ai.retrieval.documents", "gen_ai.retrieval.query.text",
        "gen_ai.evaluation.explanation", "input.value", "output.value", "llm.input_messages.0.message.content",
        "llm.prompts", "traceloop.entity.input", "ai.prompt.messages", "ai.response.text", "prompt", "tool_parameters",
        "response", "tool_response", "bash_command", "full_command",
        "tool_result", "retrieval.documents.0.document.content", "embedding.text", "response_body",
        "http.request.body", "body",
    ],
)  # fmt: skip
def test_names_of_contents_in_every_dialect(name: str) -> None:
    """Attributes that no fact took."""
    assert is_content(name)


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.system", "gen_ai.request.model", "gen_ai.usage.prompt_tokens", "gen_ai.output.type",
        "gen_ai.prompt.name", "gen_ai.prompt.0.role", "llm.input_messages.0.message.role", "ai.response.model",
        "ai.response.finishReason", "prompt_length", "prompt.id", "exception.message", "exception.type",
        "input.mime_type", "db.system", "service.name", "status_text", "url.query",
        "tool_result_size_bytes_count",
    ],
)  # fmt: skip
def test_names_that_only_look_like_it(name: str) -> None:
    """Figures, kinds and names stay readable."""
    assert not is_content(name)


def test_rules_go_into_settings_and_come_back() -> None:
    """And what was never set is: contents off, nothing redacted."""
    assert Rules.of({}) == Rules(contents=False, redact=(), patterns=())
    rules = Rules.of({"privacy": {"contents": True, "redact": ["emails"], "patterns": [{"name": "t", "pattern": "T"}]}})
    assert Rules.of({"privacy": rules.said()}) == rules
