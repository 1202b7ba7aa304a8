"""Traces: their spans by day, what the assembler has to do, names that no dialect knows."""

from alembic import op

from sql.protect import protect

revision = "0014"
down_revision = "0013"

TABLES = (
    """
    CREATE TABLE spans (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        trace_id TEXT NOT NULL,
        span_id TEXT NOT NULL,
        parent_id TEXT,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        status TEXT NOT NULL,
        agent TEXT,
        service TEXT,
        facts JSONB NOT NULL,
        attributes JSONB,
        events JSONB,
        links JSONB,
        started_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE,
        received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        rank BIGINT NOT NULL,
        CONSTRAINT spans_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT spans_kind_check CHECK (kind IN ('workflow', 'agent', 'call', 'tool', 'handoff', 'other')),
        CONSTRAINT spans_status_check CHECK (status IN ('unset', 'ok', 'error'))
    )
    PARTITION BY RANGE (id)
    """,
    """
    CREATE INDEX spans_tenant_id_trace_id_idx ON spans (tenant_id, trace_id)
    """,
    """
    CREATE TABLE touched_traces (
        tenant_id UUID NOT NULL,
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        trace_id TEXT NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE NOT NULL,
        news BOOLEAN DEFAULT true NOT NULL,
        holds BOOLEAN DEFAULT false NOT NULL,
        tries BIGINT DEFAULT 0 NOT NULL,
        error TEXT,
        CONSTRAINT touched_traces_pkey PRIMARY KEY (tenant_id, id)
    )
    """,
    """
    CREATE INDEX touched_traces_due_at_idx ON touched_traces (due_at)
    """,
    """
    CREATE INDEX touched_traces_tenant_id_trace_id_idx ON touched_traces (tenant_id, trace_id)
    """,
    """
    CREATE TABLE unmapped_names (
        tenant_id UUID NOT NULL,
        kind TEXT NOT NULL,
        dialect TEXT NOT NULL,
        name TEXT NOT NULL,
        seen BIGINT NOT NULL,
        first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
        last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT unmapped_names_pkey PRIMARY KEY (tenant_id, kind, dialect, name),
        CONSTRAINT unmapped_names_kind_check CHECK (kind IN ('unknown', 'misfit')),
        CONSTRAINT unmapped_names_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
)


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in (
        *protect("spans", alerter="SELECT"),
        *protect("touched_traces", app="SELECT, INSERT, DELETE", alerter="SELECT, INSERT, DELETE"),
        *protect("unmapped_names"),
    ):
        op.execute(statement)
    # The assembler asks which executions it has logged already.
    op.execute("CREATE POLICY alerter ON agent_log_ids FOR SELECT TO agent_monitor_alerter USING (true)")
    op.execute("GRANT SELECT ON agent_log_ids TO agent_monitor_alerter")


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("REVOKE SELECT ON agent_log_ids FROM agent_monitor_alerter")
    op.execute("DROP POLICY alerter ON agent_log_ids")
    op.execute("DROP TABLE unmapped_names")
    op.execute("DROP TABLE touched_traces")
    op.execute("DROP TABLE spans")
