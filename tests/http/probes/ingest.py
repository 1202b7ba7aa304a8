"""What agents send: rows for a name that both tenants may use go to the sender's own agent of that name."""

from tests.http.dialects import gauge, record, remote_write, span, telemetry
from tests.http.probes.probe import Probe, own

PUBLIC = {
    "GET /ping": "whether clients of InfluxDB are answered",
    "HEAD /ping": "the same",
    "GET /health": "whether the database answers, for clients of InfluxDB",
    "GET /ping/{token}": "the token is the credential",
    "POST /ping/{token}": "the token is the credential",
    "HEAD /ping/{token}": "the token is the credential",
    "GET /ping/{token}/{signal}": "the token is the credential",
    "POST /ping/{token}/{signal}": "the token is the credential",
    "HEAD /ping/{token}/{signal}": "the token is the credential",
}

PROBES: dict[str, Probe] = {
    "POST /api/v1/logs": Probe(202, 202, body=lambda f: {"agent": f.agent, "status": "success", "id": f"{f.word}-log"}),
    "POST /api/v1/metrics": Probe(
        202, 202, body=lambda f: {"agent": f.agent, "metric": f"{f.word}-metric", "value": 1}
    ),
    "POST /api/v1/heartbeats": Probe(202, 202, body=lambda f: {"agent": f.agent, "status": "active"}),
    "POST /api/v2/write": Probe(204, 204, text=lambda f: f"{f.word},agent={f.agent} value=1"),
    "POST /write": Probe(204, 204, text=lambda f: f"{f.word},agent={f.agent} other=1"),
    "POST /v1/traces": own(body=lambda f: telemetry(f, "resourceSpans", "scopeSpans", {"spans": [span(f)]})),
    "POST /v1/metrics": own(body=lambda f: telemetry(f, "resourceMetrics", "scopeMetrics", {"metrics": [gauge(f)]})),
    "POST /v1/logs": own(body=lambda f: telemetry(f, "resourceLogs", "scopeLogs", {"logRecords": [record(f)]})),
    "POST /api/v1/write": Probe(204, 204, text=remote_write),
    "GET /api/v1/tenant/privacy": own(),
    "PATCH /api/v1/tenant/privacy": own(body=lambda f: {"contents": True}),
}
