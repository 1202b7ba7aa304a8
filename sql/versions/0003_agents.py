"""Agent types, agents and their live state."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0003"
down_revision = "0002"

PLATFORM = "'00000000-0000-7000-8000-000000000000'"
PREDEFINED = f"""
    INSERT INTO agent_types (tenant_id, id, slug, name, description) VALUES
    ({PLATFORM}, '00000000-0000-7000-8000-000000000001', 'custom', 'Custom', 'Any agent that says no more of itself'),
    ({PLATFORM}, '00000000-0000-7000-8000-000000000002', 'coder', 'Coder', 'Writes, changes and reviews code'),
    ({PLATFORM}, '00000000-0000-7000-8000-000000000003', 'researcher', 'Researcher', 'Searches, reads and reports'),
    ({PLATFORM}, '00000000-0000-7000-8000-000000000004', 'orchestrator', 'Orchestrator', 'Hands work to other agents'),
    ({PLATFORM}, '00000000-0000-7000-8000-000000000005', 'support', 'Support', 'Answers people'),
    ({PLATFORM}, '00000000-0000-7000-8000-000000000006', 'host', 'Host', 'A machine that reports about itself')
"""

TABLES = (
    """
    CREATE TABLE agent_types (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT,
        default_config JSONB DEFAULT '{}'::jsonb NOT NULL,
        required_params JSONB DEFAULT '[]'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT agent_types_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT agent_types_tenant_id_slug_key UNIQUE (tenant_id, slug),
        CONSTRAINT agent_types_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE agents (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        external_id TEXT NOT NULL,
        name TEXT NOT NULL,
        agent_type TEXT DEFAULT 'custom' NOT NULL,
        description TEXT,
        status TEXT DEFAULT 'active' NOT NULL,
        tags JSONB DEFAULT '{}'::jsonb NOT NULL,
        capabilities TEXT[] DEFAULT '{}'::text[] NOT NULL,
        config JSONB DEFAULT '{}'::jsonb NOT NULL,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        webhook_url TEXT,
        schedule TEXT,
        version TEXT,
        ephemeral BOOLEAN DEFAULT false NOT NULL,
        ping_token TEXT NOT NULL,
        created_by UUID,
        retired_at TIMESTAMP WITH TIME ZONE,
        deleted_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT agents_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT agents_tenant_id_external_id_key UNIQUE (tenant_id, external_id),
        CONSTRAINT agents_created_by_fkey FOREIGN KEY(created_by) REFERENCES users (id) ON DELETE SET NULL,
        CONSTRAINT agents_status_check CHECK (status IN ('active', 'inactive', 'maintenance', 'archived')),
        CONSTRAINT agents_external_id_check CHECK (length(external_id) BETWEEN 1 AND 200),
        CONSTRAINT agents_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX agents_created_by_idx ON agents (created_by)
    """,
    """
    CREATE INDEX agents_ping_token_idx ON agents (ping_token)
    """,
    """
    CREATE INDEX agents_tenant_id_status_idx ON agents (tenant_id, status) WHERE deleted_at IS NULL
    """,
    """
    CREATE TABLE agent_live (
        tenant_id UUID NOT NULL,
        agent_id UUID NOT NULL,
        last_seen_at TIMESTAMP WITH TIME ZONE,
        last_heartbeat_at TIMESTAMP WITH TIME ZONE,
        heartbeat_status TEXT,
        heartbeat_count BIGINT DEFAULT 0 NOT NULL,
        heartbeat_interval DOUBLE PRECISION,
        expected BOOLEAN DEFAULT false NOT NULL,
        last_execution_id UUID,
        last_ok_id UUID,
        last_status TEXT,
        last_message TEXT,
        last_duration BIGINT,
        consecutive_failures BIGINT DEFAULT 0 NOT NULL,
        metrics JSONB DEFAULT '{}'::jsonb NOT NULL,
        CONSTRAINT agent_live_pkey PRIMARY KEY (tenant_id, agent_id),
        CONSTRAINT agent_live_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT agent_live_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
)


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("agent_types"):
        op.execute(statement)
    op.execute(touch_updated_at("agent_types"))
    op.execute(
        f"CREATE POLICY predefined ON agent_types FOR SELECT TO agent_monitor_app USING (tenant_id = {PLATFORM}::uuid)"
    )
    op.execute(PREDEFINED)
    for statement in protect(
        "agents", alerter="SELECT", doorman="tenant_id, id, external_id, ping_token, status, deleted_at"
    ):
        op.execute(statement)
    op.execute(touch_updated_at("agents"))
    for statement in protect("agent_live", alerter="SELECT, UPDATE"):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE agent_live")
    op.execute("DROP TABLE agents")
    op.execute("DROP TABLE agent_types")
