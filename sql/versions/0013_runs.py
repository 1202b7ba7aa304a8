"""Runs: workflows, executions, tasks, tool executions, interactions, callers' names of them, agents' counters."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0013"
down_revision = "0012"

TABLES = (
    """
    CREATE TABLE workflows (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT,
        definition JSONB DEFAULT '{}'::jsonb NOT NULL,
        agent_ids JSONB DEFAULT '[]'::jsonb NOT NULL,
        timeout_seconds DOUBLE PRECISION,
        retry JSONB DEFAULT '{}'::jsonb NOT NULL,
        status TEXT DEFAULT 'active' NOT NULL,
        version BIGINT DEFAULT 1 NOT NULL,
        tags JSONB DEFAULT '{}'::jsonb NOT NULL,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT workflows_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT workflows_tenant_id_slug_key UNIQUE (tenant_id, slug),
        CONSTRAINT workflows_status_check CHECK (status IN ('draft', 'active', 'archived')),
        CONSTRAINT workflows_timeout_seconds_check CHECK (timeout_seconds > 0),
        CONSTRAINT workflows_version_check CHECK (version > 0),
        CONSTRAINT workflows_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX workflows_tenant_id_status_idx ON workflows (tenant_id, status)
    """,
    """
    CREATE TABLE workflow_executions (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        workflow_id UUID,
        user_id UUID,
        name TEXT NOT NULL,
        workflow_type TEXT,
        initiator TEXT,
        conversation TEXT,
        status TEXT DEFAULT 'pending' NOT NULL,
        current_step TEXT,
        steps_completed BIGINT,
        steps_total BIGINT,
        input JSONB,
        output JSONB,
        error_message TEXT,
        total_tasks BIGINT DEFAULT 0 NOT NULL,
        completed_tasks BIGINT DEFAULT 0 NOT NULL,
        failed_tasks BIGINT DEFAULT 0 NOT NULL,
        total_tokens BIGINT DEFAULT 0 NOT NULL,
        total_cost_usd NUMERIC(20, 10) DEFAULT 0 NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE,
        completed_at TIMESTAMP WITH TIME ZONE,
        duration_ms BIGINT,
        source TEXT DEFAULT 'api' NOT NULL,
        trace_id TEXT,
        span_id TEXT,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT workflow_executions_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT workflow_executions_tenant_id_workflow_id_fkey FOREIGN KEY(tenant_id, workflow_id) REFERENCES workflows (tenant_id, id) ON DELETE SET NULL (workflow_id),
        CONSTRAINT workflow_executions_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE SET NULL,
        CONSTRAINT workflow_executions_status_check CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
        CONSTRAINT workflow_executions_source_check CHECK (source IN ('api', 'trace')),
        CONSTRAINT workflow_executions_order_check CHECK (completed_at >= started_at),
        CONSTRAINT workflow_executions_steps_check CHECK (steps_completed >= 0 AND steps_total >= 0 AND steps_completed <= steps_total),
        CONSTRAINT workflow_executions_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX workflow_executions_tenant_id_status_idx ON workflow_executions (tenant_id, status)
    """,
    """
    CREATE INDEX workflow_executions_tenant_id_trace_id_idx ON workflow_executions (tenant_id, trace_id)
    """,
    """
    CREATE INDEX workflow_executions_tenant_id_workflow_id_idx ON workflow_executions (tenant_id, workflow_id)
    """,
    """
    CREATE INDEX workflow_executions_user_id_idx ON workflow_executions (user_id)
    """,
    """
    CREATE TABLE tasks (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        agent_id UUID NOT NULL,
        execution_id UUID,
        parent_task_id UUID,
        conversation TEXT,
        user_ref TEXT,
        task_type TEXT NOT NULL,
        description TEXT DEFAULT '' NOT NULL,
        status TEXT DEFAULT 'pending' NOT NULL,
        priority TEXT DEFAULT 'normal' NOT NULL,
        input JSONB,
        output JSONB,
        error_type TEXT,
        error_message TEXT,
        traceback TEXT,
        error_fingerprint TEXT,
        retry_count BIGINT DEFAULT 0 NOT NULL,
        model TEXT,
        agent_version TEXT,
        environment TEXT,
        calls BIGINT DEFAULT 0 NOT NULL,
        input_tokens BIGINT DEFAULT 0 NOT NULL,
        output_tokens BIGINT DEFAULT 0 NOT NULL,
        tokens_used BIGINT DEFAULT 0 NOT NULL,
        cost_usd NUMERIC(20, 10) DEFAULT 0 NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE,
        completed_at TIMESTAMP WITH TIME ZONE,
        duration_ms BIGINT,
        source TEXT DEFAULT 'api' NOT NULL,
        trace_id TEXT,
        span_id TEXT,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT tasks_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT tasks_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT tasks_status_check CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
        CONSTRAINT tasks_priority_check CHECK (priority IN ('low', 'normal', 'high', 'critical')),
        CONSTRAINT tasks_source_check CHECK (source IN ('api', 'trace')),
        CONSTRAINT tasks_order_check CHECK (completed_at >= started_at),
        CONSTRAINT tasks_sums_check CHECK (retry_count >= 0 AND calls >= 0 AND input_tokens >= 0 AND output_tokens >= 0 AND tokens_used >= 0 AND cost_usd >= 0)
    )
    PARTITION BY RANGE (id)
    """,
    """
    CREATE INDEX tasks_tenant_id_agent_id_id_idx ON tasks (tenant_id, agent_id, id)
    """,
    """
    CREATE INDEX tasks_tenant_id_execution_id_idx ON tasks (tenant_id, execution_id) WHERE execution_id IS NOT NULL
    """,
    """
    CREATE INDEX tasks_tenant_id_status_id_idx ON tasks (tenant_id, status, id) WHERE status <> 'completed'
    """,
    """
    CREATE INDEX tasks_tenant_id_trace_id_idx ON tasks (tenant_id, trace_id) WHERE trace_id IS NOT NULL
    """,
    """
    CREATE TABLE tool_executions (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        agent_id UUID NOT NULL,
        task_id UUID,
        execution_id UUID,
        conversation TEXT,
        tool_name TEXT NOT NULL,
        tool_type TEXT,
        call_id TEXT,
        mcp_server TEXT,
        mcp_instance TEXT,
        status TEXT NOT NULL,
        parameters JSONB,
        result JSONB,
        error_message TEXT,
        error_code TEXT,
        started_at TIMESTAMP WITH TIME ZONE NOT NULL,
        completed_at TIMESTAMP WITH TIME ZONE,
        duration_ms BIGINT,
        source TEXT DEFAULT 'api' NOT NULL,
        trace_id TEXT,
        span_id TEXT,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT tool_executions_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT tool_executions_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT tool_executions_status_check CHECK (status IN ('running', 'success', 'error', 'timeout')),
        CONSTRAINT tool_executions_source_check CHECK (source IN ('api', 'trace')),
        CONSTRAINT tool_executions_order_check CHECK (completed_at >= started_at)
    )
    PARTITION BY RANGE (id)
    """,
    """
    CREATE INDEX tool_executions_tenant_id_agent_id_id_idx ON tool_executions (tenant_id, agent_id, id)
    """,
    """
    CREATE INDEX tool_executions_tenant_id_task_id_idx ON tool_executions (tenant_id, task_id) WHERE task_id IS NOT NULL
    """,
    """
    CREATE INDEX tool_executions_tenant_id_tool_name_id_idx ON tool_executions (tenant_id, tool_name, id)
    """,
    """
    CREATE INDEX tool_executions_tenant_id_trace_id_idx ON tool_executions (tenant_id, trace_id) WHERE trace_id IS NOT NULL
    """,
    """
    CREATE TABLE agent_interactions (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        execution_id UUID,
        task_id UUID,
        from_agent_id UUID NOT NULL,
        to_agent_id UUID NOT NULL,
        interaction_type TEXT NOT NULL,
        message TEXT,
        payload JSONB,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        source TEXT DEFAULT 'api' NOT NULL,
        trace_id TEXT,
        span_id TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT agent_interactions_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT agent_interactions_tenant_id_execution_id_fkey FOREIGN KEY(tenant_id, execution_id) REFERENCES workflow_executions (tenant_id, id) ON DELETE SET NULL (execution_id),
        CONSTRAINT agent_interactions_tenant_id_from_agent_id_fkey FOREIGN KEY(tenant_id, from_agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT agent_interactions_tenant_id_to_agent_id_fkey FOREIGN KEY(tenant_id, to_agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT agent_interactions_interaction_type_check CHECK (interaction_type IN ('handoff', 'collaboration', 'review', 'feedback')),
        CONSTRAINT agent_interactions_source_check CHECK (source IN ('api', 'trace')),
        CONSTRAINT agent_interactions_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX agent_interactions_tenant_id_execution_id_idx ON agent_interactions (tenant_id, execution_id)
    """,
    """
    CREATE INDEX agent_interactions_tenant_id_from_agent_id_to_agent_id_idx ON agent_interactions (tenant_id, from_agent_id, to_agent_id)
    """,
    """
    CREATE INDEX agent_interactions_tenant_id_to_agent_id_idx ON agent_interactions (tenant_id, to_agent_id)
    """,
    """
    CREATE INDEX agent_interactions_tenant_id_trace_id_idx ON agent_interactions (tenant_id, trace_id)
    """,
    """
    CREATE TABLE run_names (
        tenant_id UUID NOT NULL,
        kind TEXT NOT NULL,
        external_id TEXT NOT NULL,
        id UUID NOT NULL,
        CONSTRAINT run_names_pkey PRIMARY KEY (tenant_id, kind, external_id),
        CONSTRAINT run_names_kind_check CHECK (kind IN ('task', 'execution', 'tool', 'interaction'))
    )
    """,
    """
    CREATE INDEX run_names_id_idx ON run_names (id)
    """,
    """
    CREATE TABLE agent_counts (
        tenant_id UUID NOT NULL,
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        agent_id UUID NOT NULL,
        tasks BIGINT NOT NULL,
        completed BIGINT NOT NULL,
        failed BIGINT NOT NULL,
        timed BIGINT NOT NULL,
        duration_ms BIGINT NOT NULL,
        tokens BIGINT NOT NULL,
        cost_usd NUMERIC(20, 10) NOT NULL,
        CONSTRAINT agent_counts_pkey PRIMARY KEY (tenant_id, id)
    )
    """,
    """
    CREATE INDEX agent_counts_tenant_id_agent_id_idx ON agent_counts (tenant_id, agent_id)
    """,
    """
    CREATE TABLE agent_totals (
        tenant_id UUID NOT NULL,
        agent_id UUID NOT NULL,
        tasks BIGINT NOT NULL,
        completed BIGINT NOT NULL,
        failed BIGINT NOT NULL,
        timed BIGINT NOT NULL,
        duration_ms BIGINT NOT NULL,
        tokens BIGINT NOT NULL,
        cost_usd NUMERIC(20, 10) NOT NULL,
        CONSTRAINT agent_totals_pkey PRIMARY KEY (tenant_id, agent_id),
        CONSTRAINT agent_totals_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT agent_totals_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
)

DURATION = """
    CREATE FUNCTION calculate_duration() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.duration_ms = round(extract(epoch FROM NEW.completed_at - NEW.started_at) * 1000);
        RETURN NEW;
    END
    $$
"""
TIMED = ("workflow_executions", "tasks", "tool_executions")

# What rows of a transition table come to, each with a sign.
SUMS = """
    SELECT {sign} AS sign, tenant_id, agent_id, status = 'completed' AS completed, status = 'failed' AS failed,
           CASE WHEN status = 'completed' THEN duration_ms END AS duration_ms, tokens_used, cost_usd FROM {rows}
"""
# A statement that changes none of them adds nothing.
COUNT = """
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO agent_counts (tenant_id, agent_id, tasks, completed, failed, timed, duration_ms, tokens, cost_usd)
        SELECT tenant_id, agent_id, n, completed, failed, timed, duration_ms, tokens, cost_usd FROM (
            SELECT tenant_id, agent_id, sum(sign) AS n,
                   coalesce(sum(sign) FILTER (WHERE completed), 0) AS completed,
                   coalesce(sum(sign) FILTER (WHERE failed), 0) AS failed,
                   coalesce(sum(sign) FILTER (WHERE duration_ms IS NOT NULL), 0) AS timed,
                   coalesce(sum(sign * duration_ms), 0) AS duration_ms,
                   sum(sign * tokens_used) AS tokens, sum(sign * cost_usd) AS cost_usd
            FROM ({changes}) changes GROUP BY tenant_id, agent_id
        ) sums
        WHERE (n, completed, failed, timed, duration_ms, tokens, cost_usd) <> (0, 0, 0, 0, 0, 0, 0);
        RETURN NULL;
    END
    $$
"""
ADDED, GONE = SUMS.format(sign=1, rows="added"), SUMS.format(sign=-1, rows="gone")
COUNTED = {
    "INSERT": ("NEW TABLE AS added", ADDED),
    "UPDATE": ("OLD TABLE AS gone NEW TABLE AS added", f"{ADDED} UNION ALL {GONE}"),
    "DELETE": ("OLD TABLE AS gone", GONE),
}


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    every = "SELECT, INSERT, UPDATE, DELETE"
    for table in ("workflow_executions", "tasks", "tool_executions", "agent_interactions"):
        for statement in protect(table, alerter=every):
            op.execute(statement)
    for statement in (
        *protect("workflows", alerter="SELECT"),
        *protect("run_names"),
        *protect("agent_counts", app="SELECT, INSERT", alerter=every),
        *protect("agent_totals", app="SELECT", alerter="SELECT, INSERT, UPDATE"),
    ):
        op.execute(statement)
    op.execute(DURATION)
    for table in TIMED:
        op.execute(
            f"CREATE TRIGGER calculate_duration BEFORE INSERT OR UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION calculate_duration()"
        )
    for table in ("workflows", "workflow_executions", "tasks"):
        op.execute(touch_updated_at(table))
    for verb, (rows, changes) in COUNTED.items():
        name = f"count_tasks_on_{verb.lower()}"
        op.execute(COUNT.format(name=name, changes=changes))
        op.execute(
            f"CREATE TRIGGER {name} AFTER {verb} ON tasks REFERENCING {rows} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE agent_totals")
    op.execute("DROP TABLE agent_counts")
    op.execute("DROP TABLE run_names")
    op.execute("DROP TABLE agent_interactions")
    op.execute("DROP TABLE tool_executions")
    op.execute("DROP TABLE tasks")
    op.execute("DROP TABLE workflow_executions")
    op.execute("DROP TABLE workflows")
    for verb in COUNTED:
        op.execute(f"DROP FUNCTION count_tasks_on_{verb.lower()}()")
    op.execute("DROP FUNCTION calculate_duration()")
