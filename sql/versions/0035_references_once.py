"""No second reference to the tenant from rows that already refer to something of the same tenant: each is a look-up for
every row that an alerter writes in a storm, and says nothing that the other does not."""

from alembic import op

revision = "0035"
down_revision = "0034"

TABLES = ("alert_targets", "alert_states", "alert_events", "notifications")


def upgrade() -> None:
    """Drop what the composite references imply."""
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_tenant_id_fkey")


def downgrade() -> None:
    """Undo `upgrade`."""
    for table in TABLES:
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT {table}_tenant_id_fkey "
            "FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE"
        )
