"""Plans and quotas: what a tenant may use, and how much of it was used in a period."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0031"
down_revision = "0030"

PLATFORM = "'00000000-0000-7000-8000-000000000000'"

TABLES = (
    f"""
    CREATE TABLE subscription_plans (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT,
        price_usd NUMERIC(20, 10) DEFAULT 0 NOT NULL,
        included_usd NUMERIC(20, 10) DEFAULT 0 NOT NULL,
        max_agents BIGINT,
        daily_requests BIGINT,
        monthly_tokens BIGINT,
        source TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT subscription_plans_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT subscription_plans_tenant_id_slug_key UNIQUE (tenant_id, slug),
        CONSTRAINT subscription_plans_platform_check CHECK (tenant_id = {PLATFORM}),
        CONSTRAINT subscription_plans_source_check CHECK (source IN ('shipped', 'imported')),
        CONSTRAINT subscription_plans_amounts_check CHECK (price_usd >= 0 AND included_usd >= 0 AND max_agents >= 0 AND daily_requests >= 0 AND monthly_tokens >= 0),
        CONSTRAINT subscription_plans_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE tenant_quotas (
        tenant_id UUID NOT NULL,
        resource TEXT NOT NULL,
        limit_amount BIGINT,
        enforced BOOLEAN DEFAULT true NOT NULL,
        warn_at NUMERIC(5, 4) DEFAULT 0.8 NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT tenant_quotas_pkey PRIMARY KEY (tenant_id, resource),
        CONSTRAINT tenant_quotas_resource_check CHECK (resource IN ('agents', 'daily_requests', 'monthly_tokens')),
        CONSTRAINT tenant_quotas_amounts_check CHECK (limit_amount >= 0 AND warn_at >= 0 AND warn_at <= 1),
        CONSTRAINT tenant_quotas_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE request_counts (
        tenant_id UUID NOT NULL,
        day TIMESTAMP WITH TIME ZONE NOT NULL,
        requests BIGINT NOT NULL,
        CONSTRAINT request_counts_pkey PRIMARY KEY (tenant_id, day),
        CONSTRAINT request_counts_requests_check CHECK (requests >= 0)
    )
    WITH (fillfactor = 50)
    """,
    "CREATE INDEX request_counts_day_idx ON request_counts (day)",
)
# What binds: the tenant's quota, else the tenant's own limit, else its plan's. It runs as whoever reads it, so that
# row-level security holds.
EFFECTIVE = f"""
    CREATE VIEW effective_quotas WITH (security_invoker = true) AS
    SELECT t.id AS tenant_id, r.resource, coalesce(q.limit_amount, r.of_tenant, r.of_plan) AS limit_amount,
           CASE WHEN q.limit_amount IS NOT NULL THEN 'quota' WHEN r.of_tenant IS NOT NULL THEN 'tenant'
                WHEN r.of_plan IS NOT NULL THEN 'plan' ELSE 'none' END AS said_by,
           coalesce(q.enforced, true) AS enforced, coalesce(q.warn_at, 0.8) AS warn_at
    FROM tenants t
    LEFT JOIN subscription_plans p ON p.tenant_id = {PLATFORM}::uuid AND p.slug = t.plan
    CROSS JOIN LATERAL (VALUES ('agents', t.max_agents, p.max_agents),
                               ('daily_requests', t.daily_requests, p.daily_requests),
                               ('monthly_tokens', t.monthly_tokens, p.monthly_tokens))
        AS r (resource, of_tenant, of_plan)
    LEFT JOIN tenant_quotas q ON q.tenant_id = t.id AND q.resource = r.resource
"""


def upgrade() -> None:
    """Make the tables and the view; a tenant reads its limits, and the platform alone sets them."""
    for statement in TABLES:
        op.execute(statement)
    for statement in (
        *protect("subscription_plans", app="SELECT", alerter="SELECT"),
        *protect("tenant_quotas", app="SELECT", alerter="SELECT"),
        *protect("request_counts", app="SELECT, INSERT, UPDATE", alerter="SELECT, INSERT, UPDATE"),
    ):
        op.execute(statement)
    op.execute(
        "CREATE POLICY shipped ON subscription_plans FOR SELECT TO agent_monitor_app "
        f"USING (tenant_id = {PLATFORM}::uuid)"
    )
    op.execute(touch_updated_at("subscription_plans"))
    op.execute(touch_updated_at("tenant_quotas"))
    op.execute(EFFECTIVE)
    op.execute("GRANT SELECT ON effective_quotas TO agent_monitor_app, agent_monitor_alerter")


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP VIEW effective_quotas")
    for table in ("request_counts", "tenant_quotas", "subscription_plans"):
        op.execute(f"DROP TABLE {table}")
