"""Traces as agents of several dialects send them: what every test of assembly is fed with."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from monitor.ingest.normalise.spans import steps_of_spans
from monitor.ingest.otlp.records import Resource, Scope, SpanEvent, SpanKind, SpanRecord, StatusCode
from monitor.runs.steps import Step

SECOND = 1_000_000_000
_SCOPE = Scope("tests", "1", {})

GENAI = {
    "agent": {"gen_ai.operation.name": "invoke_agent"},
    "agent_name": "gen_ai.agent.name",
    "call": {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"},
    "model": "gen_ai.request.model",
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "tool": {"gen_ai.operation.name": "execute_tool"},
    "tool_name": "gen_ai.tool.name",
    "workflow": {"gen_ai.operation.name": "invoke_workflow"},
    "workflow_name": "gen_ai.workflow.name",
}
OLD_GENAI = GENAI | {
    "call": {"gen_ai.operation.name": "chat", "gen_ai.system": "openai"},
    "input": "gen_ai.usage.prompt_tokens",
    "output": "gen_ai.usage.completion_tokens",
}
OPENINFERENCE = {
    "agent": {"openinference.span.kind": "AGENT"},
    "agent_name": "agent.name",
    "call": {"openinference.span.kind": "LLM"},
    "model": "llm.model_name",
    "input": "llm.token_count.prompt",
    "output": "llm.token_count.completion",
    "tool": {"openinference.span.kind": "TOOL"},
    "tool_name": "tool.name",
    "workflow": {"gen_ai.operation.name": "invoke_workflow"},
    "workflow_name": "gen_ai.workflow.name",
}
TRACELOOP = GENAI | {
    "agent": {"traceloop.span.kind": "agent"},
    "agent_name": "traceloop.entity.name",
    "tool": {"traceloop.span.kind": "tool"},
    "tool_name": "traceloop.entity.name",
    "workflow": {"traceloop.span.kind": "workflow"},
    "workflow_name": "traceloop.entity.name",
}
DIALECTS: Sequence[dict[str, Any]] = (GENAI, OLD_GENAI, OPENINFERENCE, TRACELOOP)


class Teller:
    """Tells one trace in a dialect, span by span; each `tell` returns the span's id."""

    def __init__(self, number: int, start_ns: int, dialect: dict[str, Any], service: str = "fleet") -> None:
        self.trace_id = f"{number:032x}"
        self.records: list[SpanRecord] = []
        self._start = start_ns
        self._dialect = dialect
        self._resource = Resource({"service.name": service})

    def tell(
        self,
        name: str,
        parent: str | None,
        attributes: dict[str, Any],
        *,
        seconds: float | None = 1.0,
        error: str | None = None,
        span: str | None = None,
    ) -> str:
        """One span that begins a tenth of a second after the one before; `seconds` None: it has not ended."""
        span_id = span or f"{len(self.records) + 1:016x}"
        start = self._start + len(self.records) * SECOND // 10
        events = () if error is None else (
            SpanEvent(start, "exception", {"exception.type": "ValueError", "exception.message": error}),
        )  # fmt: skip
        self.records.append(
            SpanRecord(
                self._resource, _SCOPE, self.trace_id, span_id, parent, name, SpanKind.INTERNAL, start,
                0 if seconds is None else start + int(seconds * SECOND),
                StatusCode.UNSET if error is None else StatusCode.ERROR, error or "", attributes, events,
            )
        )  # fmt: skip
        return span_id

    def agent(self, name: str, parent: str | None = None, **more: Any) -> str:
        """A run of an agent."""
        known = self._dialect
        extra = more.pop("attributes", {})
        return self.tell(f"invoke_agent {name}", parent, known["agent"] | {known["agent_name"]: name} | extra, **more)

    def call(self, parent: str | None, read: int = 0, written: int = 0, **more: Any) -> str:
        """A call of a model."""
        known = self._dialect
        told = known["call"] | {known["model"]: more.pop("model", "gpt-4o")} | more.pop("attributes", {})
        if read or written:
            told |= {known["input"]: read, known["output"]: written}
        return self.tell("chat gpt-4o", parent, told, **more)

    def tool(self, name: str, parent: str | None, **more: Any) -> str:
        """A use of a tool."""
        known = self._dialect
        extra = more.pop("attributes", {})
        return self.tell(f"execute_tool {name}", parent, known["tool"] | {known["tool_name"]: name} | extra, **more)

    def workflow(self, name: str, parent: str | None = None, **more: Any) -> str:
        """A run of a workflow."""
        known = self._dialect
        return self.tell(f"invoke_workflow {name}", parent, known["workflow"] | {known["workflow_name"]: name}, **more)

    def other(self, parent: str | None, **more: Any) -> str:
        """A span that says nothing of agents."""
        return self.tell("GET /", parent, {"http.request.method": "GET"}, **more)

    def steps(self) -> list[Step]:
        """What normalising makes of it."""
        return steps_of_spans(self.records).steps


