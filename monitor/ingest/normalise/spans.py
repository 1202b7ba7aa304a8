"""Spans as steps."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, cast

import msgspec

from monitor.ingest.normalise import claude_code, genai, openinference, vercel
from monitor.ingest.normalise.dialect import name as a_name
from monitor.ingest.normalise.outcome import Normalised, Score
from monitor.ingest.normalise.reading import Reader
from monitor.ingest.normalise.sender import Sender, sender_of
from monitor.ingest.normalise.tables import CLAUDE_SPANS, SPANS, Table
from monitor.ingest.normalise.within import happened, judgement
from monitor.ingest.otlp.records import Resource, SpanRecord, StatusCode
from monitor.runs.steps import Facts, Step, StepKind, StepStatus

HANDOFF_SPAN = "handoff to "
"""How OpenInference names the hand-overs of OpenAI's Agents SDK, which are its tools without a name."""

HANDOFF_TOOL = "transfer_to_"
"""How agent frameworks name the tool by which a model hands over to another agent."""

TOOL_SPANS = ("execute_tool ", "tools/call ")

# Their other values need no table: a method that is no call of a tool is nothing unheard of.
OPEN_ENDED = frozenset({"mcp_method"})


EMBEDDINGS = (
    ("_openinference", frozenset({"EMBEDDING"})),
    ("_request", frozenset({"embedding"})),
    ("_vercel", frozenset({"ai.embed.doEmbed", "ai.embedMany.doEmbed"})),
)
"""What other dialects call OpenTelemetry's operation `embeddings`."""


def steps_of_spans(records: Iterable[SpanRecord]) -> Normalised:
    """Every span as a step, in the order given; spans that say nothing of agents are `other`. Never raises."""
    outcome = Normalised()
    plain, claude = Reader(SPANS, outcome), Reader(CLAUDE_SPANS, outcome)
    resource: Resource | None = None
    sender = Sender(None, None, None)
    for record in records:
        if record.resource is not resource:
            resource = record.resource
            sender = sender_of(resource)
        reader = claude if record.name.startswith(claude_code.PREFIX) else plain
        outcome.steps.append(_step(record, sender, reader))
    return outcome


