"""Edits of messages: what one said before is kept, version by version."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import NotFound

_KEEP_EDIT = text("""
    INSERT INTO message_edits (tenant_id, message_id, version, conversation_id, content, edited_by, edited_at)
    SELECT :tenant, :id, 1 + count(*), :conversation, :content, :by, :at
    FROM message_edits WHERE tenant_id = :tenant AND message_id = :id
""")
_EDIT = text("""
    UPDATE messages SET content = :content, metadata = CAST(:metadata AS jsonb), edited_at = :at
    WHERE tenant_id = :tenant AND id = :id
""")
_HOLD_MESSAGE = text("""
    SELECT id, conversation_id, content, metadata, agent_id, edited_at FROM messages
    WHERE tenant_id = :tenant AND id = :id FOR NO KEY UPDATE
""")


async def hold_message(connection: AsyncConnection, tenant_id: UUID, message_id: UUID) -> Mapping[str, Any]:
    """The message, which nobody else edits until the end of the transaction. Raises NotFound."""
    found = await connection.execute(_HOLD_MESSAGE, {"tenant": tenant_id, "id": message_id})
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such message")
    return dict(row)


async def edit_message(
    connection: AsyncConnection,
    tenant_id: UUID,
    message: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    by: str,
    now: datetime,
) -> None:
    """Change the content and metadata of a message that this transaction holds; what it said before is kept."""
    where = {"tenant": tenant_id, "id": message["id"]}
    if values["content"] != message["content"]:
        said = {"conversation": message["conversation_id"], "content": message["content"], "by": by, "at": now}
        await connection.execute(_KEEP_EDIT, where | said)
    await connection.execute(_EDIT, {**where, **values, "at": now})