def conversation(t: Teller) -> None:
    """An agent that thinks, uses a tool and answers."""
    agent = t.agent("planner", attributes={"gen_ai.conversation.id": "c1"}, seconds=5)
    t.call(agent, 100, 20)
    t.tool("search", t.other(agent))
    t.call(agent, 150, 30)


def crew(t: Teller) -> None:
    """A workflow of two agents, one of which invokes another and fails."""
    flow = t.workflow("report", seconds=9)
    first = t.agent("researcher", t.other(flow), seconds=3)
    t.call(first, 10, 5)
    second = t.agent("writer", flow, error="no such file: report-17", seconds=3)
    inner = t.agent("critic", t.tool("ask critic", second))
    t.call(inner, 7, 3)
    t.call(second, 40, 60)


def twice_told(t: Teller) -> None:
    """A call told by two layers, and an agent that says what its calls took together."""
    agent = t.agent("echo", attributes={"gen_ai.usage.input_tokens": 30, "gen_ai.usage.output_tokens": 12})
    outer = t.call(agent, 30, 12)
    t.call(t.other(outer), 30, 12)
    tool = t.tool("look up", agent)
    t.tool("look up", tool, attributes={"mcp.session.id": "m1"})


def alone(t: Teller) -> None:
    """Calls and a tool of nobody, below a request of the web."""
    top = t.other(None)
    t.call(top, 5, 5)
    t.tool("loose", top)


def orphans(t: Teller) -> None:
    """Parents that never come."""
    agent = t.agent("lost", "feedfeedfeedfeed")
    t.call(agent, 3, 4)
    t.call("feedfeedfeedfee1", 8, 9)
    t.tool("found", "feedfeedfeedfee1")


def circle(t: Teller) -> None:
    """Three steps, each the next one's parent, and one below them."""
    t.agent("ouroboros", "000000000000000c", span="000000000000000a")
    t.call("000000000000000a", 2, 1, span="000000000000000b")
    t.tool("tail", "000000000000000b", span="000000000000000c")
    t.call("000000000000000c", 9, 9)


def endless(t: Teller) -> None:
    """What does not end."""
    agent = t.agent("daemon", seconds=None)
    t.call(agent, 11, 12)
    t.tool("wait", agent, seconds=None)


def handed(t: Teller) -> None:
    """One agent hands over to another, both below one workflow."""
    flow = t.workflow("support", seconds=4)
    first = t.agent("Triage", flow)
    t.call(first, 20, 2)
    t.tool("transfer_to_refund_agent", first)
    t.call(t.agent("Refund Agent", flow), 30, 3)


def summed(t: Teller) -> None:
    """An agent that says what it took and tells no calls; a call that failed."""
    t.agent("opaque", attributes={"gen_ai.usage.input_tokens": 77, "gen_ai.usage.output_tokens": 8})
    t.call(t.agent("unlucky", error="gave up"), error="rate limited")


SHAPES = (conversation, crew, twice_told, alone, orphans, circle, endless, handed, summed)


def corpus(now_us: int) -> list[Step]:
    """36 traces: each shape in each dialect, all begun in the minutes before `now_us`."""
    steps: list[Step] = []
    for place, dialect in enumerate(DIALECTS):
        for number, shape in enumerate(SHAPES):
            start = (now_us - 200_000_000 - 1_000_000 * number) * 1000
            teller = Teller(1 + place * len(SHAPES) + number, start, dialect, service=f"fleet-{place}")
            shape(teller)
            steps += teller.steps()
    return steps


def partial(step: Step) -> Step:
    """The same step as it may be told while it goes on: no end, fewer facts."""
    facts = {name: value for name, value in step.facts.items() if name in ("tool", "operation", "model", "workflow")}
    return replace(step, ended_us=None, facts=facts)
