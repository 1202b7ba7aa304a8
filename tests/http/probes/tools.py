"""MCP servers and how they are used."""

from tests.http.probes.probe import Of, Probe, own

PARAMETERS: dict[str, Of] = {
    "mcp_server": lambda f: [f"{f.word}-server", str(f.ids["mcp_server"])],
    "mcp_server_config": lambda f: [str(f.ids["mcp_server_config"])],
}

PAGED = [
    "GET /api/v1/mcp-servers",
    "GET /api/v1/mcp-server-configs",
]

PROBES: dict[str, Probe] = {
    "GET /api/v1/mcp-servers": own(),
    "POST /api/v1/mcp-servers": Probe(
        201, 409, body=lambda f: {"slug": f"{f.word}-server", "name": "mine", "server_type": "stdio", "command": "x"}
    ),
    "GET /api/v1/mcp-servers/{mcp_server}": Probe(),
    "PATCH /api/v1/mcp-servers/{mcp_server}": Probe(body=lambda f: {"name": "mine now"}),
    "DELETE /api/v1/mcp-servers/{mcp_server}": Probe(owner=204),
    "POST /api/v1/mcp-servers/{mcp_server}/restore": Probe(owner=404),
    "GET /api/v1/mcp-server-configs": own(),
    "POST /api/v1/mcp-server-configs": Probe(422, 409, body=lambda f: {"server_id": str(f.ids["mcp_server"])}),
    "GET /api/v1/mcp-server-configs/{mcp_server_config}": Probe(),
    "PATCH /api/v1/mcp-server-configs/{mcp_server_config}": Probe(body=lambda f: {"config": {"more": "mine"}}),
    "DELETE /api/v1/mcp-server-configs/{mcp_server_config}": Probe(owner=204),
    "POST /api/v1/mcp-server-configs/{mcp_server_config}/launch": Probe(),
}
