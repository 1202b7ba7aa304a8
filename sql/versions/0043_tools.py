"""MCP servers, everybody's and a tenant's own, and how a tenant uses each; calls of tools by what is asked of them."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0043"
down_revision = "0042"

PLATFORM = "'00000000-0000-7000-8000-000000000000'"

TABLES = (
    """
    CREATE TABLE mcp_servers (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT,
        version TEXT,
        category TEXT,
        server_type TEXT NOT NULL,
        command TEXT,
        url TEXT,
        config_schema JSONB DEFAULT '{}'::jsonb NOT NULL,
        tools JSONB DEFAULT '[]'::jsonb NOT NULL,
        resources JSONB DEFAULT '[]'::jsonb NOT NULL,
        status TEXT DEFAULT 'active' NOT NULL,
        documentation_url TEXT,
        repository_url TEXT,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        deleted_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT mcp_servers_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT mcp_servers_tenant_id_slug_key UNIQUE (tenant_id, slug),
        CONSTRAINT mcp_servers_server_type_check CHECK (server_type IN ('stdio', 'sse', 'http')),
        CONSTRAINT mcp_servers_start_check CHECK ((server_type = 'stdio') = (command IS NOT NULL) AND (server_type = 'stdio') = (url IS NULL)),
        CONSTRAINT mcp_servers_status_check CHECK (status IN ('active', 'deprecated', 'disabled')),
        CONSTRAINT mcp_servers_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX mcp_servers_tenant_id_category_idx ON mcp_servers (tenant_id, category)
    """,
    """
    CREATE INDEX mcp_servers_tenant_id_status_idx ON mcp_servers (tenant_id, status) WHERE deleted_at IS NULL
    """,
    """
    CREATE TABLE mcp_server_configs (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        server_tenant_id UUID NOT NULL,
        server_id UUID NOT NULL,
        enabled BOOLEAN DEFAULT true NOT NULL,
        config JSONB DEFAULT '{}'::jsonb NOT NULL,
        environment JSONB DEFAULT '{}'::jsonb NOT NULL,
        limits JSONB DEFAULT '{}'::jsonb NOT NULL,
        allowed_users UUID[],
        created_by UUID,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT mcp_server_configs_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT mcp_server_configs_tenant_id_server_id_key UNIQUE (tenant_id, server_id),
        CONSTRAINT mcp_server_configs_server_check
            CHECK (server_tenant_id IN (tenant_id, '00000000-0000-7000-8000-000000000000')),
        CONSTRAINT mcp_server_configs_server_tenant_id_server_id_fkey FOREIGN KEY (server_tenant_id, server_id)
            REFERENCES mcp_servers (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT mcp_server_configs_created_by_fkey FOREIGN KEY (created_by) REFERENCES users (id) ON DELETE SET NULL,
        CONSTRAINT mcp_server_configs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX mcp_server_configs_server_tenant_id_server_id_idx ON mcp_server_configs (server_tenant_id, server_id)
    """,
    """
    CREATE INDEX mcp_server_configs_created_by_idx ON mcp_server_configs (created_by)
    """,
    """
    CREATE INDEX mcp_server_configs_enabled_idx ON mcp_server_configs (tenant_id) WHERE enabled
    """,
    """
    CREATE INDEX tool_executions_tenant_id_conversation_id_idx ON tool_executions (tenant_id, conversation, id)
        WHERE conversation IS NOT NULL
    """,
    """
    CREATE INDEX tool_executions_tenant_id_mcp_server_id_idx ON tool_executions (tenant_id, mcp_server, id)
        WHERE mcp_server IS NOT NULL
    """,
    """
    CREATE INDEX tool_executions_tenant_id_status_id_idx ON tool_executions (tenant_id, status, id)
        WHERE status <> 'success'
    """,
)


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for table in ("mcp_servers", "mcp_server_configs"):
        for statement in (*protect(table), touch_updated_at(table)):
            op.execute(statement)
    op.execute(
        "CREATE POLICY public ON mcp_servers FOR SELECT TO agent_monitor_app "
        f"USING (tenant_id = {PLATFORM}::uuid AND deleted_at IS NULL)"
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    for name in ("conversation_id", "mcp_server_id", "status_id"):
        op.execute(f"DROP INDEX tool_executions_tenant_id_{name}_idx")
    op.execute("DROP TABLE mcp_server_configs")
    op.execute("DROP TABLE mcp_servers")
