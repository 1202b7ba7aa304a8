"""API keys, which may be bound to an agent."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0004"
down_revision = "0003"

TABLES = (
    """
    CREATE TABLE api_keys (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        user_id UUID,
        agent_id UUID,
        name TEXT NOT NULL,
        prefix TEXT NOT NULL,
        key_hash TEXT NOT NULL,
        scopes TEXT[] NOT NULL,
        status TEXT DEFAULT 'active' NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE,
        last_used_at TIMESTAMP WITH TIME ZONE,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT api_keys_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT api_keys_tenant_id_key_hash_key UNIQUE (tenant_id, key_hash),
        CONSTRAINT api_keys_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE SET NULL,
        CONSTRAINT api_keys_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT api_keys_status_check CHECK (status IN ('active', 'revoked')),
        CONSTRAINT api_keys_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX api_keys_key_hash_idx ON api_keys (key_hash)
    """,
    """
    CREATE INDEX api_keys_tenant_id_agent_id_idx ON api_keys (tenant_id, agent_id)
    """,
    """
    CREATE INDEX api_keys_user_id_idx ON api_keys (user_id)
    """,
)


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect(
        "api_keys", doorman="tenant_id, id, user_id, agent_id, key_hash, scopes, status, expires_at"
    ):
        op.execute(statement)
    op.execute(touch_updated_at("api_keys"))


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE api_keys")
