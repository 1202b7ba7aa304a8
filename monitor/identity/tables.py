"""Tables of identity: tenants, users (global) and what they are elsewhere, memberships and how to reach them, sessions,
API keys.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from monitor.tables import EMPTY_LIST, EMPTY_OBJECT, NOW, ZERO, Base, Json, TenantMixin, Timestamps


class Tenant(Timestamps, Base):
    """The owner of everything; an organization in other systems' words."""

    __tablename__ = "tenants"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="active")
    plan: Mapped[str] = mapped_column(server_default="free")
    max_agents: Mapped[int | None]
    daily_requests: Mapped[int | None]
    monthly_tokens: Mapped[int | None]
    contact_email: Mapped[str | None]
    contact_name: Mapped[str | None]
    auto_register: Mapped[bool] = mapped_column(server_default=text("true"))
    fallback_channel: Mapped[Json | None]
    settings: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    deleted_at: Mapped[datetime | None]
    suspended_at: Mapped[datetime | None] = mapped_column(sort_order=2)
    suspended_reason: Mapped[str | None] = mapped_column(sort_order=2)
    purge_at: Mapped[datetime | None] = mapped_column(sort_order=2)
    __table_args__ = (
        CheckConstraint("status IN ('active', 'suspended', 'deleted')", name="status"),
        CheckConstraint("plan IN ('free', 'starter', 'pro', 'enterprise')", name="plan"),
        Index(None, "status"),
        Index("tenants_purge_at_idx", "purge_at", postgresql_where=text("purge_at IS NOT NULL")),
        Index("tenants_deleted_at_idx", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )


class User(Timestamps, Base):
    """A person. Global: role, permissions and status stand on the membership."""

    __tablename__ = "users"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str | None]
    password_hash: Mapped[str | None]
    deleted_at: Mapped[datetime | None]
    username: Mapped[str | None] = mapped_column(sort_order=2)
    first_name: Mapped[str | None] = mapped_column(sort_order=2)
    last_name: Mapped[str | None] = mapped_column(sort_order=2)
    avatar_url: Mapped[str | None] = mapped_column(sort_order=2)
    email_verified_at: Mapped[datetime | None] = mapped_column(sort_order=2)
    password_changed_at: Mapped[datetime | None] = mapped_column(sort_order=2)
    last_login_at: Mapped[datetime | None] = mapped_column(sort_order=2)
    __table_args__ = (
        CheckConstraint("email ~ '^[^@[:space:]]+@[^@[:space:]]+$'", name="email"),
        CheckConstraint("username ~ '^[^@[:space:]]{1,100}$'", name="username"),
        CheckConstraint("avatar_url ~ '^https?://' AND length(avatar_url) <= 2000", name="avatar_url"),
        Index("users_lower_email_key", func.lower(text("email")), unique=True),
        Index("users_lower_username_key", func.lower(text("username")), unique=True),
    )


class UserIdentity(Base):
    """Who somebody is at a provider of OpenID Connect. Global, as users are."""

    __tablename__ = "user_identities"
    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        Index(None, "user_id"),
    )


class Membership(TenantMixin, Timestamps, Base):
    """A user's place in a tenant."""

    __tablename__ = "memberships"
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(server_default="member")
    status: Mapped[str] = mapped_column(server_default="active")
    permissions: Mapped[list[Any]] = mapped_column(JSONB, server_default=EMPTY_LIST)
    quiet_hours: Mapped[Json | None] = mapped_column(sort_order=2)
    __table_args__ = (
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer', 'on-call')", name="role"),
        CheckConstraint("status IN ('active', 'inactive', 'suspended', 'invited')", name="status"),
        Index(None, "user_id"),
    )


class ContactMethod(TenantMixin, Base):
    """One way to reach a member, in the order of `position`. Without any, it is the user's email address.

    `after_seconds`: how long an alert is open and nobody has it before this way is taken as well.
    """

    __tablename__ = "contact_methods"
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    target: Mapped[str]
    secret: Mapped[str | None]
    after_seconds: Mapped[int] = mapped_column(server_default=ZERO)
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["memberships.tenant_id", "memberships.user_id"], ondelete="CASCADE"
        ),
        CheckConstraint("after_seconds >= 0", name="after"),
    )


class UserSession(TenantMixin, Base):
    """Somebody signed in, in one tenant. Only the SHA-256 of the cookie is stored.

    How it stands follows from its times: revoked, expired, else active.
    """

    __tablename__ = "user_sessions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    token_hash: Mapped[str]
    method: Mapped[str]
    device_info: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    ip_address: Mapped[str | None] = mapped_column(INET)
    started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    last_activity_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "token_hash"),
        ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["memberships.tenant_id", "memberships.user_id"], ondelete="CASCADE"
        ),
        CheckConstraint("method IN ('link', 'password', 'oidc', 'import')", name="method"),
        Index(None, "token_hash"),
        Index(None, "tenant_id", "user_id"),
        Index(None, "expires_at"),
    )


class ApiKey(TenantMixin, Timestamps, Base):
    """A key for programs. Only the SHA-256 of its secret is stored."""

    __tablename__ = "api_keys"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID | None]
    agent_id: Mapped[UUID | None]
    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[str]
    scopes: Mapped[list[str]]
    status: Mapped[str] = mapped_column(server_default="active")
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    replaces_id: Mapped[UUID | None] = mapped_column(sort_order=2)
    revoked_at: Mapped[datetime | None] = mapped_column(sort_order=2)
    __table_args__ = (
        UniqueConstraint("tenant_id", "key_hash"),
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="SET NULL"),
        ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "replaces_id"],
            ["api_keys.tenant_id", "api_keys.id"],
            ondelete="SET NULL (replaces_id)",
        ),
        CheckConstraint("status IN ('active', 'revoked')", name="status"),
        Index(None, "key_hash"),
        Index(None, "user_id"),
        Index(None, "tenant_id", "agent_id"),
        Index(None, "tenant_id", "replaces_id", postgresql_where=text("replaces_id IS NOT NULL")),
    )
