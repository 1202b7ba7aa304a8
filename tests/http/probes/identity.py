"""The tenant, who belongs to it, and its keys."""

from tests.http.probes.probe import Of, Probe, own

PARAMETERS: dict[str, Of] = {
    "key_id": lambda f: [str(f.spare_key_id)],
    "member": lambda f: [str(f.tenant.user_id), f"owner@{f.tenant.slug}.example"],
}

PROBES: dict[str, Probe] = {
    "GET /api/v1/members": own(),
    "GET /api/v1/members/{member}": Probe(),
    "PATCH /api/v1/members/{member}": Probe(body=lambda f: {"contacts": []}),
    "GET /api/v1/tenant": own(),
    "GET /api/v1/api-keys": own(),
    "POST /api/v1/api-keys": Probe(409, 201, body=lambda f: {"name": "k", "agent_id": str(f.agent_id)}),
    "DELETE /api/v1/api-keys/{key_id}": Probe(),
}
