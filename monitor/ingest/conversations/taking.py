"""Takes messages in: names found, conversations held, places given in the order of the rows, all in one transaction.

A row that cannot be kept is refused by itself and takes no place; a transaction that fails gives its places back, since
they are counted in the rows it held.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.agents import work
from monitor.agents.registry import AgentRef, Resolved
from monitor.conversations import store
from monitor.conversations.store import Held, NewMessage, Opening, Place
from monitor.errors import Conflict, Forbidden, InvalidInput, MonitorError
from monitor.http.problems import uuid_of
from monitor.ids import from_microseconds, microseconds, uuid7_us
from monitor.ingest.conversations.messages import MessageDraft, redacted
from monitor.ingest.intake import SEEN_US
from monitor.ingest.senders import find_agents, own_agent
from monitor.ingest.service import Ingest
from monitor.ingest.values import REACH_US, Window
from monitor.principal import Principal

# What these say, an agent said.
_AGENTS_ROLES = ("assistant", "tool")
_Names = dict[tuple[UUID, str], Place]


class Kept(NamedTuple):
    """A row that is stored: the message that it is, its place, and whether it is stored since now."""

    id: UUID
    sequence_number: int
    external_id: str | None
    conversation: Held
    new: bool

    def shown(self) -> dict[str, Any]:
        """As it is answered among many."""
        return {
            "id": str(self.id), "external_id": self.external_id, "conversation": self.conversation.external_id,
            "conversation_id": str(self.conversation.id), "sequence_number": self.sequence_number,
        }  # fmt: skip


def window(now: datetime) -> Window:
    """Which times a message may carry. How long logs are kept says nothing of conversations."""
    return Window.of(microseconds(now), retention=timedelta(microseconds=REACH_US).total_seconds())


@dataclass(slots=True)
class Taking:
    """One request's messages. `refused`: why rows are not kept, by their index."""

    ingest: Ingest
    principal: Principal
    now: datetime
    refused: dict[int, MonitorError]
    agents: dict[str, Resolved] = field(default_factory=dict)
    active: list[UUID] = field(default_factory=list)

    async def prepare(self, drafts: Sequence[MessageDraft]) -> list[tuple[MessageDraft, UUID | None]]:
        """Rows as they may be stored, each with its agent. Agents that nobody knows are registered."""
        drafts = await redacted(drafts, await self.ingest.privacy.of(self.principal.tenant_id))
        names = {draft.agent for draft in drafts if draft.agent is not None}
        deps = self.ingest.deps
        self.agents = await find_agents(deps.db, self.ingest.registry, self.principal, names, now=self.now)
        kept: list[tuple[MessageDraft, UUID | None]] = []
        for draft in drafts:
            try:
                kept.append((draft, self._agent(draft)))
            except (Forbidden, InvalidInput) as fault:
                self.refused[draft.row] = fault
        return kept

    def _agent(self, draft: MessageDraft) -> UUID | None:
        if draft.agent is not None:
            return own_agent(self.agents, self.principal, draft.agent, path="agent")
        # A bound key speaks for its agent.
        return self.principal.agent_id if draft.role in _AGENTS_ROLES else None

    async def write(
        self, connection: AsyncConnection, drafts: Sequence[tuple[MessageDraft, UUID | None]]
    ) -> list[Kept]:
        """Store them in the caller's transaction."""
        tenant_id = self.principal.tenant_id
        held = await store.hold(connection, tenant_id, _openings(drafts))
        names = await store.named(connection, tenant_id, _names_in(drafts, held))
        spelled = {made for draft, _ in drafts if draft.reply_to and (made := uuid_of(draft.reply_to)) is not None}
        numbering = _Numbering(held, names, await store.places(connection, tenant_id, spelled), self.refused)
        kept = [one for draft, agent_id in drafts if (one := numbering.add(draft, agent_id)) is not None]
        if numbering.messages:
            await store.insert_messages(connection, tenant_id, numbering.messages, numbering.once())
        idle = [one.id for one in numbering.once() if one.new and not one.last_sequence]
        await store.forget(connection, tenant_id, idle)
        await self._mark_active(connection, numbering.messages)
        return kept

    async def _mark_active(self, connection: AsyncConnection, messages: Iterable[NewMessage]) -> None:
        """Last of all: from here on whoever writes for these agents waits. Not for every message of a second."""
        said = {one.agent_id for one in messages}
        now_us = microseconds(self.now)
        for ref in self.agents.values():
            if isinstance(ref, AgentRef) and ref.id in said and now_us - ref.seen_us > SEEN_US:
                ref.seen_us = now_us
                self.active.append(ref.id)
        await work.mark_active(connection, self.principal.tenant_id, self.active, now=self.now)


