"""History in InfluxDB: points that wait for it, what of it must be rolled up and how far it is, what was copied."""

from alembic import op

from sql.protect import protect

revision = "0010"
down_revision = "0009"

TABLES = (
    """
    CREATE TABLE spool (
        tenant_id UUID NOT NULL,
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        points BIGINT NOT NULL,
        series_ids BIGINT[] NOT NULL,
        at TIMESTAMP WITH TIME ZONE[] NOT NULL,
        values DOUBLE PRECISION[] NOT NULL,
        CONSTRAINT spool_pkey PRIMARY KEY (tenant_id, id)
    )
    """,
    """
    CREATE INDEX spool_id_idx ON spool (id)
    """,
    """
    CREATE TABLE rollup_dirty (
        tenant_id UUID NOT NULL,
        series_id BIGINT NOT NULL,
        hour TIMESTAMP WITH TIME ZONE NOT NULL,
        marks BIGINT DEFAULT 1 NOT NULL,
        CONSTRAINT rollup_dirty_pkey PRIMARY KEY (tenant_id, series_id, hour)
    )
    """,
    """
    CREATE TABLE rollup_progress (
        level TEXT NOT NULL,
        until TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT rollup_progress_pkey PRIMARY KEY (level),
        CONSTRAINT rollup_progress_level_check CHECK (level IN ('hour', 'day'))
    )
    """,
    """
    CREATE TABLE series_copies (
        tenant_id UUID NOT NULL,
        source TEXT NOT NULL,
        day TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT series_copies_pkey PRIMARY KEY (tenant_id, source, day)
    )
    """,
)


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("spool", app="SELECT, INSERT", alerter="SELECT"):
        op.execute(statement)
    for statement in protect("rollup_dirty", app="SELECT, INSERT, UPDATE", alerter="SELECT"):
        op.execute(statement)
    for statement in protect("series_copies", app="SELECT"):
        op.execute(statement)
    op.execute("GRANT SELECT ON rollup_progress TO agent_monitor_app, agent_monitor_alerter")


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE series_copies")
    op.execute("DROP TABLE rollup_progress")
    op.execute("DROP TABLE rollup_dirty")
    op.execute("DROP TABLE spool")
