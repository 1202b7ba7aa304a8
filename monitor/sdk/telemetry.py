"""OpenTelemetry's own SDK, pointed at the collector, and the instrumentations of models that are installed.

The packages are optional (`pip install 'agent-monitor[otel]'`): nothing here imports them before it is asked to.
"""

import atexit
import re
import socket
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from monitor.sdk.surroundings import log

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

MISSING = "instrument() needs OpenTelemetry, which is not installed: pip install 'agent-monitor[otel]'"
TIMEOUT = 5.0
"""Seconds that an export may take, with its retries."""
_GROUP = "opentelemetry_instrumentor"
# Which speak of models is told by what they are built on: OpenTelemetry's conventions for GenAI, OpenLLMetry,
# OpenInference. Of several for the same library the first one counts: two would tell every call twice.
_BUILT_ON = ("opentelemetry-util-genai", "opentelemetry-semantic-conventions-ai", "openinference-instrumentation")
# What a package of others may do wrong when it is loaded or started.
_BROKEN = (ImportError, AttributeError, TypeError, ValueError, LookupError, RuntimeError, OSError)


class Telemetry(NamedTuple):
    """What was set up: the providers, how they send, and the instrumentations by name."""

    url: str
    traces: "TracerProvider"
    metrics: "MeterProvider | None"
    logs: "LoggerProvider"
    exporters: "tuple[OTLPSpanExporter | OTLPMetricExporter | OTLPLogExporter, ...]"
    instrumented: tuple[str, ...] = ()

    def flush(self, timeout: float) -> bool:
        """Export what is waiting, within about `timeout` seconds; False where that did not suffice."""
        if not self._reachable():
            return False
        millis = int(timeout * 1000)
        done = self.traces.force_flush(millis) and self.logs.force_flush(millis)
        return done and (self.metrics is None or self.metrics.force_flush(millis))

    def at_exit(self) -> None:
        """Before the providers' own end, which sends what is waiting: not where nobody is there to take it, for that
        would be tried three times for some seconds."""
        if not self._reachable():
            for exporter in self.exporters:
                exporter.shutdown()

    def _reachable(self) -> bool:
        at = urlsplit(self.url)
        try:
            socket.create_connection((at.hostname or "", at.port or (443 if at.scheme == "https" else 80)), 1.0).close()
        except OSError:
            return False
        return True


def instrument(url: str, key: str, agent: str) -> Telemetry | None:
    """Send traces, metrics and log records of this process to the collector; None where OpenTelemetry is missing.

    Providers that the program set up before go on: traces and log records go to the collector as well.
    """
    try:
        telemetry = _providers(url.rstrip("/"), {"Authorization": f"Bearer {key}"}, agent)
    except ImportError:
        log.warning(MISSING)
        return None
    atexit.register(telemetry.at_exit)
    return telemetry._replace(instrumented=tuple(_start(_instrumentations())))


def _providers(url: str, headers: dict[str, str], agent: str) -> Telemetry:
    from opentelemetry import _logs, metrics, trace
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": agent} if agent else {})
    packed = Compression.Gzip
    spans = OTLPSpanExporter(f"{url}/v1/traces", headers=headers, timeout=TIMEOUT, compression=packed)
    tracers = trace.get_tracer_provider()
    if not isinstance(tracers, TracerProvider):
        tracers = TracerProvider(resource=resource)
        trace.set_tracer_provider(tracers)
    tracers.add_span_processor(BatchSpanProcessor(spans))

    records = OTLPLogExporter(f"{url}/v1/logs", headers=headers, timeout=TIMEOUT, compression=packed)
    loggers = _logs.get_logger_provider()
    if not isinstance(loggers, LoggerProvider):
        loggers = LoggerProvider(resource=resource)
        _logs.set_logger_provider(loggers)
    loggers.add_log_record_processor(BatchLogRecordProcessor(records))

    points = OTLPMetricExporter(f"{url}/v1/metrics", headers=headers, timeout=TIMEOUT, compression=packed)
    meters: MeterProvider | None = None
    if isinstance(metrics.get_meter_provider(), MeterProvider):
        # A provider takes readers when it is made, and not later.
        log.warning("instrument() leaves metrics alone: the program set a provider of its own up before")
    else:
        meters = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(points)])
        metrics.set_meter_provider(meters)
    return Telemetry(url, tracers, meters, loggers, (spans, records, points))


def _instrumentations() -> Iterator[list[EntryPoint]]:
    """Those of models, by the library that they watch, the one to be taken first."""
    ranked: dict[str, list[tuple[int, EntryPoint]]] = {}
    for entry in entry_points(group=_GROUP):
        wanted = [] if entry.dist is None else entry.dist.requires or []
        needs = {re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in wanted}
        rank = next((rank for rank, name in enumerate(_BUILT_ON) if name in needs), None)
        if rank is not None:
            ranked.setdefault(entry.name, []).append((rank, entry))
    for name in sorted(ranked):
        yield [entry for _, entry in sorted(ranked[name], key=lambda one: one[0])]


def _start(found: Iterator[list[EntryPoint]]) -> Iterator[str]:
    for entries in found:
        for entry in entries:
            named = entry.dist.name if entry.dist is not None else entry.value
            try:
                instrumentor = entry.load()()
                instrumentor.instrument()
                started = bool(getattr(instrumentor, "is_instrumented_by_opentelemetry", True))
            except _BROKEN as fault:
                log.warning("%s cannot be started: %s: %s", named, type(fault).__name__, fault)
                continue
            # One whose library is not installed says so itself, and does nothing.
            if started:
                yield named
                break
