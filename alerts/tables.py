"""Tables of alerting: rules and their versions, targets, states, episodes, timelines, channels, the outbox, leases."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_LIST, EMPTY_OBJECT, NOW, Base, HotTenantMixin, Json, TenantMixin, Timestamps

_ZERO = text("0")
_FALSE = text("false")
_ROOM = {"postgresql_with": {"fillfactor": 50}}  # rows that often change stay on their page


def _to_rule() -> ForeignKeyConstraint:
    rule = ["alert_configs.tenant_id", "alert_configs.id"]
    return ForeignKeyConstraint(["tenant_id", "config_id"], rule, ondelete="CASCADE")


def _to_agent() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE")


def _to_alert() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", "alert_id"], ["alerts.tenant_id", "alerts.id"], ondelete="CASCADE")


class AlertConfig(TenantMixin, Timestamps, Base):
    """A rule: condition, timing, channels. `timing` holds `configs.TIMING`.

    `pack`, `pack_rule`: which rule of which pack it is; `pack_base`: as the pack last made it.
    """

    __tablename__ = "alert_configs"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID | None]
    selector: Mapped[Json | None]
    name: Mapped[str]
    conditions: Mapped[Json]
    timing: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    channels: Mapped[Json]
    severity: Mapped[str] = mapped_column(server_default="warning")
    labels: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    runbook: Mapped[str | None]
    owner: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    condition_version: Mapped[int] = mapped_column(server_default=text("1"))
    reads: Mapped[int] = mapped_column(server_default=_ZERO)
    sifted: Mapped[bool] = mapped_column(server_default=_FALSE)
    targets_version: Mapped[int] = mapped_column(server_default=_ZERO)
    last_error: Mapped[str | None]
    created_by: Mapped[str | None]
    pack: Mapped[str | None]
    pack_rule: Mapped[str | None]
    pack_base: Mapped[Json | None]
    deleted_at: Mapped[datetime | None]
    __table_args__ = (
        _to_agent(),
        CheckConstraint("severity IN ('info', 'warning', 'critical')", name="severity"),
        Index(None, "tenant_id", "agent_id"),
        Index(
            "alert_configs_untargeted_idx",
            "tenant_id",
            "id",
            postgresql_where=text("targets_version <> version"),
        ),
        Index(
            "alert_configs_pack_key",
            "tenant_id",
            "pack",
            "pack_rule",
            unique=True,
            postgresql_where=text("pack IS NOT NULL AND deleted_at IS NULL"),
        ),
    )


class RulePack(TenantMixin, Timestamps, Base):
    """A pack of rules that is switched on, with what it was told to do otherwise. `digest`: of the pack as applied."""

    __tablename__ = "rule_packs"
    name: Mapped[str] = mapped_column(primary_key=True)
    overrides: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    digest: Mapped[str]
    created_by: Mapped[str]


class AlertConfigVersion(TenantMixin, Base):
    """A rule as it stood: who changed it, when, and what it said."""

    __tablename__ = "alert_config_versions"
    config_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    rule: Mapped[Json]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (_to_rule(),)


class AlertTarget(HotTenantMixin, Base):
    """A rule resolved to one agent, and when it must next be judged; null: as soon as news or the sieve says so."""

    __tablename__ = "alert_targets"
    config_id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    reads: Mapped[int]
    sifted: Mapped[bool] = mapped_column(server_default=_FALSE)
    due_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (
        _to_rule(),
        _to_agent(),
        Index(None, "tenant_id", "agent_id"),
        Index("alert_targets_woken_idx", "tenant_id", "agent_id", postgresql_where=text("NOT sifted")),
        Index("alert_targets_due_at_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )


class AlertStateRow(HotTenantMixin, Base):
    """Phase of one rule x agent x label set. Absent means INACTIVE and never seen."""

    __tablename__ = "alert_states"
    config_id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    phase: Mapped[str]
    since: Mapped[datetime]
    state: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    verdict: Mapped[str]
    value: Mapped[float | None]
    detail: Mapped[str | None]
    evaluated_at: Mapped[datetime]
    alert_id: Mapped[UUID | None]
    __table_args__ = (
        _to_rule(),
        _to_agent(),
        CheckConstraint("phase IN ('INACTIVE', 'PENDING', 'FIRING', 'RECOVERING')", name="phase"),
        CheckConstraint("verdict IN ('OK', 'BREACHED', 'UNKNOWN')", name="verdict"),
        Index(None, "tenant_id", "agent_id"),
        _ROOM,
    )


class Alert(TenantMixin, Timestamps, Base):
    """One episode. A system alert has no rule: `rule` names what it is about.

    `heard`: who was told of it, the last time, why and in which group: the resolve goes to them and nobody else.
    """

    __tablename__ = "alerts"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    config_id: Mapped[UUID | None]
    config_version: Mapped[int | None]
    agent_id: Mapped[UUID | None]
    rule: Mapped[str]
    fingerprint: Mapped[str]
    labels: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    severity: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="open")
    value: Mapped[float | None]
    triggered_at: Mapped[datetime] = mapped_column(server_default=NOW)
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    acknowledged_until: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
    snoozed_by: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    last_notified_at: Mapped[datetime | None]
    heard: Mapped[list[Any]] = mapped_column(JSONB, server_default=EMPTY_LIST)
    details: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    __table_args__ = (
        _to_rule(),
        _to_agent(),
        CheckConstraint("status IN ('open', 'acknowledged', 'resolved')", name="status"),
        CheckConstraint("severity IN ('info', 'warning', 'critical')", name="severity"),
        CheckConstraint("(status = 'resolved') = (resolved_at IS NOT NULL)", name="resolved"),
        # One open episode for a rule, an agent and a label set, whoever judges.
        Index(
            "alerts_open_key",
            "tenant_id",
            text("coalesce(config_id::text, rule)"),
            text("coalesce(agent_id::text, '')"),
            "fingerprint",
            unique=True,
            postgresql_where=text("resolved_at IS NULL"),
        ),
        Index(None, "tenant_id", "agent_id"),
        Index(None, "tenant_id", "config_id"),
        Index(None, "tenant_id", "status", "triggered_at"),
        _ROOM,
    )


class AlertEvent(HotTenantMixin, Base):
    """A line of an alert's timeline."""

    __tablename__ = "alert_events"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    alert_id: Mapped[UUID]
    kind: Mapped[str]
    actor: Mapped[str] = mapped_column(server_default="system")
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    details: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    __table_args__ = (_to_alert(), Index(None, "tenant_id", "alert_id", "id"))


