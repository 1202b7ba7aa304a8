"""Room in the pages of what alerters change again and again: a changed row stays where it was, and so do its indexes."""

from alembic import op

revision = "0029"
down_revision = "0028"

TABLES = ("alerts", "alert_states")


def upgrade() -> None:
    """Leave half of each page free."""
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")


def downgrade() -> None:
    """Undo `upgrade`."""
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
