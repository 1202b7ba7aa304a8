"""Tables of tools: MCP servers, of everybody and of a tenant's own, and how a tenant uses each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from monitor.ids import PLATFORM_TENANT
from monitor.tables import EMPTY_LIST, EMPTY_OBJECT, Base, Json, TenantMixin, Timestamps


class McpServer(TenantMixin, Timestamps, Base):
    """A server of the Model Context Protocol: what starts it or where it is, and what must be said to use it.

    The platform tenant's are everybody's.
    """

    __tablename__ = "mcp_servers"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    version: Mapped[str | None]
    category: Mapped[str | None]
    server_type: Mapped[str]
    command: Mapped[str | None]
    url: Mapped[str | None]
    config_schema: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    tools: Mapped[list[Any]] = mapped_column(JSONB, server_default=EMPTY_LIST)
    resources: Mapped[list[Any]] = mapped_column(JSONB, server_default=EMPTY_LIST)
    status: Mapped[str] = mapped_column(server_default="active")
    documentation_url: Mapped[str | None]
    repository_url: Mapped[str | None]
    meta: Mapped[Json] = mapped_column("metadata", server_default=EMPTY_OBJECT)
    deleted_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("tenant_id", "slug"),
        CheckConstraint("server_type IN ('stdio', 'sse', 'http')", name="server_type"),
        CheckConstraint(
            "(server_type = 'stdio') = (command IS NOT NULL) AND (server_type = 'stdio') = (url IS NULL)", name="start"
        ),
        CheckConstraint("status IN ('active', 'deprecated', 'disabled')", name="status"),
        Index(None, "tenant_id", "category"),
        Index(None, "tenant_id", "status", postgresql_where=text("deleted_at IS NULL")),
    )


class McpServerConfig(TenantMixin, Timestamps, Base):
    """How a tenant uses a server. Secrets in `config` and everything in `environment` are sealed (`monitor.sealing`).

    `allowed_users`: who may start it; null: everybody in the tenant.
    """

    __tablename__ = "mcp_server_configs"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    server_tenant_id: Mapped[UUID]
    server_id: Mapped[UUID]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    config: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    environment: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    limits: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    allowed_users: Mapped[list[UUID] | None]
    created_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    __table_args__ = (
        UniqueConstraint("tenant_id", "server_id"),
        CheckConstraint(f"server_tenant_id IN (tenant_id, '{PLATFORM_TENANT}')", name="server"),
        ForeignKeyConstraint(
            ["server_tenant_id", "server_id"], ["mcp_servers.tenant_id", "mcp_servers.id"], ondelete="CASCADE"
        ),
        Index(None, "server_tenant_id", "server_id"),
        Index(None, "created_by"),
        Index("mcp_server_configs_enabled_idx", "tenant_id", postgresql_where=text("enabled")),
    )