def _step(record: SpanRecord, sender: Sender, reader: Reader) -> Step:
    facts, kept = reader.told(record.attributes)
    events: list[dict[str, Any]] = []
    judgements: list[dict[str, Any]] = []
    if record.events:
        events, judgements = happened(record.events, reader, facts)
    kind = _kind(record, facts, reader)
    kind = _names(record, kind, facts)
    counted(facts, outside=_cache_outside(facts, reader.table))
    status = _status(record, facts)
    if kind is StepKind.CALL:
        _call(record, facts)
    if kind is not StepKind.OTHER:
        facts.setdefault("operation", genai.USUAL[kind])
        _fill(facts, sender)
    agent = _agent(kind, facts)
    started = record.start_ns // 1000
    step = Step(
        record.trace_id,
        record.span_id,
        record.parent_id,
        kind,
        record.name,
        started,
        max(record.end_ns // 1000, started) if record.end_ns else None,
        status,
        agent,
        sender.service,
        public(facts),
        kept,
        events,
        [{"trace_id": link.trace_id, "span_id": link.span_id, **link.attributes} for link in record.links],
    )
    if judgements or "_score_name" in facts:
        reader.outcome.scores += _scores(step, [facts, *judgements])
    return step


def _kind(record: SpanRecord, facts: dict[str, Any], reader: Reader) -> StepKind:
    if reader.table is CLAUDE_SPANS:
        return claude_code.SPANS.get(record.name, StepKind.OTHER)
    if "_codex" in facts:
        return StepKind.OTHER
    said = False
    for fact, kinds in reader.table.kinds:
        value = facts.get(fact)
        if value is None:
            continue
        said = True
        kind = kinds.get(value)
        if kind is None:
            if fact not in OPEN_ENDED:
                reader.outcome.unmapped["otel", f"{fact.lstrip('_')}={value[:80]}"] += 1
        elif kind is not StepKind.OTHER:
            return kind
    # Libraries that came before the conventions tell what a call took, and not that it is one.
    spent = "input_tokens" in facts or "output_tokens" in facts
    told_model = "model" in facts or "request_model" in facts
    return StepKind.CALL if spent and told_model and not said else StepKind.OTHER


def _names(record: SpanRecord, kind: StepKind, facts: dict[str, Any]) -> StepKind:
    """Fill the facts whose meaning follows from the kind. A tool that hands over is a hand-over."""
    entity = facts.get("_entity")
    if kind is StepKind.TOOL:
        if "tool" not in facts and entity is None and record.name.startswith(HANDOFF_SPAN):
            kind = StepKind.HANDOFF
            facts.setdefault("handoff_to", record.name[len(HANDOFF_SPAN) :][:200])
        else:
            tool = facts.setdefault("tool", entity or _tool_of(record.name))
            if tool.startswith(HANDOFF_TOOL) and len(tool) > len(HANDOFF_TOOL):
                kind = StepKind.HANDOFF
                facts.setdefault("handoff_to", tool[len(HANDOFF_TOOL) :])
            elif "mcp_method" in facts:
                facts.setdefault("tool_type", "mcp")
    elif kind is StepKind.AGENT:
        unnamed = not ("_agent" in facts or "_named" in facts or "_graph_node" in facts)
        if unnamed and record.scope.name in openinference.UNNAMED_AGENT_IS_WORKFLOW:
            kind = StepKind.WORKFLOW
    if kind is StepKind.WORKFLOW:
        facts.setdefault("workflow", entity or record.name[:200] or "unknown")
    elif kind is StepKind.HANDOFF:
        facts.setdefault("interaction", "handoff")
    if "_input" in facts:
        facts.setdefault(openinference.INPUT.get(kind, "input"), facts["_input"])
    if "_output" in facts:
        facts.setdefault(openinference.OUTPUT.get(kind, "output"), facts["_output"])
    return kind


def _tool_of(span: str) -> str:
    for prefix in TOOL_SPANS:
        if span.startswith(prefix):
            return span[len(prefix) :][:200]
    return span[:200] or "unknown"


def _agent(kind: StepKind, facts: dict[str, Any]) -> str | None:
    agent = facts.get("_named") or facts.get("_agent")
    if agent is None and kind is StepKind.AGENT:
        agent = facts.get("_entity") or facts.get("_graph_node") or facts.get("_function")
    if agent is None:
        agent = facts.get("agent_id")
    return agent[:200] if agent is not None else None


def _cache_outside(facts: dict[str, Any], table: Table) -> bool:
    """Whether the input tokens leave out those that the cache took or gave."""
    if table is CLAUDE_SPANS:
        return True
    if "_vercel" not in facts or "_parts_told" in facts:
        return False
    provider: str = facts.get("provider", "")
    return provider.startswith(vercel.CACHE_OUTSIDE)


def counted(facts: dict[str, Any], *, outside: bool) -> None:
    """Make the cache a part of the input, and reasoning a part of the output.

    A part that is larger than the whole was not in it, whatever a dialect says of itself: some providers' counts are
    passed on as they come.
    """
    cached = facts.get("cache_read_tokens", 0) + facts.get("cache_write_tokens", 0)
    if cached:
        read = facts.get("input_tokens", 0)
        if outside or cached > read:
            facts["input_tokens"] = read + cached
    reasoning = facts.get("reasoning_tokens", 0)
    written = facts.get("output_tokens", 0)
    if reasoning > written:
        facts["output_tokens"] = written + reasoning
    if "_total_tokens" in facts and "input_tokens" not in facts and "output_tokens" not in facts:
        facts["input_tokens"] = facts["_total_tokens"]


def _status(record: SpanRecord, facts: dict[str, Any]) -> StepStatus:
    """The status, with the facts of the failure. `error.type` is told of what failed only, whatever the status."""
    if record.status_code is StatusCode.ERROR or "error_type" in facts or facts.get("_success") is False:
        if record.status_message:
            facts.setdefault("error_message", record.status_message[: 64 * 1024])
        for scratch, fact in (
            ("_exception_message", "error_message"),
            ("_exception_type", "error_type"),
            ("_traceback", "traceback"),
        ):
            if scratch in facts:
                facts.setdefault(fact, facts[scratch])
        return StepStatus.ERROR
    if record.status_code is StatusCode.OK or facts.get("_success") is True:
        return StepStatus.OK
    return StepStatus.UNSET


def _fill(facts: dict[str, Any], sender: Sender) -> None:
    if "model" not in facts and "request_model" in facts:
        facts["model"] = facts["request_model"]
    if "cost_usd" not in facts and "_cost_input" in facts:
        facts["cost_usd"] = str(Decimal(facts["_cost_input"]) + Decimal(facts.get("_cost_output", 0)))
    if sender.version is not None:
        facts.setdefault("agent_version", sender.version)
    if sender.environment is not None:
        facts.setdefault("environment", sender.environment)


def _call(record: SpanRecord, facts: dict[str, Any]) -> None:
    """What only a call has, and some tell in a roundabout way."""
    first = facts.get("_first_chunk_ns", 0) - record.start_ns
    if 0 <= first < 366 * 86_400_000_000_000:
        facts.setdefault("time_to_first_token_ms", first / 1e6)
    if "operation" not in facts and any(facts.get(fact) in values for fact, values in EMBEDDINGS):
        facts["operation"] = "embeddings"
    # OpenInference names the model of a call that failed nowhere else.
    if "model" not in facts and "request_model" not in facts and type(facts.get("arguments")) is str:
        try:
            parameters = msgspec.json.decode(facts["arguments"])
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return
        model = a_name(parameters.get("model")) if type(parameters) is dict else None
        if model is not None and model.isprintable():
            facts["model"] = facts["request_model"] = model


def public(facts: dict[str, Any]) -> Facts:
    """The facts without the normaliser's own."""
    return cast("Facts", {fact: value for fact, value in facts.items() if fact[0] != "_"})


def _scores(step: Step, told: list[dict[str, Any]]) -> list[Score]:
    """The judgements that a span and its events hold."""
    scores = []
    for number, said in enumerate(told):
        parts = judgement(said)
        if parts is not None:
            scores.append(
                Score(
                    key=f"{step.trace_id}:{step.span_id}:{number}",
                    at_us=said.get("_at_us") or step.ended_us or step.started_us,
                    agent=step.agent,
                    service=step.service,
                    trace_id=step.trace_id,
                    span_id=step.span_id,
                    response_id=said.get("response_id"),
                    conversation=step.facts.get("conversation"),
                    **parts,
                )
            )
    return scores
