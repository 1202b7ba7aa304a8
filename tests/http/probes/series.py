"""History."""

from tests.http.probes.probe import Probe, own

PROBES: dict[str, Probe] = {
    "GET /api/v1/query": own(query=lambda f: {"metric": "execution_duration_ms", "reduce": "max", "by": "agent"}),
    "GET /api/v1/metrics/latest": own(query=lambda f: {"max_age": "1d"}),
    "GET /api/v1/exemplars": own(query=lambda f: {"metric": "execution_duration_ms"}),
}
