"""The audit trail."""

from tests.http.probes.probe import Probe, own

PAGED = [
    "GET /api/v1/audit-logs",
]

PROBES: dict[str, Probe] = {
    "GET /api/v1/audit-logs": own(),
    "GET /api/v1/audit-logs/export": own(),
}
