"""What an entry of the audit trail is shown as."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel


class Outcome(StrEnum):
    """What came of it."""

    SUCCESS = "success"
    FAILURE = "failure"


class EntryBody(BaseModel):
    """One mutation, or an attempt at one: then `error_message` says why nothing came of it."""

    id: UUID
    at: datetime
    actor: str
    user_id: UUID | None
    action: str
    resource_type: str
    resource_id: str | None
    old_values: dict[str, Any] | None
    new_values: dict[str, Any] | None
    ip_address: str | None
    user_agent: str | None
    status: Outcome
    error_message: str | None
    metadata: dict[str, Any]
