"""Takes edits of messages in: what a message said before stays in its history."""

from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict

from monitor.conversations import edits, reading, store
from monitor.errors import Forbidden
from monitor.http.etags import check_match, etag
from monitor.ingest.runs.bodies import Object, Text
from monitor.ingest.service import Ingest
from monitor.principal import Principal


class MessageChanges(BaseModel):
    """What may be changed of a message: what is not sent stays."""

    model_config = ConfigDict(extra="forbid")

    content: Text = None
    metadata: Object | None = None


@dataclass(frozen=True, slots=True)
class Editing:
    """One request about one message. `conversation`: where `key` is the caller's own id."""

    ingest: Ingest
    principal: Principal
    key: str
    conversation: str | None
    match: str | None

    async def edit(self, body: MessageChanges) -> tuple[dict[str, Any], str]:
        """Change it, unless it says that already; as it is stored, with its ETag.

        Raises NotFound, Forbidden, and PreconditionFailed where the caller saw another one.
        """
        tenant_id, deps = self.principal.tenant_id, self.ingest.deps
        policy = await self.ingest.privacy.of(tenant_id)
        async with deps.db.tenant(tenant_id) as connection:
            found = await store.find_message(connection, tenant_id, self.key, conversation=self.conversation)
            before = await reading.get_message(connection, tenant_id, found)
            held = await edits.hold_message(connection, tenant_id, before["id"])
            check_match(reading.editable(held), self.match)
            if self.principal.agent_id is not None and held["agent_id"] != self.principal.agent_id:
                raise Forbidden("this key is bound to another agent")
            content = held["content"] if body.content is None else policy.text(body.content)
            metadata = held["metadata"] if body.metadata is None else policy.details(body.metadata)
            if (content, metadata) != (held["content"], held["metadata"]):
                values = {"content": content, "metadata": msgspec.json.encode(metadata).decode()}
                by = self.principal.actor
                await edits.edit_message(connection, tenant_id, held, values, by=by, now=deps.clock())
                # What it said stands in its history alone.
                await deps.audit(
                    connection, self.principal, "message.edited", resource=("message", str(held["id"])),
                    new={"conversation_id": str(held["conversation_id"])},
                )  # fmt: skip
            after = await reading.get_message(connection, tenant_id, held["id"])
            return after, etag(reading.editable(after))
