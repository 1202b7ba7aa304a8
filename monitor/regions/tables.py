"""Tables of regions: where they are, which tenants belong to them, and how their copies of the database stand."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from monitor.ids import PLATFORM_TENANT
from monitor.tables import Base, TenantMixin, Timestamps

_PLATFORMS = f"tenant_id = '{PLATFORM_TENANT}'"


class State(StrEnum):
    """What a standby's sender does, in PostgreSQL's words. `missing`: there is none for one that is expected."""

    STARTUP = "startup"
    CATCHUP = "catchup"
    STREAMING = "streaming"
    BACKUP = "backup"
    STOPPING = "stopping"
    MISSING = "missing"


class SyncKind(StrEnum):
    """Why a copy was not up to date: it was behind, or not connected."""

    LAG = "lag"
    OUTAGE = "outage"


class SyncStatus(StrEnum):
    """Whether that goes on."""

    RUNNING = "running"
    COMPLETED = "completed"


class Region(TenantMixin, Timestamps, Base):
    """A place that data is kept in. The platform's: everybody reads them.

    `endpoint`: where its collectors answer. `application_name`: as whom its standby connects to the primary.
    """

    __tablename__ = "regions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str]
    name: Mapped[str]
    jurisdiction: Mapped[str]
    provider: Mapped[str | None]
    endpoint: Mapped[str | None]
    is_primary: Mapped[bool] = mapped_column(server_default=text("false"))
    application_name: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "slug"),
        UniqueConstraint("tenant_id", "application_name"),
        CheckConstraint(_PLATFORMS, name="platform"),
        Index("regions_primary_key", "tenant_id", unique=True, postgresql_where=text("is_primary")),
    )


class TenantRegion(TenantMixin, Timestamps, Base):
    """A region that a tenant's data may be in. With `residency` what it sends is taken there and nowhere else."""

    __tablename__ = "tenant_regions"
    region_id: Mapped[UUID] = mapped_column(primary_key=True)
    region_tenant_id: Mapped[UUID] = mapped_column(server_default=text(f"'{PLATFORM_TENANT}'"))
    residency: Mapped[bool] = mapped_column(server_default=text("false"))
    __table_args__ = (
        ForeignKeyConstraint(
            ["region_tenant_id", "region_id"], ["regions.tenant_id", "regions.id"], ondelete="RESTRICT"
        ),
        Index(None, "region_tenant_id", "region_id"),
    )


class ReplicationStatus(TenantMixin, Base):
    """How a standby stands, as the primary's own view of replication has it.

    `lag_bytes`: log that it has not replayed; `lag_seconds`: how old what it shows is, or for how long it is missing.
    `advanced_at`: when it last replayed something, or had nothing to replay.
    """

    __tablename__ = "replication_status"
    application_name: Mapped[str] = mapped_column(primary_key=True)
    region_id: Mapped[UUID | None]
    state: Mapped[str]
    sync_state: Mapped[str | None]
    sent_lsn: Mapped[str | None]
    replay_lsn: Mapped[str | None]
    lag_bytes: Mapped[int | None]
    lag_seconds: Mapped[float | None]
    advanced_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    checked_at: Mapped[datetime]
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "region_id"], ["regions.tenant_id", "regions.id"], ondelete="SET NULL (region_id)"
        ),
        CheckConstraint("state IN ('startup', 'catchup', 'streaming', 'backup', 'stopping', 'missing')", name="state"),
        CheckConstraint("lag_bytes >= 0 AND lag_seconds >= 0", name="lag"),
        CheckConstraint(_PLATFORMS, name="platform"),
        Index(None, "tenant_id", "region_id"),
    )


class CrossRegionSyncLog(TenantMixin, Base):
    """A time in which a copy was not up to date, from its primary's region to its own; the lags are the largest."""

    __tablename__ = "cross_region_sync_logs"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    application_name: Mapped[str]
    source_region_id: Mapped[UUID | None]
    target_region_id: Mapped[UUID | None]
    kind: Mapped[str]
    status: Mapped[str]
    lag_bytes: Mapped[int | None]
    lag_seconds: Mapped[float | None]
    started_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "source_region_id"],
            ["regions.tenant_id", "regions.id"],
            ondelete="SET NULL (source_region_id)",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "target_region_id"],
            ["regions.tenant_id", "regions.id"],
            ondelete="SET NULL (target_region_id)",
        ),
        CheckConstraint("kind IN ('lag', 'outage')", name="kind"),
        CheckConstraint("status IN ('running', 'completed')", name="status"),
        CheckConstraint("(status = 'completed') = (completed_at IS NOT NULL)", name="completed"),
        CheckConstraint("lag_bytes >= 0 AND lag_seconds >= 0", name="lag"),
        CheckConstraint(_PLATFORMS, name="platform"),
        Index(
            "cross_region_sync_logs_running_key", "tenant_id", "application_name", unique=True,
            postgresql_where=text("completed_at IS NULL"),
        ),
        Index(None, "tenant_id", "source_region_id"),
        Index(None, "tenant_id", "target_region_id"),
    )  # fmt: skip
