"""A call of a model, and what it read and wrote: the line of the ledger. Pure."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a model read and wrote. The cached ones are parts of `input`, `reasoning` is a part of `output`."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """What counts: nothing twice."""
        return self.input + self.output


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a model: a line of the ledger. `given_cost`: what the sender says that it cost, in US dollars.

    `workflow`: the name of the workflow whose execution it is part of; `reservation`: what it spends of a budget was
    reserved under this id.
    """

    id: UUID
    agent_id: UUID
    model: str | None
    tokens: Tokens
    started_at: datetime
    completed_at: datetime | None = None
    task_id: UUID | None = None
    execution_id: UUID | None = None
    conversation: str | None = None
    user: str | None = None
    workflow: str | None = None
    provider: str | None = None
    operation: str | None = None
    failed: bool = False
    error_message: str | None = None
    given_cost: Decimal | None = None
    reservation: UUID | None = None
    time_to_first_token_ms: float | None = None
    agent_version: str | None = None
    environment: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    metadata: dict[str, Any] = {}


class Total(msgspec.Struct, frozen=True):
    """What the calls of one task, or of one execution, come to. The cost is that of the calls whose price is known."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    @property
    def tokens(self) -> int:
        """What counts: nothing twice."""
        return self.input_tokens + self.output_tokens
