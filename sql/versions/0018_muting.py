"""What withholds messages: until when an alert is snoozed, silences, and inhibition rules."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0018"
down_revision = "0017"

TABLES = (
    """
    CREATE TABLE silences (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        matchers JSONB NOT NULL,
        starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
        comment TEXT NOT NULL,
        created_by TEXT NOT NULL,
        expired_by TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT silences_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT silences_period_check CHECK (starts_at <= ends_at),
        CONSTRAINT silences_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX silences_tenant_id_ends_at_idx ON silences (tenant_id, ends_at)
    """,
    """
    CREATE TABLE inhibitions (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        name TEXT NOT NULL,
        source JSONB NOT NULL,
        target JSONB NOT NULL,
        equal JSONB DEFAULT '[]'::jsonb NOT NULL,
        created_by TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT inhibitions_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT inhibitions_tenant_id_name_key UNIQUE (tenant_id, name),
        CONSTRAINT inhibitions_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
)


def upgrade() -> None:
    """Add the columns, make the tables, force row-level security on them, grant each role its verbs."""
    op.execute("ALTER TABLE alerts ADD COLUMN snoozed_until TIMESTAMP WITH TIME ZONE, ADD COLUMN snoozed_by TEXT")
    for statement in TABLES:
        op.execute(statement)
    for table in ("silences", "inhibitions"):
        for statement in protect(table, alerter="SELECT"):
            op.execute(statement)
        op.execute(touch_updated_at(table))


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE inhibitions")
    op.execute("DROP TABLE silences")
    op.execute("ALTER TABLE alerts DROP COLUMN snoozed_by, DROP COLUMN snoozed_until")
