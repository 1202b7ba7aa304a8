"""How long what is kept, and what has gone."""

from tests.http.probes.probe import Of, Probe, own

PARAMETERS: dict[str, Of] = {
    "kind": lambda f: ["logs"],
}

PAGED = [
    "GET /api/v1/retention-runs",
]

PROBES: dict[str, Probe] = {
    "GET /api/v1/retention-policies": own(),
    "PUT /api/v1/retention-policies/{kind}": own(body=lambda f: {"keep_days": 9}),
    "DELETE /api/v1/retention-policies/{kind}": Probe(204, 204),
    "GET /api/v1/retention-preview": own(),
    "GET /api/v1/retention-runs": own(),
}
