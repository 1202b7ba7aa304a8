"""What is stored about one person."""

from tests.http.probes.probe import Of, Probe, own

PARAMETERS: dict[str, Of] = {
    "request_id": lambda f: [str(f.ids["data_request"])],
}

PAGED = [
    "GET /api/v1/data-requests",
]

PROBES: dict[str, Probe] = {
    "GET /api/v1/data-requests": own(),
    "POST /api/v1/data-requests": Probe(
        owner=201, body=lambda f: {"kind": "export", "user": f"owner@{f.tenant.slug}.example"}
    ),
    "GET /api/v1/data-requests/{request_id}": Probe(),
    "GET /api/v1/data-requests/{request_id}/export": Probe(),
}
