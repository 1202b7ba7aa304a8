"""Agents as people set them up: model settings with versions, configuration by key, states by conversation."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0037"
down_revision = "0036"

COLUMNS = (
    "role TEXT",
    "backstory TEXT",
    "emoji TEXT",
    "model_provider TEXT",
    "model TEXT",
    "temperature DOUBLE PRECISION CONSTRAINT agents_temperature_check CHECK (temperature >= 0 AND temperature <= 2)",
    "max_tokens BIGINT CONSTRAINT agents_max_tokens_check CHECK (max_tokens > 0)",
    "system_prompt TEXT",
    "tools TEXT[] DEFAULT '{}'::text[] NOT NULL",
    "timeout_seconds DOUBLE PRECISION CONSTRAINT agents_timeout_seconds_check CHECK (timeout_seconds > 0)",
    "max_iterations BIGINT CONSTRAINT agents_max_iterations_check CHECK (max_iterations > 0)",
    "memory_enabled BOOLEAN DEFAULT false NOT NULL",
    "settings_version BIGINT DEFAULT 1 NOT NULL CONSTRAINT agents_settings_version_check CHECK (settings_version > 0)",
)
TABLES = (
    """
    CREATE TABLE agent_versions (
        tenant_id UUID NOT NULL,
        agent_id UUID NOT NULL,
        version BIGINT NOT NULL,
        settings JSONB NOT NULL,
        changed_by TEXT NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT agent_versions_pkey PRIMARY KEY (tenant_id, agent_id, version),
        CONSTRAINT agent_versions_version_check CHECK (version > 0),
        CONSTRAINT agent_versions_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id)
            REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT agent_versions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE agent_configurations (
        tenant_id UUID NOT NULL,
        agent_id UUID NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        active BOOLEAN DEFAULT true NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT agent_configurations_pkey PRIMARY KEY (tenant_id, agent_id, key),
        CONSTRAINT agent_configurations_key_check CHECK (length(key) BETWEEN 1 AND 200),
        CONSTRAINT agent_configurations_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id)
            REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT agent_configurations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE agent_states (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        conversation TEXT NOT NULL,
        agent_type TEXT NOT NULL,
        agent_id UUID,
        state JSONB DEFAULT '{}'::jsonb NOT NULL,
        version BIGINT DEFAULT 1 NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT agent_states_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT agent_states_tenant_id_conversation_agent_type_key UNIQUE (tenant_id, conversation, agent_type),
        CONSTRAINT agent_states_version_check CHECK (version > 0),
        CONSTRAINT agent_states_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id)
            REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT agent_states_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX agent_states_tenant_id_agent_type_idx ON agent_states (tenant_id, agent_type)",
    "CREATE INDEX agent_states_tenant_id_agent_id_idx ON agent_states (tenant_id, agent_id) WHERE agent_id IS NOT NULL",
    "CREATE INDEX agent_states_updated_at_idx ON agent_states (updated_at)",
)
NAMES = ("agent_versions", "agent_configurations", "agent_states")


def upgrade() -> None:
    """Add columns and tables."""
    op.execute("ALTER TABLE agents " + ", ".join(f"ADD COLUMN {column}" for column in COLUMNS))
    for statement in TABLES:
        op.execute(statement)
    for name in NAMES:
        for statement in protect(name):
            op.execute(statement)
    for name in ("agent_configurations", "agent_states"):
        op.execute(touch_updated_at(name))


def downgrade() -> None:
    """Undo `upgrade`."""
    for name in reversed(NAMES):
        op.execute(f"DROP TABLE {name}")
    op.execute("ALTER TABLE agents " + ", ".join(f"DROP COLUMN {column.split()[0]}" for column in reversed(COLUMNS)))
