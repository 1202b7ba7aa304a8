"""History: series, samples, chunks of closed hours, rollups."""

from alembic import op

from sql.protect import protect

revision = "0006"
down_revision = "0005"

TABLES = (
    """
    CREATE TABLE series (
        tenant_id UUID NOT NULL,
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        agent_id UUID NOT NULL,
        metric TEXT NOT NULL,
        tags JSONB DEFAULT '{}'::jsonb NOT NULL,
        tags_hash BYTEA NOT NULL,
        kind TEXT DEFAULT 'gauge' NOT NULL,
        unit TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT series_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT series_tenant_id_agent_id_metric_tags_hash_key UNIQUE (tenant_id, agent_id, metric, tags_hash),
        CONSTRAINT series_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT series_kind_check CHECK (kind IN ('gauge', 'counter', 'delta')),
        CONSTRAINT series_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX series_tenant_id_metric_idx ON series (tenant_id, metric)
    """,
    """
    CREATE TABLE samples (
        tenant_id UUID NOT NULL,
        series_id BIGINT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        value DOUBLE PRECISION NOT NULL,
        CONSTRAINT samples_pkey PRIMARY KEY (tenant_id, series_id, at)
    )
    PARTITION BY RANGE (at)
    """,
    """
    CREATE INDEX samples_at_idx ON samples USING brin (at) WITH (pages_per_range = 32, autosummarize = true)
    """,
    """
    CREATE TABLE sample_chunks (
        tenant_id UUID NOT NULL,
        series_id BIGINT NOT NULL,
        hour TIMESTAMP WITH TIME ZONE NOT NULL,
        t INTEGER[] NOT NULL,
        v DOUBLE PRECISION[] NOT NULL,
        CONSTRAINT sample_chunks_pkey PRIMARY KEY (tenant_id, series_id, hour)
    )
    PARTITION BY RANGE (hour)
    """,
    """
    CREATE TABLE rollups_minute (
        tenant_id UUID NOT NULL,
        series_id BIGINT NOT NULL,
        hour TIMESTAMP WITH TIME ZONE NOT NULL,
        minute SMALLINT[] NOT NULL,
        sum DOUBLE PRECISION[] NOT NULL,
        count INTEGER[],
        min DOUBLE PRECISION[],
        max DOUBLE PRECISION[],
        CONSTRAINT rollups_minute_pkey PRIMARY KEY (tenant_id, series_id, hour)
    )
    PARTITION BY RANGE (hour)
    """,
    """
    CREATE TABLE rollups_hour (
        tenant_id UUID NOT NULL,
        series_id BIGINT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        count BIGINT NOT NULL,
        sum DOUBLE PRECISION NOT NULL,
        sum_sq DOUBLE PRECISION NOT NULL,
        min DOUBLE PRECISION NOT NULL,
        max DOUBLE PRECISION NOT NULL,
        first DOUBLE PRECISION,
        last DOUBLE PRECISION NOT NULL,
        last_at TIMESTAMP WITH TIME ZONE NOT NULL,
        increase DOUBLE PRECISION,
        histogram BYTEA NOT NULL,
        CONSTRAINT rollups_hour_pkey PRIMARY KEY (tenant_id, series_id, at)
    )
    PARTITION BY RANGE (at)
    """,
    """
    CREATE TABLE rollups_day (
        tenant_id UUID NOT NULL,
        series_id BIGINT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        count BIGINT NOT NULL,
        sum DOUBLE PRECISION NOT NULL,
        sum_sq DOUBLE PRECISION NOT NULL,
        min DOUBLE PRECISION NOT NULL,
        max DOUBLE PRECISION NOT NULL,
        first DOUBLE PRECISION,
        last DOUBLE PRECISION NOT NULL,
        last_at TIMESTAMP WITH TIME ZONE NOT NULL,
        increase DOUBLE PRECISION,
        histogram BYTEA NOT NULL,
        CONSTRAINT rollups_day_pkey PRIMARY KEY (tenant_id, series_id, at)
    )
    PARTITION BY RANGE (at)
    """,
)


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("series", alerter="SELECT"):
        op.execute(statement)
    for statement in protect("samples", alerter="SELECT"):
        op.execute(statement)
    for statement in protect("sample_chunks", app="SELECT", alerter="SELECT"):
        op.execute(statement)
    for statement in protect("rollups_minute", app="SELECT", alerter="SELECT"):
        op.execute(statement)
    for statement in protect("rollups_hour", app="SELECT", alerter="SELECT"):
        op.execute(statement)
    for statement in protect("rollups_day", app="SELECT", alerter="SELECT"):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE rollups_day")
    op.execute("DROP TABLE rollups_hour")
    op.execute("DROP TABLE rollups_minute")
    op.execute("DROP TABLE sample_chunks")
    op.execute("DROP TABLE samples")
    op.execute("DROP TABLE series")