class ChannelRow(TenantMixin, Timestamps, Base):
    """A named channel of a tenant, which rules may name."""

    __tablename__ = "channels"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    target: Mapped[str]
    secret: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint(
            "kind IN ('email', 'slack', 'webhook', 'pagerduty', 'teams', 'discord', 'telegram', 'ntfy', 'apprise')",
            name="kind",
        ),
    )


class NotificationGroup(TenantMixin, Base):
    """Alerts that one channel was told of together. `reference` is the provider's handle of the first message, `secret`
    signs what goes to a webhook that has one of its own."""

    __tablename__ = "notification_groups"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str]
    target: Mapped[str]
    secret: Mapped[str | None]
    alert_ids: Mapped[list[UUID]]
    reference: Mapped[Json | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (Index("notification_groups_alert_ids_idx", "alert_ids", postgresql_using="gin"),)


class Notification(HotTenantMixin, Timestamps, Base):
    """One message to one channel: the outbox. `payload` is what it says, fixed when it was decided."""

    __tablename__ = "notifications"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    group_id: Mapped[UUID]
    channel: Mapped[str]
    target: Mapped[str]
    reason: Mapped[str]
    why: Mapped[str]
    alert_ids: Mapped[list[UUID]]
    payload: Mapped[list[Any]] = mapped_column(JSONB, server_default=EMPTY_LIST)
    status: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default=_ZERO)
    first_attempt_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=NOW)
    claimed_by: Mapped[str | None]
    claimed_until: Mapped[datetime | None]
    last_error: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "group_id"],
            ["notification_groups.tenant_id", "notification_groups.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("status IN ('pending', 'sending', 'sent', 'dead', 'withheld')", name="status"),
        Index(None, "tenant_id", "group_id", "id"),
        Index(
            "notifications_unsent_idx",
            "next_attempt_at",
            postgresql_where=text("status IN ('pending', 'sending')"),
        ),
    )


class UsedToken(TenantMixin, Base):
    """What acts once and did: a mail's link, a signed request of Slack. `digest`: SHA-256. Kept until it expires."""

    __tablename__ = "used_tokens"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
    __table_args__ = (Index("used_tokens_expires_at_idx", "expires_at"),)


class Lease(Base):
    """Who does a job that one process at a time may do. Nobody's data: no tenant."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    expires_at: Mapped[datetime]
