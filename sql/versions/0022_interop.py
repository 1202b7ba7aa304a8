"""Further kinds of channels, alerts that other systems evaluate, and mail addresses that bounce."""

from alembic import op

from sql.protect import protect

revision = "0022"
down_revision = "0021"

TABLES = (
    """
    CREATE TABLE received_alerts (
        tenant_id UUID NOT NULL,
        fingerprint TEXT NOT NULL,
        labels JSONB NOT NULL,
        annotations JSONB DEFAULT '{}'::jsonb NOT NULL,
        generator_url TEXT,
        starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
        resolved BOOLEAN DEFAULT false NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        alert_id UUID,
        due_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT received_alerts_pkey PRIMARY KEY (tenant_id, fingerprint),
        CONSTRAINT received_alerts_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX received_alerts_due_at_idx ON received_alerts (due_at)
    """,
    """
    CREATE TABLE bounces (
        tenant_id UUID NOT NULL,
        address TEXT NOT NULL,
        said TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        notification_id UUID,
        told BOOLEAN DEFAULT false NOT NULL,
        cleared_by TEXT,
        CONSTRAINT bounces_pkey PRIMARY KEY (tenant_id, address),
        CONSTRAINT bounces_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX bounces_open_idx ON bounces (at) WHERE NOT told OR cleared_by IS NOT NULL
    """,
)
KINDS = "'email', 'slack', 'webhook', 'pagerduty', 'teams', 'discord', 'telegram', 'ntfy', 'apprise'"
OLD_KINDS = "'email', 'slack', 'webhook'"


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs; let channels be of more kinds."""
    op.execute("ALTER TABLE channels DROP CONSTRAINT channels_kind_check")
    op.execute(f"ALTER TABLE channels ADD CONSTRAINT channels_kind_check CHECK (kind IN ({KINDS}))")
    for statement in TABLES:
        op.execute(statement)
    for table in ("received_alerts", "bounces"):
        for statement in protect(table, app="SELECT, INSERT, UPDATE", alerter="SELECT, INSERT, UPDATE, DELETE"):
            op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`. Channels of other kinds go: what there was before cannot use them."""
    op.execute("DROP TABLE bounces")
    op.execute("DROP TABLE received_alerts")
    op.execute(f"DELETE FROM channels WHERE kind NOT IN ({OLD_KINDS})")
    op.execute("ALTER TABLE channels DROP CONSTRAINT channels_kind_check")
    op.execute(f"ALTER TABLE channels ADD CONSTRAINT channels_kind_check CHECK (kind IN ({OLD_KINDS}))")
