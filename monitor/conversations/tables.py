"""Tables of conversations: what was said in which order, callers' ids of messages, what was edited away."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_LIST, EMPTY_OBJECT, NOW, ZERO, Base, HotTenantMixin, Json, TenantMixin, Timestamps

_CONVERSATION = ["tenant_id", "conversation_id"], ["conversations.tenant_id", "conversations.id"]


class Conversation(TenantMixin, Timestamps, Base):
    """One conversation. `external_id` is what callers name it; `user_ref` is anybody, `user_id` a member among them.

    Whoever adds messages holds this row and counts `last_sequence` up in the same transaction: what is rolled back
    leaves no gap.
    """

    __tablename__ = "conversations"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str]
    conversation_type: Mapped[str] = mapped_column(server_default="individual")
    title: Mapped[str] = mapped_column(server_default="")
    summary: Mapped[str] = mapped_column(server_default="")
    status: Mapped[str] = mapped_column(server_default="active")
    agent_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    user_ref: Mapped[str | None]
    participants: Mapped[list[str]] = mapped_column(server_default=text("'{}'::text[]"))
    context: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    settings: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    last_sequence: Mapped[int] = mapped_column(server_default=ZERO)
    started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    last_activity_at: Mapped[datetime] = mapped_column(server_default=NOW)
    completed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "external_id"),
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="SET NULL"),
        CheckConstraint("length(external_id) BETWEEN 1 AND 200", name="external_id"),
        CheckConstraint("status IN ('active', 'completed', 'failed', 'cancelled')", name="status"),
        CheckConstraint("completed_at >= started_at", name="order"),
        CheckConstraint("last_sequence >= 0", name="last_sequence"),
        Index(None, "tenant_id", "started_at", "id"),
        Index(None, "tenant_id", "last_activity_at", "id"),
        Index(None, "tenant_id", "agent_id", "started_at"),
        Index(None, "tenant_id", "user_ref", "started_at", postgresql_where=text("user_ref IS NOT NULL")),
        Index(None, "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index(None, "tenant_id", "status", "last_activity_at"),
        Index(None, "participants", postgresql_using="gin"),
        Index(None, "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )


class Message(HotTenantMixin, Base):
    """One message. Partitioned by month of `id`, which carries its time; `sequence_number` is its place, from 1."""

    __tablename__ = "messages"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID]
    sequence_number: Mapped[int]
    external_id: Mapped[str | None]
    role: Mapped[str]
    content: Mapped[str]
    agent_id: Mapped[UUID | None]
    agent_type: Mapped[str | None]
    user_ref: Mapped[str | None]
    model: Mapped[str | None]
    token_count: Mapped[int | None]
    latency_ms: Mapped[int | None]
    tool_calls: Mapped[Any | None] = mapped_column(JSONB)
    tool_results: Mapped[Any | None] = mapped_column(JSONB)
    attachments: Mapped[list[Any]] = mapped_column(server_default=EMPTY_LIST)
    reply_to_id: Mapped[UUID | None]
    edited_at: Mapped[datetime | None]
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (
        ForeignKeyConstraint(*_CONVERSATION, ondelete="CASCADE"),
        CheckConstraint("role IN ('user', 'assistant', 'system', 'tool')", name="role"),
        CheckConstraint("sequence_number > 0 AND token_count >= 0 AND latency_ms >= 0", name="amounts"),
        Index(None, "tenant_id", "conversation_id", "sequence_number"),
        Index(
            "messages_tenant_id_conversation_id_agent_type_idx",
            "tenant_id", "conversation_id", "agent_type", "sequence_number",
            postgresql_where=text("agent_type IS NOT NULL"),
        ),
        Index(None, "tenant_id", "agent_id", "id", postgresql_where=text("agent_id IS NOT NULL")),
        {"postgresql_partition_by": "RANGE (id)"},
    )  # fmt: skip


class MessageName(HotTenantMixin, Base):
    """Callers' own ids of messages: the same id in a conversation is the same message, in whichever partition."""

    __tablename__ = "message_names"
    conversation_id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[UUID]
    __table_args__ = (
        ForeignKeyConstraint(*_CONVERSATION, ondelete="CASCADE"),
        Index(None, "message_id"),
    )


class MessageEdit(TenantMixin, Base):
    """What a message said before an edit; `version` counts from 1."""

    __tablename__ = "message_edits"
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID]
    content: Mapped[str]
    edited_by: Mapped[str]
    edited_at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(*_CONVERSATION, ondelete="CASCADE"),
        CheckConstraint("version > 0", name="version"),
        Index(None, "tenant_id", "conversation_id"),
    )
