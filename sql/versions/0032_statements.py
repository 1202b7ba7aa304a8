"""What was used by period, and a month's statement of it."""

from alembic import op

from sql.protect import TENANT, protect, touch_updated_at

revision = "0032"
down_revision = "0031"

TABLES = (
    """
    CREATE TABLE usage_metrics (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        metric_type TEXT NOT NULL,
        metric_value BIGINT NOT NULL,
        agent_id UUID,
        user_id UUID,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        period_start TIMESTAMP WITH TIME ZONE NOT NULL,
        period_end TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT usage_metrics_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT usage_metrics_value_check CHECK (metric_value >= 0),
        CONSTRAINT usage_metrics_period_check CHECK (period_end > period_start)
    )
    PARTITION BY RANGE (id)
    """,
    "CREATE INDEX usage_metrics_tenant_id_metric_type_period_start_idx ON usage_metrics (tenant_id, metric_type, period_start)",
    "CREATE INDEX usage_metrics_tenant_id_period_start_period_end_idx ON usage_metrics (tenant_id, period_start, period_end)",
    "CREATE INDEX usage_metrics_tenant_id_recorded_at_idx ON usage_metrics (tenant_id, recorded_at)",
    """
    CREATE TABLE billing_records (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        period_start TIMESTAMP WITH TIME ZONE NOT NULL,
        period_end TIMESTAMP WITH TIME ZONE NOT NULL,
        plan TEXT NOT NULL,
        status TEXT DEFAULT 'draft' NOT NULL,
        calls BIGINT NOT NULL,
        unpriced_calls BIGINT NOT NULL,
        input_tokens BIGINT NOT NULL,
        output_tokens BIGINT NOT NULL,
        usage_usd NUMERIC(30, 10) NOT NULL,
        included_usd NUMERIC(20, 10) NOT NULL,
        plan_usd NUMERIC(20, 10) NOT NULL,
        total_usd NUMERIC(30, 10) NOT NULL,
        lines JSONB DEFAULT '[]'::jsonb NOT NULL,
        computed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        issued_at TIMESTAMP WITH TIME ZONE,
        paid_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT billing_records_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT billing_records_tenant_id_period_start_key UNIQUE (tenant_id, period_start),
        CONSTRAINT billing_records_status_check CHECK (status IN ('draft', 'issued', 'paid', 'void')),
        CONSTRAINT billing_records_issued_check CHECK ((status = 'draft') = (issued_at IS NULL)),
        CONSTRAINT billing_records_period_check CHECK (period_end > period_start),
        CONSTRAINT billing_records_amounts_check CHECK (calls >= 0 AND unpriced_calls >= 0 AND input_tokens >= 0 AND output_tokens >= 0 AND usage_usd >= 0 AND included_usd >= 0 AND plan_usd >= 0),
        CONSTRAINT billing_records_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
)
# Row-level security does not reach a materialised view: nobody but its owner reads it, and a view of the owner's, past
# which no condition of the reader's is pushed, shows a tenant its own.
VIEWS = (
    """
    CREATE MATERIALIZED VIEW usage_months AS
    SELECT tenant_id, date_trunc('month', hour, 'UTC') AS month, agent_id, model, provider,
           sum(calls)::bigint AS calls, sum(failed)::bigint AS failed, sum(unpriced)::bigint AS unpriced,
           sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
           sum(cost_usd) AS cost_usd
    FROM usage_hours GROUP BY 1, 2, 3, 4, 5 WITH NO DATA
    """,
    "CREATE UNIQUE INDEX usage_months_key ON usage_months (tenant_id, month, agent_id, model, provider)",
    f"CREATE VIEW usage_by_month WITH (security_barrier = true) AS SELECT * FROM usage_months WHERE tenant_id = {TENANT}",
    "GRANT SELECT ON usage_by_month TO agent_monitor_app",
)


def upgrade() -> None:
    """Make the tables and views; statements are the platform's to write and the tenant's to read."""
    for statement in TABLES:
        op.execute(statement)
    for statement in (
        *protect("usage_metrics", app="SELECT, INSERT, UPDATE"),
        *protect("billing_records", app="SELECT"),
    ):
        op.execute(statement)
    op.execute(touch_updated_at("billing_records"))
    for statement in VIEWS:
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP VIEW usage_by_month")
    op.execute("DROP MATERIALIZED VIEW usage_months")
    for table in ("billing_records", "usage_metrics"):
        op.execute(f"DROP TABLE {table}")
