"""Retention by tenant: what a tenant wants kept for how long, and what was removed because of it."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0039"
down_revision = "0038"

POLICIES = """
    CREATE TABLE retention_policies (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        kind TEXT NOT NULL,
        keep_days BIGINT,
        max_bytes BIGINT,
        enabled BOOLEAN DEFAULT true NOT NULL,
        created_by TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT retention_policies_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT retention_policies_tenant_id_kind_key UNIQUE (tenant_id, kind),
        CONSTRAINT retention_policies_bounds_check
            CHECK (keep_days > 0 AND max_bytes > 0 AND (keep_days IS NOT NULL OR max_bytes IS NOT NULL)),
        CONSTRAINT retention_policies_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
"""
RUNS = """
    CREATE TABLE retention_runs (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        kind TEXT NOT NULL,
        status TEXT NOT NULL,
        rows_removed BIGINT DEFAULT 0 NOT NULL,
        before TIMESTAMP WITH TIME ZONE NOT NULL,
        report JSONB DEFAULT '{}'::jsonb NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        completed_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT retention_runs_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT retention_runs_status_check CHECK (status IN ('running', 'completed', 'failed')),
        CONSTRAINT retention_runs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
"""


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant the application what it does with each."""
    for statement in (POLICIES, RUNS):
        op.execute(statement)
    op.execute(touch_updated_at("retention_policies"))
    for statement in (*protect("retention_policies"), *protect("retention_runs", app="SELECT")):
        op.execute(statement)
    op.execute("CREATE INDEX conversations_deleted_at_idx ON conversations (deleted_at) WHERE deleted_at IS NOT NULL")


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP INDEX conversations_deleted_at_idx")
    for table in ("retention_runs", "retention_policies"):
        op.execute(f"DROP TABLE {table}")
