"""The fleet."""

from tests.http.probes.probe import Of, Probe, own

PARAMETERS: dict[str, Of] = {
    "tool_name": lambda f: [f"{f.word}-tool"],
    "agent": lambda f: [f.agent, str(f.agent_id)],
    "version": lambda f: ["1"],
    "key": lambda f: [f"{f.word}-key"],
    "agent_type": lambda f: [f"{f.word}-type", str(f.ids["type"])],
}

PAGED = [
    "GET /api/v1/agents",
    "GET /api/v1/agents/{agent}/logs",
    "GET /api/v1/agents/{agent}/versions",
    "GET /api/v1/agent-types",
]

PROBES: dict[str, Probe] = {
    "GET /api/v1/agents": own(query=lambda f: {"q": f.agent}),
    "POST /api/v1/agents": Probe(201, 409, body=lambda f: {"external_id": f.agent}),
    "GET /api/v1/agents/{agent}": Probe(),
    "PATCH /api/v1/agents/{agent}": Probe(body=lambda f: {"description": "changed"}),
    "POST /api/v1/agents/{agent}/retire": Probe(),
    "DELETE /api/v1/agents/{agent}": Probe(),
    "GET /api/v1/agents/{agent}/status": Probe(),
    "GET /api/v1/agents/{agent}/logs": Probe(),
    "GET /api/v1/agents/{agent}/metrics": Probe(),
    "GET /api/v1/agents/{agent}/versions": Probe(),
    "POST /api/v1/agents/{agent}/versions/{version}/restore": Probe(),
    "GET /api/v1/agents/{agent}/configuration": Probe(),
    "PUT /api/v1/agents/{agent}/configuration/{key}": Probe(body=lambda f: {"value": "changed"}),
    "DELETE /api/v1/agents/{agent}/configuration/{key}": Probe(owner=204),
    # It is there, not deleted.
    "POST /api/v1/agents/{agent}/restore": Probe(owner=404),
    "GET /api/v1/agent-types": own(),
    "POST /api/v1/agent-types": Probe(201, 409, body=lambda f: {"name": "n", "slug": f"{f.word}-type"}),
    "GET /api/v1/agent-types/{agent_type}": Probe(),
    "PATCH /api/v1/agent-types/{agent_type}": Probe(body=lambda f: {"description": "changed"}),
    "DELETE /api/v1/agent-types/{agent_type}": Probe(owner=204),
    "GET /api/v1/tool-patience": own(),
    "PUT /api/v1/tool-patience/{tool_name}": Probe(200, 200, body=lambda f: {"patience": "5m"}),
    "DELETE /api/v1/tool-patience/{tool_name}": Probe(owner=204),
}
