"""Named channels, notification groups and the outbox."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0008"
down_revision = "0007"

TABLES = (
    """
    CREATE TABLE channels (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        secret TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT channels_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT channels_tenant_id_name_key UNIQUE (tenant_id, name),
        CONSTRAINT channels_kind_check CHECK (kind IN ('email', 'slack', 'webhook')),
        CONSTRAINT channels_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE notification_groups (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        channel TEXT NOT NULL,
        target TEXT NOT NULL,
        secret TEXT,
        alert_ids UUID[] NOT NULL,
        reference JSONB,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT notification_groups_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT notification_groups_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX notification_groups_alert_ids_idx ON notification_groups USING gin (alert_ids)
    """,
    """
    CREATE INDEX notification_groups_tenant_id_idx ON notification_groups (tenant_id)
    """,
    """
    CREATE TABLE notifications (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        group_id UUID NOT NULL,
        channel TEXT NOT NULL,
        target TEXT NOT NULL,
        reason TEXT NOT NULL,
        why TEXT NOT NULL,
        alert_ids UUID[] NOT NULL,
        payload JSONB DEFAULT '[]'::jsonb NOT NULL,
        status TEXT DEFAULT 'pending' NOT NULL,
        attempts BIGINT DEFAULT 0 NOT NULL,
        first_attempt_at TIMESTAMP WITH TIME ZONE,
        next_attempt_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        claimed_by TEXT,
        claimed_until TIMESTAMP WITH TIME ZONE,
        last_error TEXT,
        sent_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT notifications_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT notifications_tenant_id_group_id_fkey FOREIGN KEY(tenant_id, group_id) REFERENCES notification_groups (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT notifications_status_check CHECK (status IN ('pending', 'sending', 'sent', 'dead', 'withheld')),
        CONSTRAINT notifications_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX notifications_tenant_id_group_id_id_idx ON notifications (tenant_id, group_id, id)
    """,
    """
    CREATE INDEX notifications_unsent_idx ON notifications (next_attempt_at) WHERE status IN ('pending', 'sending')
    """,
)


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("channels", alerter="SELECT"):
        op.execute(statement)
    op.execute(touch_updated_at("channels"))
    for statement in protect("notification_groups", alerter="SELECT, INSERT, UPDATE"):
        op.execute(statement)
    for statement in protect("notifications", app="SELECT, INSERT, UPDATE", alerter="SELECT, INSERT, UPDATE"):
        op.execute(statement)
    op.execute(touch_updated_at("notifications"))


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE notifications")
    op.execute("DROP TABLE notification_groups")
    op.execute("DROP TABLE channels")
