// Sends what tests/otlp/test_clients.py counts, by OpenTelemetry's own SDK: `node send.mjs proto|http`.
// Where to and with which key stands in the environment, in OTEL_EXPORTER_OTLP_ENDPOINT and _HEADERS.
import { context, trace } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

const [, , spelling] = process.argv;
const { OTLPTraceExporter } = await import(`@opentelemetry/exporter-trace-otlp-${spelling}`);
const { OTLPMetricExporter } = await import(`@opentelemetry/exporter-metrics-otlp-${spelling}`);
const { OTLPLogExporter } = await import(`@opentelemetry/exporter-logs-otlp-${spelling}`);

const resource = resourceFromAttributes({ "service.name": "akira-001" });
const spans = new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), maxQueueSize: 10000 });
const tracing = new TracerProvider({ resource, spanProcessors: [spans] });
const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(), exportIntervalMillis: 3600000 });
const measuring = new MeterProvider({ resource, readers: [reader] });
const records = new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(), maxQueueSize: 10000 });
const logging = new LoggerProvider({ resource, processors: [records] });

const tracer = tracing.getTracer("tests");
for (let run = 0; run < 100; run++) {
  const agent = tracer.startSpan("invoke_agent akira-001", {
    attributes: { "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "akira-001" },
  });
  const within = trace.setSpan(context.active(), agent);
  for (let call = 0; call < 4; call++) {
    const attributes = {
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "gpt-5-mini",
      "gen_ai.usage.input_tokens": 100 + call,
      "gen_ai.usage.output_tokens": 10,
    };
    tracer.startSpan("chat gpt-5-mini", { attributes }, within).end();
  }
  agent.end();
}

const meter = measuring.getMeter("tests");
const done = meter.createCounter("tasks.done");
const seconds = meter.createHistogram("task.seconds", { unit: "s" });
meter.createObservableGauge("queue.length").addCallback((result) => result.observe(7));
for (let task = 0; task < 500; task++) {
  done.add(1, { kind: `kind ${task % 5}` });
  seconds.record(task / 8);
}

const logger = logging.getLogger("tests");
for (let number = 0; number < 300; number++) {
  logger.emit({ severityNumber: 13, severityText: "WARN", body: `line ${number}`, attributes: { number } });
}

for (const provider of [tracing, measuring, logging]) {
  await provider.forceFlush();
  await provider.shutdown();
}
