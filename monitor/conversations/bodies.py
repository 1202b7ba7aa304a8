"""Bodies of the conversations' routes: what may be sent and what is answered."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

Role = Literal["user", "assistant", "system", "tool"]
Status = Literal["active", "idle", "completed", "failed", "cancelled"]


class MessageBody(BaseModel):
    """A message. `conversation` is the caller's name of it, `sequence_number` its place there, from 1; `latency_ms`
    how long its making took; `reply_to_id` an earlier message of the same conversation."""

    id: UUID
    external_id: str | None
    conversation: str
    conversation_id: UUID
    sequence_number: int
    role: Role
    content: str
    agent: str | None
    agent_id: UUID | None
    agent_type: str | None
    user: Annotated[str | None, Field(validation_alias="user_ref")]
    model: str | None
    token_count: int | None
    latency_ms: int | None
    tool_calls: Any | None
    tool_results: Any | None
    attachments: list[dict[str, Any]]
    reply_to_id: UUID | None
    metadata: dict[str, Any]
    edited_at: datetime | None
    created_at: datetime


class EditBody(BaseModel):
    """What a message said before it was edited. `version` counts from 1."""

    version: int
    content: str
    edited_by: str
    edited_at: datetime


class StateBody(BaseModel):
    """What an agent of a type keeps in mind of a conversation. `version` counts its changes, from 1."""

    conversation: str
    agent_type: str
    agent: str | None
    state: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


class ConversationBody(BaseModel):
    """A conversation. `idle`: it is active, and nothing happened in it for a while. `last_sequence` is the place of its
    last message; `user` whoever it is to the caller, and `user_id` who that is here, where it is a member."""

    id: UUID
    external_id: str
    conversation_type: str
    title: str
    summary: str
    status: Status
    agent: str | None
    agent_id: UUID | None
    user: Annotated[str | None, Field(validation_alias="user_ref")]
    user_id: UUID | None
    participants: list[str]
    context: dict[str, Any]
    settings: dict[str, Any]
    metadata: dict[str, Any]
    last_sequence: int
    started_at: datetime
    last_activity_at: datetime
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
