"""Scheduled runs: when agents are due, and what became of each time."""

from alembic import op

from sql.protect import protect

revision = "0012"
down_revision = "0011"

TABLES = (
    """
    ALTER TABLE agents ADD COLUMN timezone TEXT DEFAULT 'UTC' NOT NULL
    """,
    """
    CREATE TABLE agent_schedules (
        tenant_id UUID NOT NULL,
        agent_id UUID NOT NULL,
        since TIMESTAMP WITH TIME ZONE NOT NULL,
        next_run_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT agent_schedules_pkey PRIMARY KEY (tenant_id, agent_id),
        CONSTRAINT agent_schedules_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT agent_schedules_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX agent_schedules_next_run_at_idx ON agent_schedules (next_run_at) WHERE next_run_at IS NOT NULL
    """,
    """
    CREATE TABLE scheduled_runs (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        agent_id UUID NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE NOT NULL,
        status TEXT NOT NULL,
        attempts BIGINT DEFAULT 0 NOT NULL,
        claimed_until TIMESTAMP WITH TIME ZONE,
        next_attempt_at TIMESTAMP WITH TIME ZONE,
        started_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE,
        http_status BIGINT,
        error TEXT,
        log_id UUID,
        CONSTRAINT scheduled_runs_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT scheduled_runs_tenant_id_agent_id_due_at_key UNIQUE (tenant_id, agent_id, due_at),
        CONSTRAINT scheduled_runs_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT scheduled_runs_status_check CHECK (status IN ('expected', 'pending', 'running', 'succeeded', 'failed', 'missed', 'skipped')),
        CONSTRAINT scheduled_runs_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX scheduled_runs_due_at_idx ON scheduled_runs (due_at)
    """,
    """
    CREATE INDEX scheduled_runs_next_attempt_at_idx ON scheduled_runs (next_attempt_at) WHERE next_attempt_at IS NOT NULL
    """,
)


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("agent_schedules", alerter="SELECT, UPDATE"):
        op.execute(statement)
    for statement in protect("scheduled_runs", app="SELECT, INSERT", alerter="SELECT, INSERT, UPDATE"):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE scheduled_runs")
    op.execute("DROP TABLE agent_schedules")
    op.execute("ALTER TABLE agents DROP COLUMN timezone")
