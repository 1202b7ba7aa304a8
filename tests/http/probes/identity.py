"""The tenant, who belongs to it, and its keys."""

from tests.http.probes.probe import Of, Probe, own

PUBLIC = {
    "POST /api/v1/sign-in": "name and password are the credential",
    "POST /api/v1/sign-out": "forgets a cookie, of whomever",
    "POST /api/v1/password-reset": "says the same to everybody",
    "POST /api/v1/password-reset/{token}": "the signed link is the credential",
    "POST /api/v1/verify/{token}": "the signed link is the credential",
    "POST /api/v1/invitations/{token}": "the signed link is the credential",
}

PARAMETERS: dict[str, Of] = {
    "session_id": lambda f: [str(f.ids["session"])],
    "key_id": lambda f: [str(f.spare_key_id)],
    "member": lambda f: [str(f.tenant.user_id), f"owner@{f.tenant.slug}.example"],
}

PROBES: dict[str, Probe] = {
    "GET /api/v1/members": own(),
    "GET /api/v1/members/{member}": Probe(),
    "POST /api/v1/members": Probe(201, 201, body=lambda f: {"email": f"guest@{f.word}.example"}),
    # An owner is taken out by nobody but an owner, and a key is none.
    "DELETE /api/v1/members/{member}": Probe(owner=403),
    "PATCH /api/v1/members/{member}": Probe(body=lambda f: {"contacts": []}),
    "GET /api/v1/tenant": own(),
    "PATCH /api/v1/tenant": Probe(200, 200, body=lambda f: {"contact_name": "mine"}),
    "GET /api/v1/sessions": own(),
    "DELETE /api/v1/sessions/{session_id}": Probe(owner=204),
    "GET /api/v1/me": own(),
    # A key is nobody, whoever made it.
    "PATCH /api/v1/me": Probe(403, 403, body=lambda f: {"name": "mine"}),
    "POST /api/v1/me/password": Probe(403, 403, body=lambda f: {"new": "a password for nobody"}),
    "POST /api/v1/me/verify": Probe(403, 403),
    "GET /api/v1/api-keys": own(),
    "POST /api/v1/api-keys": Probe(409, 201, body=lambda f: {"name": "k", "agent_id": str(f.agent_id)}),
    "PATCH /api/v1/api-keys/{key_id}": Probe(body=lambda f: {"name": "mine"}),
    "POST /api/v1/api-keys/{key_id}/rotate": Probe(owner=201, body=lambda f: {"grace": "1h"}),
    "DELETE /api/v1/api-keys/{key_id}": Probe(),
}
