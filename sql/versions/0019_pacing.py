"""What paces messages: a tenant's settings, what is held back for a target, and when we were away."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0019"
down_revision = "0018"

TABLES = (
    """
    CREATE TABLE alert_settings (
        tenant_id UUID NOT NULL,
        settings JSONB DEFAULT '{}'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT alert_settings_pkey PRIMARY KEY (tenant_id),
        CONSTRAINT alert_settings_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE paces (
        tenant_id UUID NOT NULL,
        channel TEXT NOT NULL,
        target TEXT NOT NULL,
        secret TEXT,
        state JSONB DEFAULT '{}'::jsonb NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT paces_pkey PRIMARY KEY (tenant_id, channel, target),
        CONSTRAINT paces_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX paces_due_at_idx ON paces (due_at) WHERE due_at IS NOT NULL
    """,
    """
    CREATE TABLE outages (
        tenant_id UUID NOT NULL,
        what TEXT NOT NULL,
        seen_at TIMESTAMP WITH TIME ZONE,
        began_at TIMESTAMP WITH TIME ZONE,
        ended_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT outages_pkey PRIMARY KEY (tenant_id, what),
        CONSTRAINT outages_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
)


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    every = "SELECT, INSERT, UPDATE, DELETE"
    for statement in (
        *protect("alert_settings", alerter="SELECT"),
        *protect("paces", alerter=every),
        *protect("outages", app="SELECT", alerter=every),
    ):
        op.execute(statement)
    op.execute(touch_updated_at("alert_settings"))


def downgrade() -> None:
    """Undo `upgrade`."""
    for table in ("outages", "paces", "alert_settings"):
        op.execute(f"DROP TABLE {table}")
