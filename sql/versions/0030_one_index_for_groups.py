"""Groups of messages without an index on the tenant alone, which the primary key begins with: on a table that was small
when it was looked at last, the planner took it for the key, and read all groups of the tenant for each message."""

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Drop the index."""
    op.execute("DROP INDEX notification_groups_tenant_id_idx")


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("CREATE INDEX notification_groups_tenant_id_idx ON notification_groups (tenant_id)")
