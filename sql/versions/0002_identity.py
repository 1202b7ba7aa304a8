"""Tenants, users and memberships."""

from alembic import op

from sql.protect import TENANT, protect, touch_updated_at

revision = "0002"
down_revision = "0001"

TABLES = (
    """
    CREATE TABLE tenants (
        id UUID NOT NULL,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        status TEXT DEFAULT 'active' NOT NULL,
        plan TEXT DEFAULT 'free' NOT NULL,
        max_agents BIGINT,
        daily_requests BIGINT,
        monthly_tokens BIGINT,
        contact_email TEXT,
        contact_name TEXT,
        auto_register BOOLEAN DEFAULT true NOT NULL,
        fallback_channel JSONB,
        settings JSONB DEFAULT '{}'::jsonb NOT NULL,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        deleted_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT tenants_pkey PRIMARY KEY (id),
        CONSTRAINT tenants_status_check CHECK (status IN ('active', 'suspended', 'deleted')),
        CONSTRAINT tenants_plan_check CHECK (plan IN ('free', 'starter', 'pro', 'enterprise')),
        CONSTRAINT tenants_slug_key UNIQUE (slug)
    )
    """,
    """
    CREATE INDEX tenants_status_idx ON tenants (status)
    """,
    """
    CREATE TABLE users (
        id UUID NOT NULL,
        email TEXT NOT NULL,
        name TEXT,
        password_hash TEXT,
        deleted_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT users_pkey PRIMARY KEY (id),
        CONSTRAINT users_email_check CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$')
    )
    """,
    """
    CREATE UNIQUE INDEX users_lower_email_key ON users (lower(email))
    """,
    """
    CREATE TABLE memberships (
        tenant_id UUID NOT NULL,
        user_id UUID NOT NULL,
        role TEXT DEFAULT 'member' NOT NULL,
        status TEXT DEFAULT 'active' NOT NULL,
        permissions JSONB DEFAULT '[]'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT memberships_pkey PRIMARY KEY (tenant_id, user_id),
        CONSTRAINT memberships_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
        CONSTRAINT memberships_role_check CHECK (role IN ('owner', 'admin', 'member', 'viewer', 'on-call')),
        CONSTRAINT memberships_status_check CHECK (status IN ('active', 'inactive', 'suspended')),
        CONSTRAINT memberships_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX memberships_user_id_idx ON memberships (user_id)
    """,
)

# A person is visible to the tenants that he or she is a member of.
THEIRS = f"EXISTS (SELECT 1 FROM memberships m WHERE m.tenant_id = {TENANT} AND m.user_id = users.id)"


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect(
        "tenants", app="SELECT, UPDATE", alerter="SELECT", doorman="id, status", belongs=f"id = {TENANT}"
    ):
        op.execute(statement)
    op.execute(touch_updated_at("tenants"))
    for statement in protect("users", belongs=THEIRS):
        op.execute(statement)
    op.execute(touch_updated_at("users"))
    for statement in protect("memberships"):
        op.execute(statement)
    op.execute(touch_updated_at("memberships"))
    op.execute(
        "INSERT INTO tenants (id, slug, name, plan) "
        "VALUES ('00000000-0000-7000-8000-000000000000', 'platform', 'Platform', 'enterprise')"
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP POLICY tenant ON users")
    op.execute("DROP TABLE memberships")
    op.execute("DROP TABLE users")
    op.execute("DROP TABLE tenants")
