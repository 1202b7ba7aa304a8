"""Drills: synthetic alerts through real channels, and how long they took."""

from alembic import op

from sql.protect import protect

revision = "0025"
down_revision = "0024"

TABLES = (
    """
    CREATE TABLE drills (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        group_id UUID NOT NULL,
        channel TEXT NOT NULL,
        target TEXT NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        delivered_at TIMESTAMP WITH TIME ZONE,
        late_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT drills_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT drills_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX drills_tenant_id_started_at_idx ON drills (tenant_id, started_at)
    """,
)


def upgrade() -> None:
    """Make the table, force row-level security on it, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("drills", app="SELECT", alerter="SELECT, INSERT, UPDATE, DELETE"):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE drills")
