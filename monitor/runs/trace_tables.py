"""Tables of traces: spans, touched_traces, unmapped_names."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import NOW, Base, HotTenantMixin, Json, TenantMixin


class Span(HotTenantMixin, Base):
    """One step of a trace. Partitioned by day of `id`, which is made of the start and of trace and span.

    `rank`: which of two tellings of the same step is kept, the greater one: see spans.py.
    """

    __tablename__ = "spans"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    trace_id: Mapped[str]
    span_id: Mapped[str]
    parent_id: Mapped[str | None]
    kind: Mapped[str]
    name: Mapped[str]
    status: Mapped[str]
    agent: Mapped[str | None]
    service: Mapped[str | None]
    facts: Mapped[Json]
    attributes: Mapped[Json | None]
    events: Mapped[list[Any] | None] = mapped_column(JSONB)
    links: Mapped[list[Any] | None] = mapped_column(JSONB)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(server_default=NOW)
    rank: Mapped[int]
    __table_args__ = (
        CheckConstraint("kind IN ('workflow', 'agent', 'call', 'tool', 'handoff', 'other')", name="kind"),
        CheckConstraint("status IN ('unset', 'ok', 'error')", name="status"),
        Index(None, "tenant_id", "trace_id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )


class TouchedTrace(HotTenantMixin, Base):
    """What the assembler has to do: a row for each trace and group commit, and rows of its own.

    Nothing is done before `due_at`. `news`: there is something to do. `holds`: until `due_at` other rows of the trace
    wait too, since it was read a moment ago or cannot be assembled (`error`, after so many `tries`).
    """

    __tablename__ = "touched_traces"
    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    trace_id: Mapped[str]
    due_at: Mapped[datetime]
    news: Mapped[bool] = mapped_column(server_default=text("true"))
    holds: Mapped[bool] = mapped_column(server_default=text("false"))
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str | None]
    __table_args__ = (Index(None, "due_at"), Index(None, "tenant_id", "trace_id"))


class UnmappedName(TenantMixin, Base):
    """A name that came over the wire and that a dialect does not know, or whose value did not fit (`misfit`).

    `seen`: about how often, since each process writes it down now and then.
    """

    __tablename__ = "unmapped_names"
    kind: Mapped[str] = mapped_column(primary_key=True)
    dialect: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    seen: Mapped[int]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    __table_args__ = (CheckConstraint("kind IN ('unknown', 'misfit')", name="kind"),)