def _openings(drafts: Sequence[tuple[MessageDraft, UUID | None]]) -> dict[str, Opening]:
    """What each conversation begins with, should it be made now: its earliest time, first agent and first person."""
    made: dict[str, Opening] = {}
    for draft, agent_id in drafts:
        at = from_microseconds(draft.at_us)
        before = made.get(draft.conversation)
        if before is None:
            made[draft.conversation] = Opening(at, agent_id, draft.user)
        elif at < before.at or before.agent_id is None or before.user is None:
            made[draft.conversation] = Opening(
                min(at, before.at), before.agent_id or agent_id, before.user or draft.user
            )
    return made


def _names_in(drafts: Sequence[tuple[MessageDraft, UUID | None]], held: dict[str, Held]) -> set[tuple[UUID, str]]:
    """Callers' ids of messages that the rows are, or reply to."""
    return {
        (held[draft.conversation].id, name)
        for draft, _ in drafts
        for name in (draft.external_id, draft.reply_to)
        if name is not None
    }


@dataclass(slots=True)
class _Numbering:
    """Gives messages their places. `names`: messages by conversation and the caller's id; `places`: by our own id."""

    held: dict[str, Held]
    names: _Names
    places: dict[UUID, UUID]
    refused: dict[int, MonitorError]
    messages: list[NewMessage] = field(default_factory=list)

    def once(self) -> list[Held]:
        """Each conversation once: it may have been named in two ways."""
        return list({one.id: one for one in self.held.values()}.values())

    def add(self, draft: MessageDraft, agent_id: UUID | None) -> Kept | None:
        """The row's message: a new one, or that which has its id. None, and a reason, where it is refused."""
        conversation = self.held[draft.conversation]
        if conversation.deleted:
            self.refused[draft.row] = Conflict("the conversation was deleted")
            return None
        if draft.external_id is not None:
            known = self.names.get((conversation.id, draft.external_id))
            if known is not None and known.sequence_number is not None:
                return Kept(known.id, known.sequence_number, draft.external_id, conversation, new=False)
            if known is not None:
                self.refused[draft.row] = Conflict("it was said before, and has had its time")
                return None
        reply_to = None
        if draft.reply_to is not None:
            reply_to = self._replied(conversation, draft.reply_to)
            if reply_to is None:
                self.refused[draft.row] = InvalidInput("there is no such message in this conversation", path="reply_to")
                return None
        made = NewMessage(
            uuid7_us(draft.at_us), conversation.id, conversation.number(), draft.external_id, draft.role, draft.content,
            agent_id, draft.agent_type, draft.user, draft.model, draft.token_count, draft.latency_ms, draft.tool_calls,
            draft.tool_results, draft.attachments, reply_to, draft.metadata, draft.at_us,
        )  # fmt: skip
        self.messages.append(made)
        if draft.external_id is not None:
            self.names[conversation.id, draft.external_id] = Place(made.id, made.sequence_number)
        return Kept(made.id, made.sequence_number, draft.external_id, conversation, new=True)

    def _replied(self, conversation: Held, name: str) -> UUID | None:
        """A message of the same conversation that is stored, or stands earlier in the request."""
        known = self.names.get((conversation.id, name))
        if known is not None:
            return known.id
        spelled = uuid_of(name)
        return spelled if spelled is not None and self.places.get(spelled) == conversation.id else None
