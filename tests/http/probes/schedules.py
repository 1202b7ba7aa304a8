"""Agents that are called."""

from tests.http.probes.probe import Probe

PAGED = [
    "GET /api/v1/agents/{agent}/runs",
]

PROBES: dict[str, Probe] = {
    "GET /api/v1/agents/{agent}/runs": Probe(),
    "POST /api/v1/agents/{agent}/run": Probe(owner=202),
}
