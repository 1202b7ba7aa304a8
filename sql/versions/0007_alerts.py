"""Rules with versions, targets, states, episodes and their timelines."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0007"
down_revision = "0006"

TABLES = (
    """
    CREATE TABLE alert_configs (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        agent_id UUID,
        selector JSONB,
        name TEXT NOT NULL,
        conditions JSONB NOT NULL,
        timing JSONB DEFAULT '{}'::jsonb NOT NULL,
        channels JSONB NOT NULL,
        severity TEXT DEFAULT 'warning' NOT NULL,
        labels JSONB DEFAULT '{}'::jsonb NOT NULL,
        runbook TEXT,
        owner TEXT,
        enabled BOOLEAN DEFAULT true NOT NULL,
        version BIGINT DEFAULT 1 NOT NULL,
        condition_version BIGINT DEFAULT 1 NOT NULL,
        reads BIGINT DEFAULT 0 NOT NULL,
        targets_version BIGINT DEFAULT 0 NOT NULL,
        last_error TEXT,
        created_by TEXT,
        deleted_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT alert_configs_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT alert_configs_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT alert_configs_severity_check CHECK (severity IN ('info', 'warning', 'critical')),
        CONSTRAINT alert_configs_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX alert_configs_tenant_id_agent_id_idx ON alert_configs (tenant_id, agent_id)
    """,
    """
    CREATE INDEX alert_configs_untargeted_idx ON alert_configs (tenant_id, id) WHERE targets_version <> version
    """,
    """
    CREATE TABLE alert_config_versions (
        tenant_id UUID NOT NULL,
        config_id UUID NOT NULL,
        version BIGINT NOT NULL,
        rule JSONB NOT NULL,
        changed_by TEXT NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT alert_config_versions_pkey PRIMARY KEY (tenant_id, config_id, version),
        CONSTRAINT alert_config_versions_tenant_id_config_id_fkey FOREIGN KEY(tenant_id, config_id) REFERENCES alert_configs (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT alert_config_versions_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE alert_targets (
        tenant_id UUID NOT NULL,
        config_id UUID NOT NULL,
        agent_id UUID NOT NULL,
        reads BIGINT NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT alert_targets_pkey PRIMARY KEY (tenant_id, config_id, agent_id),
        CONSTRAINT alert_targets_tenant_id_config_id_fkey FOREIGN KEY(tenant_id, config_id) REFERENCES alert_configs (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT alert_targets_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT alert_targets_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX alert_targets_due_at_idx ON alert_targets (due_at) WHERE due_at IS NOT NULL
    """,
    """
    CREATE INDEX alert_targets_tenant_id_agent_id_idx ON alert_targets (tenant_id, agent_id)
    """,
    """
    CREATE TABLE alert_states (
        tenant_id UUID NOT NULL,
        config_id UUID NOT NULL,
        agent_id UUID NOT NULL,
        fingerprint TEXT NOT NULL,
        labels JSONB DEFAULT '{}'::jsonb NOT NULL,
        phase TEXT NOT NULL,
        since TIMESTAMP WITH TIME ZONE NOT NULL,
        state JSONB DEFAULT '{}'::jsonb NOT NULL,
        verdict TEXT NOT NULL,
        value DOUBLE PRECISION,
        detail TEXT,
        evaluated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        alert_id UUID,
        CONSTRAINT alert_states_pkey PRIMARY KEY (tenant_id, config_id, agent_id, fingerprint),
        CONSTRAINT alert_states_tenant_id_config_id_fkey FOREIGN KEY(tenant_id, config_id) REFERENCES alert_configs (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT alert_states_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT alert_states_phase_check CHECK (phase IN ('INACTIVE', 'PENDING', 'FIRING', 'RECOVERING')),
        CONSTRAINT alert_states_verdict_check CHECK (verdict IN ('OK', 'BREACHED', 'UNKNOWN')),
        CONSTRAINT alert_states_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX alert_states_tenant_id_agent_id_idx ON alert_states (tenant_id, agent_id)
    """,
    """
    CREATE TABLE alerts (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        config_id UUID,
        config_version BIGINT,
        agent_id UUID,
        rule TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        labels JSONB DEFAULT '{}'::jsonb NOT NULL,
        severity TEXT NOT NULL,
        status TEXT DEFAULT 'open' NOT NULL,
        value DOUBLE PRECISION,
        triggered_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        acknowledged_at TIMESTAMP WITH TIME ZONE,
        acknowledged_by TEXT,
        acknowledged_until TIMESTAMP WITH TIME ZONE,
        resolved_at TIMESTAMP WITH TIME ZONE,
        reason TEXT,
        last_notified_at TIMESTAMP WITH TIME ZONE,
        heard JSONB DEFAULT '[]'::jsonb NOT NULL,
        details JSONB DEFAULT '{}'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT alerts_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT alerts_tenant_id_config_id_fkey FOREIGN KEY(tenant_id, config_id) REFERENCES alert_configs (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT alerts_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT alerts_status_check CHECK (status IN ('open', 'acknowledged', 'resolved')),
        CONSTRAINT alerts_severity_check CHECK (severity IN ('info', 'warning', 'critical')),
        CONSTRAINT alerts_resolved_check CHECK ((status = 'resolved') = (resolved_at IS NOT NULL)),
        CONSTRAINT alerts_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE UNIQUE INDEX alerts_open_key ON alerts (tenant_id, coalesce(config_id::text, rule), coalesce(agent_id::text, ''), fingerprint) WHERE resolved_at IS NULL
    """,
    """
    CREATE INDEX alerts_tenant_id_agent_id_idx ON alerts (tenant_id, agent_id)
    """,
    """
    CREATE INDEX alerts_tenant_id_config_id_idx ON alerts (tenant_id, config_id)
    """,
    """
    CREATE INDEX alerts_tenant_id_status_triggered_at_idx ON alerts (tenant_id, status, triggered_at)
    """,
    """
    CREATE TABLE alert_events (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        alert_id UUID NOT NULL,
        kind TEXT NOT NULL,
        actor TEXT DEFAULT 'system' NOT NULL,
        at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        details JSONB DEFAULT '{}'::jsonb NOT NULL,
        CONSTRAINT alert_events_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT alert_events_tenant_id_alert_id_fkey FOREIGN KEY(tenant_id, alert_id) REFERENCES alerts (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT alert_events_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX alert_events_tenant_id_alert_id_id_idx ON alert_events (tenant_id, alert_id, id)
    """,
    """
    CREATE TABLE leases (
        name TEXT NOT NULL,
        holder TEXT NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT leases_pkey PRIMARY KEY (name)
    )
    """,
)


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("alert_configs", alerter="SELECT, UPDATE"):
        op.execute(statement)
    op.execute(touch_updated_at("alert_configs"))
    for statement in protect("alert_config_versions", app="SELECT, INSERT", alerter="SELECT"):
        op.execute(statement)
    for statement in protect("alert_targets", alerter="SELECT, INSERT, UPDATE, DELETE"):
        op.execute(statement)
    for statement in protect("alert_states", alerter="SELECT, INSERT, UPDATE, DELETE"):
        op.execute(statement)
    for statement in protect("alerts", alerter="SELECT, INSERT, UPDATE"):
        op.execute(statement)
    op.execute(touch_updated_at("alerts"))
    for statement in protect("alert_events", app="SELECT, INSERT", alerter="SELECT, INSERT"):
        op.execute(statement)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON leases TO agent_monitor_alerter")


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE leases")
    op.execute("DROP TABLE alert_events")
    op.execute("DROP TABLE alerts")
    op.execute("DROP TABLE alert_states")
    op.execute("DROP TABLE alert_targets")
    op.execute("DROP TABLE alert_config_versions")
    op.execute("DROP TABLE alert_configs")
