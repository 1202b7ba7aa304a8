"""What happened within a span: messages, exceptions and judgements that are events of it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.ingest.normalise.dialect import error_type, number, prose, text
from monitor.ingest.normalise.dialect import name as a_name
from monitor.ingest.normalise.reading import Reader
from monitor.ingest.otlp.records import SpanEvent

MESSAGES = {
    "gen_ai.system.message": ("system", "system"),
    "gen_ai.user.message": ("input", "user"),
    "gen_ai.assistant.message": ("input", "assistant"),
    "gen_ai.tool.message": ("input", "tool"),
    "gen_ai.choice": ("output", "assistant"),
    "gen_ai.content.prompt": ("input", "user"),
    "gen_ai.content.completion": ("output", "assistant"),
}
"""Events that are a message as a whole: the fact that they belong to, and the role where they name none."""

EXCEPTIONS = frozenset({"exception", "gen_ai.client.operation.exception"})

CHUNKS = frozenset({"gen_ai.content.completion.chunk", "llm.content.completion.chunk", "First Token Stream Event"})
"""Events that tell that a piece of a streamed answer came; of up to thousands only the time of the first is kept."""

EVALUATION = "gen_ai.evaluation.result"

# They say who spoke, not what was said.
NO_CONTENT = frozenset({"gen_ai.system", "gen_ai.provider.name", "event.name"})


def happened(
    events: Sequence[SpanEvent], reader: Reader, facts: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events without contents, which go to `facts` where these do not hold them yet; and the judgements.

    The time of a first chunk goes to the fact `_first_chunk_ns`.
    """
    kept: list[dict[str, Any]] = []
    judgements: list[dict[str, Any]] = []
    messages: dict[str, list[Any]] = {}
    for event in events:
        attributes: Mapping[str, Any] = event.attributes
        if event.name in CHUNKS:
            facts["_first_chunk_ns"] = min(event.time_ns, facts.get("_first_chunk_ns", event.time_ns))
            continue
        if event.name in MESSAGES:
            fact, role = MESSAGES[event.name]
            messages.setdefault(fact, []).append(message(role, attributes))
            attributes = {key: value for key, value in attributes.items() if key in NO_CONTENT}
        elif event.name in EXCEPTIONS:
            attributes = _exception(attributes, facts)
        else:
            if event.name == EVALUATION:
                judgements.append({**reader.told(attributes).facts, "_at_us": event.time_ns // 1000})
            attributes = _without_contents(attributes, reader, facts)
        kept.append({"name": event.name, "time_us": event.time_ns // 1000, "attributes": dict(attributes)})
    for fact, spoken in messages.items():
        facts.setdefault(fact, spoken)
    return kept, judgements


def _without_contents(attributes: Mapping[str, Any], reader: Reader, facts: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for key, value in attributes.items():
        fact = reader.content_fact(key)
        if fact is None:
            kept[key] = value
        else:
            facts.setdefault(fact, value)
    return kept


def message(role: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A message as one object."""
    return {"role": role, **{key: value for key, value in attributes.items() if key not in NO_CONTENT}}


def _exception(attributes: Mapping[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Remember the newest exception; whether it is why the span failed is not known yet."""
    for key, fact, read in (
        ("exception.type", "_exception_type", error_type),
        ("exception.message", "_exception_message", prose),
        ("exception.stacktrace", "_traceback", prose),
    ):
        if (given := read(attributes.get(key))) is not None:
            facts[fact] = given
    return {key: value for key, value in attributes.items() if key != "exception.stacktrace"}


def judgement(said: Mapping[str, Any]) -> dict[str, Any] | None:
    """The parts of a Score that attributes tell, or None where they name none."""
    named = a_name(said.get("_score_name"))
    value, label = number(said.get("_score_value")), text(said.get("_score_label"))
    if named is None or (value is None and label is None):
        return None
    return {"name": named, "value": value, "label": label, "explanation": prose(said.get("_score_explanation"))}
