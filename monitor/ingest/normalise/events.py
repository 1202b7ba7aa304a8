"""Log events as steps: those of agents that tell their runs so. Every other log record gives none.

A step of an event ends when the event was told and starts as long before as it says that it took.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from monitor.ingest.normalise import claude_code, codex
from monitor.ingest.normalise.genai import USUAL
from monitor.ingest.normalise.outcome import Normalised, Score
from monitor.ingest.normalise.reading import Reader
from monitor.ingest.normalise.sender import Sender, sender_of, span_id_of, trace_id_of
from monitor.ingest.normalise.spans import counted, public
from monitor.ingest.normalise.tables import CONTENTS, EVENTS
from monitor.ingest.normalise.within import EVALUATION, judgement
from monitor.ingest.otlp.records import LogRecord, Resource
from monitor.runs.steps import Step, StepKind, StepStatus

DETAILS = "gen_ai.client.inference.operation.details"
"""OpenTelemetry's event that tells of a call all that its span tells, with the contents."""


class Event(NamedTuple):
    """An event of a dialect, read."""

    name: str
    record: LogRecord
    sender: Sender
    at_us: int
    facts: dict[str, Any]
    kept: dict[str, Any]


class Place(NamedTuple):
    """Where a step belongs."""

    trace_id: str
    span_id: str
    parent_id: str | None
    kind: StepKind
    failed: bool = False


def event_name(record: LogRecord) -> str | None:
    """The name of an agent's event with its prefix, such as `claude_code.api_request`; None for what is none.

    It stands in the record's own field, in the attribute `event.name`, or is the body; Claude Code leaves its prefix
    out of the attribute.
    """
    short = record.attributes.get("event.name")
    for candidate in (record.event_name, short, record.body):
        if type(candidate) is str and candidate.partition(".")[0] in EVENTS and len(candidate) < 100:
            return candidate
    if record.scope.name in claude_code.SCOPES and type(short) is str:
        return claude_code.PREFIX + short
    return None


def steps_of_logs(records: Iterable[LogRecord]) -> Normalised:
    """Steps of those log records that stand for one, in the order given, and judgements. Never raises."""
    outcome = Normalised()
    readers = {dialect: Reader(table, outcome) for dialect, table in EVENTS.items()}
    resource: Resource | None = None
    sender = Sender(None, None, None)
    for record in records:
        name = event_name(record)
        if name is None:
            continue
        if record.resource is not resource:
            resource = record.resource
            sender = sender_of(resource)
        dialect = name.partition(".")[0]
        if dialect == "gen_ai" and name not in (DETAILS, EVALUATION):
            continue
        facts, kept = readers[dialect].told(record.attributes)
        event = Event(name, record, sender, (record.time_ns or record.observed_ns) // 1000, facts, kept)
        if name == EVALUATION:
            outcome.scores += _scores(event)
            continue
        place = PLACES[dialect](event)
        if place is not None:
            outcome.steps.append(_step(event, place, outside=dialect == "claude_code"))
    return outcome


def _step(event: Event, place: Place, *, outside: bool) -> Step:
    facts, sender = event.facts, event.sender
    counted(facts, outside=outside)
    took = facts.get("_duration_ms", 0.0)
    if place.kind is not StepKind.OTHER:
        facts.setdefault("operation", USUAL[place.kind])
        for fact, value in (("agent_version", sender.version), ("environment", sender.environment)):
            if value is not None:
                facts.setdefault(fact, value)
    well = StepStatus.OK if facts.get("_success") else StepStatus.UNSET
    beside = place.trace_id != event.record.trace_id and event.record.trace_id is not None
    link = {"trace_id": event.record.trace_id, "span_id": event.record.span_id}
    return Step(
        place.trace_id,
        place.span_id,
        place.parent_id,
        place.kind,
        event.name,
        max(event.at_us - round(took * 1000), 0),
        event.at_us,
        StepStatus.ERROR if place.failed else well,
        facts.get("_named"),
        sender.service,
        public(facts),
        event.kept,
        (),
        [link] if beside else (),
    )


def _key(event: Event) -> str:
    """What tells an event from others of its name in its trace: the same when it is sent again."""
    facts, record = event.facts, event.record
    known = facts.get("tool_call_id") or facts.get("response_id") or facts.get("_event_key")
    return known or f"{record.time_ns or record.observed_ns}:{record.attributes.get('event.sequence')}"


def _claude_code(event: Event) -> Place | None:
    kind = claude_code.EVENTS.get(event.name)
    if kind is None:
        return None
    facts = event.facts
    failed = event.name in claude_code.FAILURES or facts.get("_success") is False
    session: str = facts.get("conversation", "")
    turn: str | None = facts.get("_turn")
    span_id = span_id_of("claude_code", session, turn or "", event.name, _key(event))
    if event.record.trace_id is not None:
        return Place(event.record.trace_id, span_id, event.record.span_id, StepKind.OTHER, failed)
    if turn is None:
        return Place(trace_id_of("claude_code", session, _key(event)), span_id, None, kind, failed)
    top = span_id_of("claude_code", session, turn)
    trace_id = trace_id_of("claude_code", session, turn)
    if kind is StepKind.AGENT:
        return Place(trace_id, top, None, kind, failed)
    return Place(trace_id, span_id, top, kind, failed)


def _codex(event: Event) -> Place | None:
    kind = codex.EVENTS.get(event.name)
    if kind is None:
        return None
    facts = event.facts
    stream = facts.get("_stream")
    code: str | None = facts.get("error_code")
    refused = code is not None and not code.startswith("2")
    failed = "error_message" in facts or facts.get("_success") is False or refused or stream == "response.failed"
    if event.name in codex.CALLS_WHERE_FAILED:
        if not failed and stream not in codex.ENDS_OF_CALLS:
            return None
        kind = StepKind.CALL
    if not failed:
        facts.pop("error_code", None)
    conversation: str = facts.get("conversation") or _key(event)
    trace_id, top = trace_id_of("codex", conversation), span_id_of("codex", conversation)
    if kind is StepKind.AGENT:
        return Place(trace_id, top, None, kind, failed)
    return Place(trace_id, span_id_of("codex", conversation, event.name, _key(event)), top, kind, failed)


def _gen_ai(event: Event) -> Place | None:
    """A call that has no span is one by itself; beside a span the event only adds what was said."""
    facts, record = event.facts, event.record
    failed = "error_type" in facts
    key = span_id_of(event.name, _key(event))
    if record.trace_id is None or record.span_id is None:
        return Place(trace_id_of(event.name, _key(event)), key, None, StepKind.CALL, failed)
    if CONTENTS.isdisjoint(facts):
        return None
    return Place(record.trace_id, key, record.span_id, StepKind.OTHER, failed)


PLACES = {"claude_code": _claude_code, "codex": _codex, "gen_ai": _gen_ai}


def _scores(event: Event) -> list[Score]:
    """A judgement belongs to the span that its event was told in."""
    facts, record = event.facts, event.record
    parts = judgement(facts)
    if parts is None:
        return []
    where = f"{record.trace_id}:{record.span_id}:{facts.get('response_id')}"
    return [
        Score(
            key=f"{where}:{parts['name']}:{record.time_ns or record.observed_ns}",
            at_us=event.at_us,
            agent=facts.get("_named") or facts.get("_agent"),
            service=event.sender.service,
            trace_id=record.trace_id,
            span_id=record.span_id,
            response_id=facts.get("response_id"),
            conversation=facts.get("conversation"),
            **parts,
        )
    ]
