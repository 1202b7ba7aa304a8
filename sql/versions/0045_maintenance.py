"""Maintenance: what was last done to which table or index."""

from alembic import op

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    """Make the table, which is the owner's alone."""
    op.execute("""
        CREATE TABLE maintenance_runs (
            task TEXT NOT NULL,
            relation TEXT NOT NULL,
            completed_at TIMESTAMP WITH TIME ZONE NOT NULL,
            seconds DOUBLE PRECISION NOT NULL,
            bytes_before BIGINT NOT NULL,
            bytes_after BIGINT NOT NULL,
            CONSTRAINT maintenance_runs_pkey PRIMARY KEY (task, relation),
            CONSTRAINT maintenance_runs_task_check CHECK (task IN ('vacuum', 'analyze', 'reindex'))
        )
    """)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE maintenance_runs")
