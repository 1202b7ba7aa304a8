"""Workflows: what is deleted can come back."""

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """Add the column."""
    op.execute("ALTER TABLE workflows ADD COLUMN deleted_at TIMESTAMP WITH TIME ZONE")


def downgrade() -> None:
    """Undo `upgrade`."""
    # What is hidden would be there again.
    op.execute("DELETE FROM workflows WHERE deleted_at IS NOT NULL")
    op.execute("ALTER TABLE workflows DROP COLUMN deleted_at")
