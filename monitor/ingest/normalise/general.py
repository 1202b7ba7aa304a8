"""Names of OpenTelemetry's general conventions, and Agent Monitor's own."""

from monitor.ingest.normalise.dialect import Dialect, Field, count, error_type, name, prose

FIELDS = {
    "agent_monitor.agent": Field("_named", name),
    "enduser.id": Field("user"),
    "deployment.environment.name": Field("environment"),
    "deployment.environment": Field("environment"),
    "error.type": Field("error_type", error_type),
    "error.message": Field("error_message", prose),
    "http.request.resend_count": Field("retries", count),
}

DIALECT = Dialect(name="general", fields=FIELDS, namespaces=frozenset({"agent_monitor"}))
