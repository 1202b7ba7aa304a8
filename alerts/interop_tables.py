"""Tables of what other systems tell alerting: alerts that they evaluate themselves, and mail that bounces."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_OBJECT, NOW, Base, Json, TenantMixin

_FALSE = text("false")


class ReceivedAlert(TenantMixin, Base):
    """An alert that was posted to `/api/v2/alerts`, by the fingerprint of its labels, for as long as it goes on.

    `alert_id`: the episode that it opened. `due_at`: when the alerter must look at it. `resolved`: whoever posts it
    says that it has ended; without that, it ends when it is not posted any more before `ends_at`.
    """

    __tablename__ = "received_alerts"
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[Json]
    annotations: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    generator_url: Mapped[str | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    resolved: Mapped[bool] = mapped_column(server_default=_FALSE)
    received_at: Mapped[datetime] = mapped_column(server_default=NOW)
    alert_id: Mapped[UUID | None]
    due_at: Mapped[datetime]
    __table_args__ = (Index("received_alerts_due_at_idx", "due_at"),)


class Bounce(TenantMixin, Base):
    """A mail address that mail could not be delivered to: later mail takes another way, until somebody clears it.

    `notification_id`: the mail that came back. `told`: the alert about the address was raised, and that mail sent
    another way. `cleared_by`: who says that it works again; the alerter ends the alert and deletes the row.
    """

    __tablename__ = "bounces"
    address: Mapped[str] = mapped_column(primary_key=True)
    said: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    notification_id: Mapped[UUID | None]
    told: Mapped[bool] = mapped_column(server_default=_FALSE)
    cleared_by: Mapped[str | None]
    __table_args__ = (Index("bounces_open_idx", "at", postgresql_where=text("NOT told OR cleared_by IS NOT NULL")),)
