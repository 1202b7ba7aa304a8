"""The audit trail, by month, append-only."""

from alembic import op

from sql.protect import protect

revision = "0009"
down_revision = "0008"

TABLES = (
    """
    CREATE TABLE audit_logs (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        actor TEXT NOT NULL,
        user_id UUID,
        action TEXT NOT NULL,
        resource_type TEXT NOT NULL,
        resource_id TEXT,
        old_values JSONB,
        new_values JSONB,
        ip_address INET,
        user_agent TEXT,
        status TEXT DEFAULT 'success' NOT NULL,
        error_message TEXT,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        CONSTRAINT audit_logs_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT audit_logs_status_check CHECK (status IN ('success', 'failure'))
    )
    PARTITION BY RANGE (id)
    """,
)

REFUSE = """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END
    $$
"""


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("audit_logs", app="SELECT, INSERT", alerter="INSERT"):
        op.execute(statement)

    op.execute(REFUSE)
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_logs FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE audit_logs")
    op.execute("DROP FUNCTION refuse_change()")
