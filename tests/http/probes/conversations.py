"""Who said what. Names of conversations are the sender's own."""

from tests.http.probes.probe import Of, Probe, own

PARAMETERS: dict[str, Of] = {
    "conversation": lambda f: [f"{f.word}-conversation", str(f.ids["conversation"])],
    "message": lambda f: [str(f.ids["message"])],
}

PAGED = [
    "GET /api/v1/conversations",
    "GET /api/v1/messages",
    "GET /api/v1/conversations/{conversation}/messages",
]

PROBES: dict[str, Probe] = {
    "POST /api/v1/messages": Probe(
        201, 201, body=lambda f: {"conversation": f"{f.word}-conversation", "role": "user", "content": "mine"}
    ),
    "GET /api/v1/messages": own(query=lambda f: {"agent": f.agent}),
    "GET /api/v1/messages/{message}": Probe(),
    "PATCH /api/v1/messages/{message}": Probe(body=lambda f: {"content": "changed"}),
    "GET /api/v1/messages/{message}/edits": Probe(),
    "GET /api/v1/conversations": own(query=lambda f: {"agent": f.agent}),
    "POST /api/v1/conversations": Probe(201, 200, body=lambda f: {"id": f"{f.word}-conversation", "title": "mine"}),
    "GET /api/v1/conversations/{conversation}": Probe(),
    "PATCH /api/v1/conversations/{conversation}": Probe(body=lambda f: {"title": "changed"}),
    "DELETE /api/v1/conversations/{conversation}": Probe(owner=204),
    # It is there, not deleted.
    "POST /api/v1/conversations/{conversation}/restore": Probe(owner=404),
    "GET /api/v1/conversations/{conversation}/messages": Probe(),
    # A state's conversation is a name, which others may use too.
    "GET /api/v1/conversations/{conversation}/states": own(),
    "GET /api/v1/conversations/{conversation}/states/{agent_type}": Probe(),
    "PUT /api/v1/conversations/{conversation}/states/{agent_type}": Probe(201, 200, body=lambda f: {"state": {}}),
    "DELETE /api/v1/conversations/{conversation}/states/{agent_type}": Probe(owner=204),
}
