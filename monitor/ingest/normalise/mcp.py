"""The Model Context Protocol's conventions (open-telemetry/semantic-conventions-genai, docs/gen-ai/mcp.md).

Only `tools/call` is a run of a tool. A client's span and the server's within it tell of the same one: assembly takes a
tool within the same tool for one.
"""

from monitor.ingest.normalise.dialect import Dialect, Field, content, name, names
from monitor.runs.steps import StepKind

METHODS = {"tools/call": StepKind.TOOL}
"""Every other method is `other`."""

FIELDS = {
    "mcp.method.name": Field("mcp_method"),
    "mcp.method": Field("mcp_method"),
    "mcp.session.id": Field("mcp_instance"),
    "mcp.server.name": Field("mcp_server", name),
    "mcp.tool.name": Field("tool", name),
    "mcp.request.argument": Field("arguments", content),
    "mcp.response.value": Field("result", content),
    "rpc.response.status_code": Field("error_code"),
    "rpc.jsonrpc.error_code": Field("error_code"),
}

DIALECT = Dialect(
    name="mcp",
    fields=FIELDS,
    kinds={"mcp_method": METHODS},
    kept=names(
        """
        mcp.protocol.version mcp.resource.uri mcp.request.id mcp.session.init_options mcp.server.version
        """
    ),
    namespaces=frozenset({"mcp"}),
)
