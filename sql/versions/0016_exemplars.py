"""Exemplars: single measurements of a metric and the traces that they were made in."""

from alembic import op

from sql.protect import protect

revision = "0016"
down_revision = "0015"

TABLES = (
    """
    CREATE TABLE exemplars (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        agent_id UUID NOT NULL,
        metric TEXT NOT NULL,
        tags JSONB DEFAULT '{}'::jsonb NOT NULL,
        value DOUBLE PRECISION NOT NULL,
        trace_id TEXT NOT NULL,
        span_id TEXT,
        attributes JSONB DEFAULT '{}'::jsonb NOT NULL,
        CONSTRAINT exemplars_pkey PRIMARY KEY (tenant_id, id)
    )
    PARTITION BY RANGE (id)
    """,
    """
    CREATE INDEX exemplars_tenant_id_metric_id_idx ON exemplars (tenant_id, metric, id)
    """,
)


def upgrade() -> None:
    """Make the table, force row-level security on it, grant the application its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("exemplars", app="SELECT, INSERT"):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE exemplars")
