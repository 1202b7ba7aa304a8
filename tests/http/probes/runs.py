"""What agents did, and what it tells. Names, like agents, are the sender's own."""

from tests.http.probes.probe import Of, Probe, own

PARAMETERS: dict[str, Of] = {
    "workflow": lambda f: [f"{f.word}-workflow", str(f.ids["workflow"])],
    "execution": lambda f: [str(f.ids["execution"])],
    "task": lambda f: [f"{f.word}-task", str(f.ids["task"])],
    "tool": lambda f: [str(f.ids["tool"])],
    "interaction": lambda f: [str(f.ids["interaction"])],
    "trace_id": lambda f: [f.trace_id],
    "fingerprint": lambda f: [f.fingerprint],
}

PAGED = [
    "GET /api/v1/traces",
    "GET /api/v1/errors",
    "GET /api/v1/errors/{fingerprint}/occurrences",
    "GET /api/v1/scores",
    "GET /api/v1/deployments",
    "GET /api/v1/unmapped",
    "GET /api/v1/tasks",
    "GET /api/v1/workflow-executions",
    "GET /api/v1/tool-executions",
    "GET /api/v1/interactions",
    "GET /api/v1/workflows",
]

PROBES: dict[str, Probe] = {
    "GET /api/v1/agents/{agent}/stats": Probe(),
    "POST /api/v1/tasks": Probe(
        201, 200, body=lambda f: {"agent": f.agent, "task_type": "t", "id": f"{f.word}-task", "description": "changed"}
    ),
    "GET /api/v1/tasks": own(query=lambda f: {"agent": f.agent}),
    "GET /api/v1/tasks/{task}": Probe(),
    "PATCH /api/v1/tasks/{task}": Probe(body=lambda f: {"description": "changed"}),
    "POST /api/v1/workflow-executions": Probe(201, 201, body=lambda f: {"name": "n", "id": f"{f.word}-execution"}),
    "GET /api/v1/workflow-executions": own(),
    "GET /api/v1/workflow-executions/{execution}": Probe(),
    "PATCH /api/v1/workflow-executions/{execution}": Probe(body=lambda f: {"current_step": "changed"}),
    "POST /api/v1/tool-executions": Probe(
        201, 201, body=lambda f: {"agent": f.agent, "tool_name": "t", "task": f"{f.word}-task"}
    ),
    "GET /api/v1/tool-executions": own(query=lambda f: {"task": f"{f.word}-task"}),
    "GET /api/v1/tool-executions/{tool}": Probe(),
    "PATCH /api/v1/tool-executions/{tool}": Probe(body=lambda f: {"status": "success"}),
    "POST /api/v1/interactions": Probe(
        201, 201, body=lambda f: {"from_agent": f.agent, "to_agent": f.agent, "interaction_type": "review"}
    ),
    "GET /api/v1/interactions": own(query=lambda f: {"execution": str(f.ids["execution"])}),
    "GET /api/v1/interactions/{interaction}": Probe(),
    "PATCH /api/v1/interactions/{interaction}": Probe(body=lambda f: {"message": "changed"}),
    "GET /api/v1/workflows": own(),
    "POST /api/v1/workflows": Probe(201, 409, body=lambda f: {"name": "n", "slug": f"{f.word}-workflow"}),
    "GET /api/v1/workflows/{workflow}": Probe(),
    "PATCH /api/v1/workflows/{workflow}": Probe(body=lambda f: {"description": "changed"}),
    "DELETE /api/v1/workflows/{workflow}": Probe(owner=204),
    "POST /api/v1/workflows/{workflow}/restore": Probe(after="DELETE /api/v1/workflows/{workflow}"),
    "GET /api/v1/traces": own(query=lambda f: {"text": f.word, "conversation": f"{f.word}-conversation"}),
    "GET /api/v1/traces/{trace_id}": Probe(),
    "GET /api/v1/errors": own(),
    "GET /api/v1/unmapped": own(),
    "GET /api/v1/errors/{fingerprint}": Probe(),
    "GET /api/v1/errors/{fingerprint}/occurrences": Probe(),
    "POST /api/v1/errors/{fingerprint}/status": Probe(body=lambda f: {"status": "resolved"}),
    "GET /api/v1/scores": own(query=lambda f: {"name": f"{f.word}-score"}),
    "POST /api/v1/feedback": Probe(404, 201, body=lambda f: {"task": str(f.ids["task"]), "thumbs": True}),
    "GET /api/v1/deployments": own(),
    "POST /api/v1/deployments": Probe(404, 201, body=lambda f: {"agent": f.agent, "version": "2"}),
    "GET /api/v1/compare": Probe(query=lambda f: {"agent": f.agent}),
}
