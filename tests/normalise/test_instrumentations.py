"""What instrumentations that nobody here wrote make of calls to a stub of OpenAI's API."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.ingest.normalise.events import steps_of_logs
from monitor.ingest.normalise.outcome import Normalised
from monitor.ingest.normalise.spans import steps_of_spans
from monitor.ingest.otlp import protocol
from monitor.ingest.otlp.logs import logs
from monitor.ingest.otlp.protocol import LOGS, TRACES, Encoding
from monitor.ingest.otlp.traces import spans
from monitor.ingest.payloads import Outcome
from monitor.runs.steps import Step, StepKind, StepStatus
from tests.normalise.openai_stub import BROKEN, MODEL, openai_stub
from tests.structure.tree import ROOT

WHOLE = {"input_tokens": 1200, "output_tokens": 80, "cache_read_tokens": 1000, "reasoning_tokens": 30}
CONTENT_ON = {
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
    "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true",
}


@pytest.fixture(scope="module")
def stub() -> Iterator[str]:
    """The base URL of the stub."""
    with openai_stub() as url:
        yield url


def speak(instrumentation: str, stub: str, folder: Path, **env: str) -> tuple[Normalised, Normalised]:
    """What is made of the spans and of the log records of a run under an instrumentation."""
    words = [sys.executable, "-m", "tests.normalise.speaker", instrumentation, stub, str(folder)]
    done = subprocess.run(words, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read = protocol.read(TRACES, (folder / "traces.bin").read_bytes(), Encoding.PROTOBUF)
    told = logs(*protocol.read(LOGS, (folder / "logs.bin").read_bytes(), Encoding.PROTOBUF))
    return steps_of_spans(spans(*read, Outcome()).values()), steps_of_logs(told)


def calls(outcome: Normalised) -> list[Step]:
    """The calls in the order in which they began."""
    found = [step for step in outcome.steps if step.kind is StepKind.CALL]
    return sorted(found, key=lambda step: step.started_us)


def told(step: Step, names: dict[str, Any]) -> dict[str, Any]:
    """Some facts of a step."""
    return {name: step.facts.get(name) for name in names}


def check_talk(outcome: Normalised, whole: dict[str, Any], streamed: dict[str, Any]) -> list[Step]:
    """Two calls around a tool, one that streams, an embedding and a failure, within the task of an agent."""
    assert outcome.unmapped == {}
    assert outcome.misfits == {}
    agents = [step for step in outcome.steps if step.kind is StepKind.AGENT]
    assert [(step.agent, step.parent_id) for step in agents] == [("weather", None)]
    found = calls(outcome)
    assert {step.parent_id for step in found} == {agents[0].span_id}
    asked, answered, stream, embedding, failed = found
    for step, expected in ((asked, whole), (answered, whole), (stream, streamed)):
        assert told(step, expected) == expected
        assert (step.facts["model"], step.facts["provider"]) == (MODEL, "openai")
        assert step.status is not StepStatus.ERROR
    assert (embedding.facts["model"], embedding.facts["input_tokens"]) == ("text-embedding-3-small", 7)
    assert "output_tokens" not in embedding.facts
    assert (failed.status, failed.facts["model"]) == (StepStatus.ERROR, BROKEN)
    assert "no such model" in failed.facts["error_message"]
    assert "NotFoundError" in failed.facts["error_type"]
    assert {step.service for step in outcome.steps} == {"weather-desk"}
    assert {step.facts["agent_version"] for step in found} == {"1.4.0"}
    return found


def test_openinference(stub: str, tmp_path: Path) -> None:
    outcome, _events = speak("openinference", stub, tmp_path)
    asked, answered, stream, _embedding, failed = check_talk(outcome, WHOLE, WHOLE)
    assert asked.facts["finish_reasons"] == ["tool_calls"]
    assert asked.facts["input"][1] == {"role": "user", "content": "Rain in Oslo?"}
    assert answered.facts["output"] == [{"role": "assistant", "content": "It rains."}]
    assert 0 < stream.facts["time_to_first_token_ms"] < 60_000
    assert "NotFoundError" in failed.facts["traceback"]
    assert not any("traceback" in step.facts for step in outcome.steps if step is not failed)


def test_openllmetry(stub: str, tmp_path: Path) -> None:
    outcome, _events = speak("openllmetry", stub, tmp_path)
    streamed = {name: count for name, count in WHOLE.items() if name != "reasoning_tokens"}
    asked, _answered, stream, _embedding, _failed = check_talk(outcome, WHOLE, streamed)
    assert asked.facts["response_id"] == "chatcmpl-1"
    assert "Rain in Oslo?" in asked.facts["input"]
    # Each chunk of a stream is an event of the span: they are not kept.
    assert stream.events == []
    assert 0 < stream.facts["time_to_first_token_ms"] < 60_000


def test_opentelemetry_without_contents(stub: str, tmp_path: Path) -> None:
    outcome, events = speak("opentelemetry", stub, tmp_path)
    plain = {"input_tokens": 1200, "output_tokens": 80}
    check_talk(outcome, plain, plain)
    assert not any({"input", "output", "system"} & step.facts.keys() for step in outcome.steps)
    assert events.steps == []


def test_opentelemetry_with_contents_in_spans_and_events(stub: str, tmp_path: Path) -> None:
    outcome, events = speak("opentelemetry", stub, tmp_path, **CONTENT_ON)
    plain = {"input_tokens": 1200, "output_tokens": 80}
    asked, *_others = check_talk(outcome, plain, plain)
    assert "Rain in Oslo?" in str(asked.facts["input"])
    beside = [step for step in events.steps if step.parent_id == asked.span_id]
    # The event of a span that is there adds no call to the ledger.
    assert [step.kind for step in beside] == [StepKind.OTHER]
    assert "Rain in Oslo?" in str(beside[0].facts["input"])
    assert {step.trace_id for step in events.steps} == {asked.trace_id}


def test_agents_that_hand_over(stub: str, tmp_path: Path) -> None:
    outcome, _events = speak("agents", stub, tmp_path)
    assert outcome.unmapped == {}
    by_kind: dict[StepKind, list[Step]] = {}
    for step in sorted(outcome.steps, key=lambda step: step.started_us):
        by_kind.setdefault(step.kind, []).append(step)
    assert [step.facts["workflow"] for step in by_kind[StepKind.WORKFLOW]] == ["Agent workflow"]
    assert [step.agent for step in by_kind[StepKind.AGENT]] == ["support", "billing"]
    assert [step.facts["tool"] for step in by_kind[StepKind.TOOL]] == ["get_weather"]
    assert by_kind[StepKind.TOOL][0].facts["arguments"] == '{"city": "Oslo"}'
    assert by_kind[StepKind.TOOL][0].facts["result"] == "rain in Oslo"
    assert [step.facts["handoff_to"] for step in by_kind[StepKind.HANDOFF]] == ["billing"]
    assert len(by_kind[StepKind.CALL]) == 3
    for step in by_kind[StepKind.CALL]:
        assert told(step, WHOLE) == WHOLE
