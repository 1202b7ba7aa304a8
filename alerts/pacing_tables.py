"""Tables of what paces messages: a tenant's settings, what is held back for a target, and when we were away."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_OBJECT, Base, Json, TenantMixin, Timestamps


class AlertSettingsRow(TenantMixin, Timestamps, Base):
    """How a tenant wants to be told, as `alerts.settings_bodies` checks it. Absent: everything as it comes."""

    __tablename__ = "alert_settings"
    settings: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)


class PaceRow(TenantMixin, Base):
    """Groups, digest and budget of one target, as `alerts.core.pacing` steps them.

    `due_at`: when something that is held back must be told; null: nothing is.
    """

    __tablename__ = "paces"
    channel: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    secret: Mapped[str | None]
    state: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    due_at: Mapped[datetime | None]
    __table_args__ = (Index("paces_due_at_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),)


class Outage(TenantMixin, Base):
    """When something was away last: the alerter (a platform's row), or a tenant's history. `ended_at` null: still is.

    `seen_at`: when it was last known to work, for what nobody can report while it is away.
    """

    __tablename__ = "outages"
    what: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime | None]
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
