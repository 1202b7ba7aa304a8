"""Sends what test_clients.py counts, by OpenTelemetry's own SDK: `python -m tests.otlp.sender http|grpc`.

Where to, with which key and how compressed stands in the environment: OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS,
_COMPRESSION. What is sent is what tests/tools/otel_js/send.mjs sends too.
"""

import importlib
import sys
from collections.abc import Iterable
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

RESOURCE = Resource({"service.name": "akira-001"})


def exporter(protocol: str, module: str, name: str) -> Any:
    """An exporter as its package makes it."""
    return getattr(importlib.import_module(f"opentelemetry.exporter.otlp.proto.{protocol}.{module}"), name)()


def traces(protocol: str) -> None:
    """A hundred traces of five spans."""
    provider = TracerProvider(resource=RESOURCE)
    made = exporter(protocol, "trace_exporter", "OTLPSpanExporter")
    provider.add_span_processor(BatchSpanProcessor(made, max_queue_size=10_000))
    tracer = provider.get_tracer("tests")
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "akira-001"}
    for _ in range(100):
        with tracer.start_as_current_span("invoke_agent akira-001", attributes=agent):
            for call in range(4):
                attributes: dict[str, Any] = {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": "gpt-5-mini",
                    "gen_ai.usage.input_tokens": 100 + call,
                    "gen_ai.usage.output_tokens": 10,
                }
                tracer.start_span("chat gpt-5-mini", attributes=attributes).end()
    provider.force_flush()
    provider.shutdown()


def metrics(protocol: str) -> None:
    """A counter of five streams, a histogram and a gauge."""
    made = exporter(protocol, "metric_exporter", "OTLPMetricExporter")
    reader = PeriodicExportingMetricReader(made, export_interval_millis=3_600_000)
    provider = MeterProvider(resource=RESOURCE, metric_readers=[reader])
    meter = provider.get_meter("tests")
    done = meter.create_counter("tasks.done")
    seconds = meter.create_histogram("task.seconds", unit="s")

    def queue(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(7)]

    meter.create_observable_gauge("queue.length", callbacks=[queue])
    for task in range(500):
        done.add(1, {"kind": f"kind {task % 5}"})
        seconds.record(task / 8)
    provider.shutdown()


def logs(protocol: str) -> None:
    """Three hundred records."""
    made = exporter(protocol, "_log_exporter", "OTLPLogExporter")
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(BatchLogRecordProcessor(made, max_queue_size=10_000))
    logger = provider.get_logger("tests")
    for number in range(300):
        logger.emit(
            LogRecord(
                severity_number=SeverityNumber.WARN,
                severity_text="WARN",
                body=f"line {number}",
                attributes={"number": number},
            )
        )
    provider.force_flush()
    provider.shutdown()


if __name__ == "__main__":
    for send in (traces, metrics, logs):
        send(sys.argv[1])
