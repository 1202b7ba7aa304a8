"""What runs tell: news of them, errors and their groups, traces' sums, scores, deployments."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0017"
down_revision = "0016"

TABLES = (
    """
    CREATE TABLE run_news (
        tenant_id UUID NOT NULL,
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        kind TEXT NOT NULL,
        run_ids UUID[] DEFAULT '{}'::uuid[] NOT NULL,
        agent_ids UUID[] DEFAULT '{}'::uuid[] NOT NULL,
        trace_ids TEXT[] DEFAULT '{}'::text[] NOT NULL,
        first_id UUID,
        last_id UUID,
        CONSTRAINT run_news_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT run_news_kind_check CHECK (kind IN ('task', 'tool', 'log'))
    )
    """,
    """
    CREATE TABLE error_occurrences (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        fingerprint TEXT NOT NULL,
        kind TEXT NOT NULL,
        agent_id UUID NOT NULL,
        agent_version TEXT,
        task_id UUID,
        trace_id TEXT,
        error_type TEXT,
        message TEXT,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT error_occurrences_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT error_occurrences_kind_check CHECK (kind IN ('task', 'tool', 'log'))
    )
    PARTITION BY RANGE (id)
    """,
    """
    CREATE INDEX error_occurrences_tenant_id_fingerprint_id_idx ON error_occurrences (tenant_id, fingerprint, id)
    """,
    """
    CREATE TABLE error_groups (
        tenant_id UUID NOT NULL,
        fingerprint TEXT NOT NULL,
        error_type TEXT,
        message TEXT,
        count BIGINT DEFAULT 0 NOT NULL,
        first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
        last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
        first_version TEXT,
        status TEXT DEFAULT 'open' NOT NULL,
        status_by TEXT,
        status_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT error_groups_pkey PRIMARY KEY (tenant_id, fingerprint),
        CONSTRAINT error_groups_status_check CHECK (status IN ('open', 'resolved', 'ignored', 'regressed')),
        CONSTRAINT error_groups_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX error_groups_tenant_id_last_seen_at_idx ON error_groups (tenant_id, last_seen_at)
    """,
    """
    CREATE TABLE traces (
        tenant_id UUID NOT NULL,
        trace_id TEXT NOT NULL,
        name TEXT NOT NULL,
        status TEXT NOT NULL,
        agent_ids UUID[] NOT NULL,
        models TEXT[] NOT NULL,
        conversation TEXT,
        tasks BIGINT NOT NULL,
        failed_tasks BIGINT NOT NULL,
        tokens BIGINT NOT NULL,
        cost_usd NUMERIC(20, 10) NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE NOT NULL,
        ended_at TIMESTAMP WITH TIME ZONE,
        duration_ms BIGINT,
        words TEXT NOT NULL,
        first_id UUID NOT NULL,
        last_id UUID NOT NULL,
        CONSTRAINT traces_pkey PRIMARY KEY (tenant_id, trace_id),
        CONSTRAINT traces_status_check CHECK (status IN ('running', 'completed', 'failed'))
    )
    """,
    """
    CREATE INDEX traces_started_at_idx ON traces (started_at)
    """,
    """
    CREATE INDEX traces_tenant_id_started_at_trace_id_idx ON traces (tenant_id, started_at, trace_id)
    """,
    """
    CREATE TABLE scores (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        source TEXT NOT NULL,
        name TEXT NOT NULL,
        value DOUBLE PRECISION,
        label TEXT,
        comment TEXT,
        agent_id UUID NOT NULL,
        task_id UUID,
        trace_id TEXT,
        span_id TEXT,
        conversation TEXT,
        given_by TEXT,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT scores_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT scores_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT scores_source_check CHECK (source IN ('evaluation', 'feedback')),
        CONSTRAINT scores_said_check CHECK (value IS NOT NULL OR label IS NOT NULL OR comment IS NOT NULL)
    )
    PARTITION BY RANGE (id)
    """,
    """
    CREATE INDEX scores_tenant_id_agent_id_id_idx ON scores (tenant_id, agent_id, id)
    """,
    """
    CREATE INDEX scores_tenant_id_task_id_idx ON scores (tenant_id, task_id) WHERE task_id IS NOT NULL
    """,
    """
    CREATE INDEX scores_tenant_id_trace_id_idx ON scores (tenant_id, trace_id) WHERE trace_id IS NOT NULL
    """,
    """
    CREATE TABLE deployments (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        agent_id UUID,
        version TEXT NOT NULL,
        environment TEXT DEFAULT '' NOT NULL,
        source TEXT NOT NULL,
        description TEXT,
        url TEXT,
        created_by TEXT,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT deployments_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT deployments_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT deployments_source_check CHECK (source IN ('told', 'seen')),
        CONSTRAINT deployments_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE UNIQUE INDEX deployments_seen_key ON deployments (tenant_id, agent_id, version, environment) WHERE source = 'seen'
    """,
    """
    CREATE INDEX deployments_tenant_id_agent_id_version_environment_idx ON deployments (tenant_id, agent_id, version, environment)
    """,
    """
    CREATE INDEX deployments_tenant_id_at_id_idx ON deployments (tenant_id, at, id)
    """,
)


# A statement that writes tasks or tools says which of them the summary has to look at: one row, or none.
NEWS = """
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO run_news (tenant_id, kind, run_ids, trace_ids, first_id, last_id)
        SELECT tenant_id, '{kind}', coalesce(array_agg(DISTINCT id) FILTER (WHERE wanted), '{{}}'),
               coalesce(array_agg(DISTINCT trace_id) FILTER (WHERE trace_id IS NOT NULL), '{{}}'),
               (array_agg(id ORDER BY id))[1], (array_agg(id ORDER BY id DESC))[1]
        FROM ({rows}) changed
        WHERE wanted OR trace_id IS NOT NULL
        GROUP BY tenant_id;
        RETURN NULL;
    END
    $$
"""
# A version is looked at until it has its marker.
NEW_VERSION = """
    agent_version IS NOT NULL AND NOT EXISTS (
        SELECT FROM deployments d
        WHERE d.tenant_id = x.tenant_id AND d.agent_id = x.agent_id AND d.version = x.agent_version
          AND d.environment = coalesce(x.environment, ''))
"""
OF = {
    "tasks": ("task", "SELECT tenant_id, id, trace_id, status = 'failed'{more} AS wanted FROM {rows} x"),
    "tool_executions": (
        "tool",
        "SELECT tenant_id, id, NULL AS trace_id, status IN ('error', 'timeout') AS wanted FROM {rows} x",
    ),
}
VERBS = {"INSERT": ("NEW", ["added"]), "UPDATE": ("BOTH", ["added", "gone"]), "DELETE": ("OLD", ["gone"])}
REFERENCING = {
    "NEW": "NEW TABLE AS added",
    "OLD": "OLD TABLE AS gone",
    "BOTH": "OLD TABLE AS gone NEW TABLE AS added",
}


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs; tasks and tools tell their news."""
    for statement in TABLES:
        op.execute(statement)
    every = "SELECT, INSERT, UPDATE, DELETE"
    for statement in (
        *protect("run_news", app="SELECT, INSERT", alerter="SELECT, INSERT, DELETE"),
        *protect("error_occurrences", app="SELECT", alerter=every),
        *protect("error_groups", app="SELECT, UPDATE", alerter=every),
        *protect("traces", app="SELECT", alerter=every),
        *protect("scores", alerter="SELECT"),
        *protect("deployments", alerter=every),
    ):
        op.execute(statement)
    op.execute(touch_updated_at("deployments"))
    for table, (kind, rows) in OF.items():
        for verb, (referencing, names) in VERBS.items():
            name = f"tell_{table}_on_{verb.lower()}"
            parts = [
                rows.format(rows=one, more=f" OR ({NEW_VERSION.strip()})" if one == "added" else "") for one in names
            ]
            op.execute(NEWS.format(name=name, kind=kind, rows=" UNION ALL ".join(parts)))
            op.execute(
                f"CREATE TRIGGER {name} AFTER {verb} ON {table} REFERENCING {REFERENCING[referencing]} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
            )


def downgrade() -> None:
    """Undo `upgrade`."""
    for table in OF:
        for verb in VERBS:
            name = f"tell_{table}_on_{verb.lower()}"
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION {name}()")
    for table in ("deployments", "scores", "traces", "error_groups", "error_occurrences", "run_news"):
        op.execute(f"DROP TABLE {table}")
