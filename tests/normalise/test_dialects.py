"""The same conversation in five dialects is the same steps."""

import json
from typing import Any

import pytest
from msgspec.structs import asdict

from monitor.ingest.normalise.spans import steps_of_spans
from monitor.ingest.normalise.tables import CLAUDE_SPANS, EVENTS, SPANS
from monitor.runs.steps import Facts, Step, StepStatus
from tests.normalise.dialects import DIALECTS, EXPECTED, PARTS, conversation, span_id
from tests.normalise.tellings import SECRET

CONTENTS = {"input", "output", "system", "arguments", "result"}


def steps(dialect: str) -> dict[str, Step]:
    """The conversation's steps by role."""
    made = {step.span_id: step for step in steps_of_spans(conversation(dialect)).steps}
    return {role: made[span_id(role)] for role in PARTS}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_conversation_is_the_same_steps_in_every_dialect(dialect: str) -> None:
    for role, step in steps(dialect).items():
        expected = EXPECTED[role]
        assert step.kind is expected["kind"], role
        if "agent" in expected:
            assert step.agent == expected["agent"]
        else:
            # What names no agent of its own belongs to the one above it.
            assert step.agent in (None, "support", "billing")
        assert (step.status is StepStatus.ERROR) == (expected.get("status") is StepStatus.ERROR)
        facts: dict[str, Any] = dict(step.facts)
        told = {fact: facts.get(fact) for fact in expected if fact not in ("kind", "agent", "status")}
        assert told == {fact: expected[fact] for fact in told}
        assert (step.started_us, step.ended_us) == tuple(
            1_764_000_000_000_000 + 1000 * at for at in (PARTS[role].start_ms, PARTS[role].end_ms)
        )
        assert step.service == "desk"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_name_of_the_conversation_is_known(dialect: str) -> None:
    outcome = steps_of_spans(conversation(dialect))
    assert outcome.unmapped == {}
    assert outcome.misfits == {}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_was_said_is_in_the_contents_and_nowhere_else(dialect: str) -> None:
    found = set()
    for role, step in steps(dialect).items():
        spoken = {fact for fact, value in step.facts.items() if SECRET in json.dumps(value)}
        assert spoken <= CONTENTS
        found |= {role} if spoken else set()
        rest = asdict(step)
        rest["facts"] = {fact: value for fact, value in step.facts.items() if fact not in CONTENTS}
        assert SECRET not in json.dumps(rest)
    assert found == {"support", "ask"}


def test_every_fact_of_the_tables_is_one_that_steps_have() -> None:
    tables = (SPANS, CLAUDE_SPANS, *EVENTS.values())
    told = {entry.fact for table in tables for entry in (*table.entries.values(), *table.families.values())}
    assert {fact for fact in told if fact is not None and not fact.startswith("_")} <= Facts.__annotations__.keys()
