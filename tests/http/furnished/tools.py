"""A server of their own, and how they use it."""

from datetime import datetime
from typing import Any

from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row for each table, parents first."""
    made.name(now, "mcp_server", "mcp_server_config")
    word, ids = made.word, made.ids
    return {
        "mcp_servers": {
            "id": ids["mcp_server"], "slug": f"{word}-server", "name": word, "server_type": "stdio", "command": word,
        },
        "mcp_server_configs": {
            "id": ids["mcp_server_config"], "server_tenant_id": made.tenant.id, "server_id": ids["mcp_server"],
            "config": {word: word}, "created_by": made.tenant.user_id,
        },
    }  # fmt: skip
