"""Quiet or dead: when agents last did anything, patience with agents and with tools; packs of rules."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0023"
down_revision = "0022"

TABLES = (
    "ALTER TABLE agents ADD COLUMN patience DOUBLE PRECISION",
    "ALTER TABLE agents ADD CONSTRAINT agents_patience_check CHECK (patience > 0)",
    "ALTER TABLE agent_live ADD COLUMN last_active_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE agent_live ADD COLUMN active_by TEXT",
    """
    CREATE TABLE tool_patience (
        tenant_id UUID NOT NULL,
        tool TEXT NOT NULL,
        seconds DOUBLE PRECISION NOT NULL,
        CONSTRAINT tool_patience_pkey PRIMARY KEY (tenant_id, tool),
        CONSTRAINT tool_patience_seconds_check CHECK (seconds > 0),
        CONSTRAINT tool_patience_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE rule_packs (
        tenant_id UUID NOT NULL,
        name TEXT NOT NULL,
        overrides JSONB DEFAULT '{}'::jsonb NOT NULL,
        digest TEXT NOT NULL,
        created_by TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT rule_packs_pkey PRIMARY KEY (tenant_id, name),
        CONSTRAINT rule_packs_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    "ALTER TABLE alert_configs ADD COLUMN pack TEXT",
    "ALTER TABLE alert_configs ADD COLUMN pack_rule TEXT",
    "ALTER TABLE alert_configs ADD COLUMN pack_base JSONB",
    """
    CREATE UNIQUE INDEX alert_configs_pack_key ON alert_configs (tenant_id, pack, pack_rule)
    WHERE pack IS NOT NULL AND deleted_at IS NULL
    """,
    "CREATE INDEX tasks_running_idx ON tasks (tenant_id, agent_id, id) WHERE status = 'running'",
    "CREATE INDEX tool_executions_running_idx ON tool_executions (tenant_id, agent_id, id) WHERE status = 'running'",
)

COLUMNS = """
    SELECT a.tenant_id, a.id AS agent_id, a.external_id AS agent, a.name, a.agent_type, a.status, a.version,
           l.last_seen_at, l.last_heartbeat_at, l.heartbeat_interval, l.expected, l.last_status,
           l.consecutive_failures,
"""
# What an agent is doing, as monitor/agents/status.py and work.py compute it.
AGENTS = f"""
    CREATE OR REPLACE VIEW dashboards.agents AS
    {COLUMNS}
           CASE
               WHEN l.last_seen_at IS NULL THEN 'unknown'
               WHEN l.expected AND now() > m.silent_from + m.silence THEN 'dead'
               WHEN NOT a.ephemeral AND NOT m.gone AND now() > CASE
                   WHEN c.since IS NULL OR m.active > c.until THEN
                       CASE WHEN t.since IS NOT NULL THEN m.active + m.standstill END
                   WHEN m.active <= c.since THEN c.until
                   ELSE greatest(c.until, m.active + m.standstill)
               END THEN 'stalled'
               WHEN now() <= c.until AND NOT m.gone
                    AND NOT (m.active > c.since AND now() - m.active <= interval '60 seconds') THEN 'blocked'
               WHEN l.last_status = 'error' OR lower(l.heartbeat_status) IN ('error', 'failed', 'failing') THEN 'error'
               WHEN now() - m.active <= interval '60 seconds' OR (t.since IS NOT NULL AND NOT m.gone) THEN 'working'
               ELSE 'idle'
           END AS state
    FROM public.agents a
    LEFT JOIN public.agent_live l ON l.tenant_id = a.tenant_id AND l.agent_id = a.id
    LEFT JOIN (
        SELECT DISTINCT ON (x.tenant_id, x.agent_id) x.tenant_id, x.agent_id, x.created_at AS since,
               x.created_at + coalesce(own.seconds, other.seconds, 600) * interval '1 second' AS until
        FROM public.tool_executions x
        LEFT JOIN public.tool_patience own ON own.tenant_id = x.tenant_id AND own.tool = x.tool_name
        LEFT JOIN public.tool_patience other ON other.tenant_id = x.tenant_id AND other.tool = '*'
        WHERE x.status = 'running' AND x.id >= dashboards.first_id(now() - interval '8 days')
        ORDER BY x.tenant_id, x.agent_id, until DESC, since DESC
    ) c ON c.tenant_id = a.tenant_id AND c.agent_id = a.id
    LEFT JOIN (
        SELECT x.tenant_id, x.agent_id, max(x.created_at) AS since
        FROM public.tasks x
        WHERE x.status = 'running' AND x.source = 'api' AND x.id >= dashboards.first_id(now() - interval '1 day')
        GROUP BY x.tenant_id, x.agent_id
    ) t ON t.tenant_id = a.tenant_id AND t.agent_id = a.id
    CROSS JOIN LATERAL (
        SELECT greatest(l.last_active_at, t.since, c.since) AS active,
               coalesce(a.patience, greatest(90, 3 * coalesce(l.heartbeat_interval, 0))) * interval '1 second' AS silence,
               coalesce(a.patience, 600) * interval '1 second' AS standstill,
               greatest(l.last_seen_at, CASE
                   WHEN l.last_heartbeat_at >= c.since + coalesce(l.heartbeat_interval, 30) * interval '1 second' THEN NULL
                   ELSE c.until
               END) AS silent_from,
               coalesce(lower(l.heartbeat_status) IN ('stopped', 'shutdown', 'offline')
                        AND l.last_heartbeat_at >= greatest(l.last_active_at, t.since, c.since, l.last_heartbeat_at),
                        false) AS gone
    ) m
    WHERE a.deleted_at IS NULL AND a.retired_at IS NULL
"""
BEFORE = f"""
    CREATE OR REPLACE VIEW dashboards.agents AS
    {COLUMNS}
           CASE
               WHEN l.last_seen_at IS NULL THEN 'unknown'
               WHEN l.expected AND now() - l.last_seen_at
                    > greatest(90, 3 * coalesce(l.heartbeat_interval, 0)) * interval '1 second' THEN 'dead'
               WHEN l.last_status = 'error' THEN 'error'
               WHEN now() - l.last_seen_at <= interval '60 seconds' THEN 'working'
               ELSE 'idle'
           END AS state
    FROM public.agents a LEFT JOIN public.agent_live l ON l.tenant_id = a.tenant_id AND l.agent_id = a.id
    WHERE a.deleted_at IS NULL AND a.retired_at IS NULL
"""


def upgrade() -> None:
    """Add columns, table and indexes; what agents did last is taken to be what was heard last."""
    for statement in TABLES:
        op.execute(statement)
    op.execute("UPDATE agent_live SET last_active_at = last_seen_at WHERE last_seen_at IS NOT NULL")
    for statement in (*protect("tool_patience", alerter="SELECT"), *protect("rule_packs", alerter="SELECT")):
        op.execute(statement)
    op.execute(touch_updated_at("rule_packs"))
    op.execute(AGENTS)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute(BEFORE)
    op.execute("DROP INDEX tool_executions_running_idx")
    op.execute("DROP INDEX tasks_running_idx")
    op.execute("DROP INDEX alert_configs_pack_key")
    op.execute("DROP TABLE rule_packs")
    op.execute("DROP TABLE tool_patience")
    for table, column in (
        *(("alert_configs", name) for name in ("pack_base", "pack_rule", "pack")),
        ("agent_live", "active_by"),
        ("agent_live", "last_active_at"),
        ("agents", "patience"),
    ):
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
