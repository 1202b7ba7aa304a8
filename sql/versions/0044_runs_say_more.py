"""Runs say more: what a workflow's run is about, and which message a tool was called for; runs by their type."""

from alembic import op

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    """Columns that are null in what is there, and an index."""
    op.execute("ALTER TABLE workflow_executions ADD COLUMN description TEXT")
    op.execute("ALTER TABLE tool_executions ADD COLUMN message_id TEXT")
    op.execute(
        "CREATE INDEX workflow_executions_tenant_id_workflow_type_id_idx "
        "ON workflow_executions (tenant_id, workflow_type, id) WHERE workflow_type IS NOT NULL"
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP INDEX workflow_executions_tenant_id_workflow_type_id_idx")
    op.execute("ALTER TABLE tool_executions DROP COLUMN message_id")
    op.execute("ALTER TABLE workflow_executions DROP COLUMN description")
