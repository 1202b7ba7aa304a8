"""A program that works with OpenAI's API under one instrumentation and tells what that made of it, as OTLP requests.

Run as `python -m tests.normalise.speaker INSTRUMENTATION BASE_URL FOLDER`, in a process of its own: instrumentations
patch the packages that they watch for good. Writes `traces.bin` and `logs.bin` into the folder, or sends them to
OTEL_EXPORTER_OTLP_ENDPOINT where that is set.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openai import NotFoundError, OpenAI
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.normalise.openai_stub import BROKEN

TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


def openinference(traces: TracerProvider, _logs: LoggerProvider) -> None:
    """Arize's."""
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=traces)


def openllmetry(traces: TracerProvider, logs: LoggerProvider) -> None:
    """Traceloop's."""
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=traces, logger_provider=logs)


def opentelemetry(traces: TracerProvider, logs: LoggerProvider) -> None:
    """OpenTelemetry's own."""
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=traces, logger_provider=logs)


def agents(traces: TracerProvider, _logs: LoggerProvider) -> None:
    """Arize's, for OpenAI's Agents SDK."""
    from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

    OpenAIAgentsInstrumentor().instrument(tracer_provider=traces)


INSTRUMENTATIONS: dict[str, Callable[[TracerProvider, LoggerProvider], None]] = {
    "openinference": openinference,
    "openllmetry": openllmetry,
    "opentelemetry": opentelemetry,
    "agents": agents,
}


def talk(base_url: str) -> None:
    """A chat with a tool, one that streams, an embedding and a model that is not there."""
    client = OpenAI(base_url=base_url, api_key="nothing", max_retries=0)
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Rain in Oslo?"}]
    asked = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS, temperature=0.3)
    messages.append(asked.choices[0].message.model_dump(exclude_none=True))
    messages.append({"role": "tool", "tool_call_id": "call_1", "content": "rain"})
    client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS)
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=messages[:2], stream=True, stream_options={"include_usage": True}
    )
    for _chunk in stream:
        pass
    client.embeddings.create(model="text-embedding-3-small", input="Oslo")
    try:
        client.chat.completions.create(model=BROKEN, messages=messages[:2])
    except NotFoundError:
        return
    raise AssertionError("the stub has every model")


def hand_over(base_url: str) -> None:
    """An agent that uses a tool and hands over to another one."""
    from agents import Agent, Runner, function_tool, set_default_openai_client
    from openai import AsyncOpenAI

    set_default_openai_client(AsyncOpenAI(base_url=base_url, api_key="nothing"), use_for_tracing=False)

    def get_weather(city: str) -> str:
        """The weather."""
        return "rain in " + city

    billing = Agent(name="billing", instructions="Bill.", model="gpt-4o-mini")
    support = Agent(
        name="support",
        instructions="Help.",
        model="gpt-4o-mini",
        tools=[function_tool(get_weather)],
        handoffs=[billing],
    )
    asyncio.run(Runner.run(support, "Rain in Oslo?"))


def main(instrumentation: str, base_url: str, folder: str) -> None:
    """Talk, and write down what the instrumentation told."""
    resource = Resource.create({"service.name": "weather-desk", "service.version": "1.4.0"})
    traces, logs = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    spans, records = InMemorySpanExporter(), InMemoryLogRecordExporter()
    traces.add_span_processor(SimpleSpanProcessor(spans))
    logs.add_log_record_processor(SimpleLogRecordProcessor(records))
    INSTRUMENTATIONS[instrumentation](traces, logs)
    if instrumentation == "agents":
        hand_over(base_url)
    else:
        with traces.get_tracer("weather-desk").start_as_current_span(
            "invoke_agent weather", attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "weather"}
        ):
            talk(base_url)
    finished = spans.get_finished_spans()
    if "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ:
        OTLPSpanExporter().export(finished)
    Path(folder, "traces.bin").write_bytes(encode_spans(finished).SerializeToString())
    Path(folder, "logs.bin").write_bytes(encode_logs(records.get_finished_logs()).SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:])
