"""Logs by day, callers' own log ids, answered requests, and news for the alerter."""

from alembic import op

from sql.protect import protect

revision = "0005"
down_revision = "0004"

TABLES = (
    """
    CREATE TABLE agent_logs (
        tenant_id UUID NOT NULL,
        agent_id UUID NOT NULL,
        id UUID NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE,
        completed_at TIMESTAMP WITH TIME ZONE,
        duration BIGINT,
        kind TEXT NOT NULL,
        status TEXT NOT NULL,
        level TEXT,
        external_id TEXT,
        message TEXT,
        details JSONB,
        CONSTRAINT agent_logs_pkey PRIMARY KEY (tenant_id, agent_id, id),
        CONSTRAINT agent_logs_kind_check CHECK (kind IN ('execution', 'line')),
        CONSTRAINT agent_logs_status_check CHECK (status IN ('success', 'error', 'warning'))
    )
    PARTITION BY RANGE (id)
    """,
    """
    CREATE TABLE agent_log_ids (
        tenant_id UUID NOT NULL,
        agent_id UUID NOT NULL,
        external_id TEXT NOT NULL,
        log_id UUID NOT NULL,
        CONSTRAINT agent_log_ids_pkey PRIMARY KEY (tenant_id, agent_id, external_id)
    )
    """,
    """
    CREATE INDEX agent_log_ids_log_id_idx ON agent_log_ids (log_id)
    """,
    """
    CREATE TABLE idempotency_keys (
        tenant_id UUID NOT NULL,
        key TEXT NOT NULL,
        body_hash BYTEA NOT NULL,
        answer JSONB NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, key)
    )
    """,
    """
    CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at)
    """,
    """
    CREATE TABLE touched (
        tenant_id UUID NOT NULL,
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        agent_ids UUID[] NOT NULL,
        kinds SMALLINT[] NOT NULL,
        CONSTRAINT touched_pkey PRIMARY KEY (tenant_id, id)
    )
    """,
)

# STABLE: it sees what the statement that calls it sees, and nothing of what that statement inserts. In PL/pgSQL, so
# that it is not inlined: its plan is made when it is first called, which most statements never do.
ERRORS_AFTER = """
    CREATE FUNCTION errors_after(tenant uuid, agent uuid, after uuid) RETURNS bigint
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
    BEGIN
        RETURN (
            SELECT count(*) FROM agent_logs
            WHERE tenant_id = tenant AND agent_id = agent AND id > after AND kind = 'execution' AND status = 'error'
        );
    END
    $$
"""


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("agent_logs", app="SELECT, INSERT, DELETE", alerter="SELECT"):
        op.execute(statement)
    for statement in protect("agent_log_ids"):
        op.execute(statement)
    for statement in protect("idempotency_keys"):
        op.execute(statement)
    for statement in protect("touched", app="SELECT, INSERT", alerter="SELECT, DELETE"):
        op.execute(statement)
    op.execute(ERRORS_AFTER)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP FUNCTION errors_after(uuid, uuid, uuid)")
    op.execute("DROP TABLE touched")
    op.execute("DROP TABLE idempotency_keys")
    op.execute("DROP TABLE agent_log_ids")
    op.execute("DROP TABLE agent_logs")
