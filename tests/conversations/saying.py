"""Short words for tests of conversations."""

from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from monitor.db import Database

URL = "/api/v1/messages"
SHORT = {"conversation": "abc123", "role": "user", "content": "What is due today?"}


async def say(api: httpx.AsyncClient, answers: int = 201, **values: Any) -> dict[str, Any]:
    """Post one message; the answer."""
    answer = await api.post(URL, json=SHORT | values)
    assert answer.status_code == answers, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def history(api: httpx.AsyncClient, conversation: str = "abc123", **query: Any) -> list[dict[str, Any]]:
    """A page of a conversation's messages."""
    answer = await api.get(f"/api/v1/conversations/{conversation}/messages", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def rows(db: Database, tenant_id: UUID, table: str, order: str = "1") -> list[dict[str, Any]]:
    """Everything that a tenant has in a table."""
    async with db.tenant(tenant_id) as connection:
        return [
            dict(row) for row in (await connection.execute(text(f"SELECT * FROM {table} ORDER BY {order}"))).mappings()
        ]
