"""Takes conversations in: what is said of one is stored in its row, which is made or changed, and audited."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.conversations import listing, store
from monitor.conversations.store import Opening
from monitor.conversations.tables import Conversation
from monitor.errors import Conflict, Forbidden, InvalidInput, NotFound
from monitor.http.etags import check_match, etag
from monitor.http.problems import uuid_of
from monitor.identity.tables import Membership
from monitor.ids import microseconds
from monitor.ingest.conversations.taking import window
from monitor.ingest.privacy import Policy
from monitor.ingest.runs.bodies import Name, Object, Text, Time, Word
from monitor.ingest.senders import find_agents, own_agent
from monitor.ingest.service import Ingest
from monitor.ingest.values import Fault
from monitor.principal import Principal

_ENDED = ("completed", "failed", "cancelled")
# Null takes these back; nothing takes back the others.
_OPTIONAL = ("agent_id", "user_ref", "user_id", "completed_at")


def _also(*names: str) -> Any:
    return Field(default=None, validation_alias=AliasChoices(*names))


class ConversationIn(BaseModel):
    """What may be said of a conversation. `id`: the caller's own, any text; the same id is the same conversation.

    `ended` is another word for completed. Whether one is idle follows from its last activity: nobody sets it.
    """

    model_config = ConfigDict(extra="forbid")

    id: Word = None
    conversation_type: Word = _also("conversation_type", "session_type", "type")
    title: Text = None
    summary: Text = _also("summary", "conversation_summary")
    status: Literal["active", "completed", "failed", "cancelled", "ended"] | None = None
    agent: Word = _also("agent", "agent_id", "agent_name")
    user: Word = _also("user", "user_id")
    participants: list[Name] | None = Field(default=None, max_length=1000)
    context: Object | None = None
    settings: Object | None = None
    metadata: Object | None = None
    started_at: Time = _also("started_at", "created_at")
    completed_at: Time = _also("completed_at", "ended_at")


@dataclass(slots=True)
class Telling:
    """One request about one conversation. `key`: that which a change is about; without one it is told of."""

    ingest: Ingest
    principal: Principal
    now: datetime
    key: str | None = None
    match: str | None = None

    async def tell(self, body: ConversationIn) -> tuple[dict[str, Any], str, bool]:
        """Make or change it; as it is stored, its ETag, and whether it is new.

        Raises NotFound, Conflict where it was deleted, Forbidden, InvalidInput and PreconditionFailed.
        """
        policy = await self.ingest.privacy.of(self.principal.tenant_id)
        values = _redacted(body.model_dump(exclude_unset=True), policy)
        name = values.pop("id", None)
        if self.key is not None and name is not None:
            raise InvalidInput("a conversation keeps its own", path="id")
        self._check_times(values)
        if "agent" in values:
            values["agent_id"] = await self._agent(values.pop("agent"))
        values = {one: value for one, value in values.items() if value is not None or one in (*_OPTIONAL, "user")}
        async with self.ingest.deps.db.tenant(self.principal.tenant_id) as connection:
            if "user" in values:
                values |= await self._person(connection, values.pop("user"))
            held = await self._held(connection, name or str(uuid4()), values)
            await self._store(connection, held, values)
            row = await listing.get_conversation(connection, self.principal.tenant_id, held.id, now=self.now)
            return row, etag(await listing.read_conversation(connection, self.principal.tenant_id, held.id)), held.new

    def _check_times(self, values: Mapping[str, Any]) -> None:
        for name in ("started_at", "completed_at"):
            if values.get(name) is not None:
                try:
                    window(self.now).check(microseconds(values[name]), name)
                except Fault as fault:
                    raise InvalidInput(str(fault).partition(": ")[2], path=name) from None

    async def _agent(self, name: str | None) -> UUID | None:
        if name is None:
            return None
        deps = self.ingest.deps
        refs = await find_agents(deps.db, self.ingest.registry, self.principal, [name], now=self.now)
        return own_agent(refs, self.principal, name, path="agent")

    async def _person(self, connection: AsyncConnection, user: str | None) -> dict[str, Any]:
        """Whoever it is to the caller; and who it is here, where that is the id of a member."""
        made = None if user is None else uuid_of(user)
        query = select(Membership.user_id).where(
            Membership.tenant_id == self.principal.tenant_id, Membership.user_id == made
        )
        found = None if made is None else (await connection.execute(query)).scalar_one_or_none()
        return {"user_ref": user, "user_id": found}

    async def _held(self, connection: AsyncConnection, name: str, values: Mapping[str, Any]) -> store.Held:
        tenant_id = self.principal.tenant_id
        if self.key is not None:
            # Whoever changes one that is not there makes none.
            await store.find_conversation(connection, tenant_id, self.key)
            name = self.key
        opening = Opening(values.get("started_at") or self.now, values.get("agent_id"), values.get("user_ref"))
        held = (await store.hold(connection, tenant_id, {name: opening}))[name]
        if held.deleted and self.key is not None:
            raise NotFound("there is no such conversation")
        if held.deleted:
            raise Conflict(f"it was deleted: it comes back by POST /conversations/{held.id}/restore")
        return held

    async def _store(self, connection: AsyncConnection, held: store.Held, values: dict[str, Any]) -> None:
        """Write what differs, and who did it."""
        tenant_id = self.principal.tenant_id
        before = await listing.read_conversation(connection, tenant_id, held.id)
        check_match(before, self.match)
        bound = self.principal.agent_id
        if bound is not None and before["agent_id"] not in (None, bound):
            raise Forbidden("this key is bound to another agent")
        values = _ended(values, before, now=self.now)
        changed = {name: value for name, value in values.items() if before[name] != value}
        if changed:
            which = update(Conversation.__table__).where(  # type: ignore[arg-type]
                Conversation.tenant_id == tenant_id, Conversation.id == held.id
            )
            await connection.execute(which.values(changed))
        if changed or held.new:
            # What was said in it stands in the conversation alone.
            await self.ingest.deps.audit(
                connection, self.principal, "conversation.created" if held.new else "conversation.updated",
                resource=("conversation", str(held.id)), new={"external_id": held.external_id, "set": sorted(changed)},
            )  # fmt: skip


def _redacted(values: dict[str, Any], policy: Policy) -> dict[str, Any]:
    """As the tenant wants it stored."""
    made = dict(values)
    for rule, names in (
        (policy.text, ("title", "summary")),
        (policy.name, ("id", "user")),
        (policy.details, ("context", "settings", "metadata")),
    ):
        for name in names:
            if made.get(name) is not None:
                made[name] = rule(made[name])
    if made.get("participants") is not None:
        made["participants"] = list(dict.fromkeys(policy.name(one) for one in made["participants"]))
    return made


def _ended(values: dict[str, Any], before: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """The values, with the end that a status has; one that goes on has none."""
    status = values.get("status")
    if status == "ended":
        status = "completed"
        values = values | {"status": status}
    if status in _ENDED and values.get("completed_at") is None and before["completed_at"] is None:
        values = values | {"completed_at": max(now, values.get("started_at") or before["started_at"])}
    elif status == "active":
        values = values | {"completed_at": None}
    started = values.get("started_at") or before["started_at"]
    if values.get("completed_at") is not None and values["completed_at"] < started:
        raise InvalidInput("before started_at", path="completed_at")
    return values
