"""Table of the calendar: calendar_events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_LIST, ZERO, Base, TenantMixin, Timestamps

_EMPTY = "'{}'"


class CalendarEventRow(TenantMixin, Timestamps, Base):
    """An event, or the first of a series; a rotation's shifts; a maintenance window."""

    __tablename__ = "calendar_events"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(server_default="event")
    title: Mapped[str]
    description: Mapped[str | None]
    start_time: Mapped[datetime]
    end_time: Mapped[datetime]
    location: Mapped[str | None]
    all_day: Mapped[bool] = mapped_column(server_default=text("false"))
    time_zone: Mapped[str] = mapped_column(server_default="UTC")
    rrule: Mapped[str | None]
    exdates: Mapped[list[datetime]] = mapped_column(
        ARRAY(TIMESTAMP(timezone=True)), server_default=text(f"{_EMPTY}::timestamptz[]")
    )
    overrides: Mapped[list[Any]] = mapped_column(JSONB, server_default=EMPTY_LIST)
    matchers: Mapped[list[str]] = mapped_column(server_default=text(f"{_EMPTY}::text[]"))
    schedule: Mapped[str | None]
    members: Mapped[list[UUID]] = mapped_column(server_default=text(f"{_EMPTY}::uuid[]"))
    layer: Mapped[int] = mapped_column(server_default=ZERO)
    created_by: Mapped[str]
    __table_args__ = (
        CheckConstraint("kind IN ('event', 'on_call', 'maintenance')", name="kind"),
        CheckConstraint("end_time > start_time", name="period"),
        CheckConstraint("(kind = 'on_call') = (schedule IS NOT NULL)", name="schedule"),
        CheckConstraint("char_length(title) <= 200 AND char_length(location) <= 200", name="lengths"),
        Index(None, "tenant_id", "start_time", "end_time"),
        Index(None, "tenant_id", "end_time"),
        Index(None, "tenant_id", "schedule", postgresql_where=text("kind = 'on_call'")),
        Index("calendar_events_title_idx", func.to_tsvector(text("'english'"), text("title")), postgresql_using="gin"),
    )
