"""Usage: prices of models, the ledger of calls with its hourly sums, budgets and what is reserved of them."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0015"
down_revision = "0014"

PLATFORM = "'00000000-0000-7000-8000-000000000000'"

TABLES = (
    """
    CREATE TABLE model_prices (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        model TEXT NOT NULL,
        provider TEXT,
        valid_from TIMESTAMP WITH TIME ZONE NOT NULL,
        input NUMERIC(20, 10) NOT NULL,
        output NUMERIC(20, 10) NOT NULL,
        cache_read NUMERIC(20, 10),
        cache_write NUMERIC(20, 10),
        reasoning NUMERIC(20, 10),
        source TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT model_prices_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT model_prices_tenant_id_model_valid_from_key UNIQUE (tenant_id, model, valid_from),
        CONSTRAINT model_prices_source_check CHECK (source IN ('shipped', 'imported', 'tenant')),
        CONSTRAINT model_prices_amounts_check CHECK (input >= 0 AND output >= 0 AND cache_read >= 0 AND cache_write >= 0 AND reasoning >= 0),
        CONSTRAINT model_prices_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE price_changes (
        tenant_id UUID NOT NULL,
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        models TEXT[] NOT NULL,
        since TIMESTAMP WITH TIME ZONE NOT NULL,
        done UUID,
        CONSTRAINT price_changes_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT price_changes_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE model_calls (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        agent_id UUID NOT NULL,
        task_id UUID,
        execution_id UUID,
        conversation TEXT,
        user_ref TEXT,
        workflow TEXT,
        model TEXT,
        model_name TEXT,
        provider TEXT,
        operation TEXT,
        failed BOOLEAN NOT NULL,
        error_message TEXT,
        input_tokens BIGINT NOT NULL,
        output_tokens BIGINT NOT NULL,
        cache_read_tokens BIGINT NOT NULL,
        cache_write_tokens BIGINT NOT NULL,
        reasoning_tokens BIGINT NOT NULL,
        cost_usd NUMERIC(20, 10),
        cost_source TEXT,
        price_id UUID,
        reservation_id UUID,
        started_at TIMESTAMP WITH TIME ZONE NOT NULL,
        completed_at TIMESTAMP WITH TIME ZONE,
        time_to_first_token_ms DOUBLE PRECISION,
        agent_version TEXT,
        environment TEXT,
        source TEXT NOT NULL,
        trace_id TEXT,
        span_id TEXT,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT model_calls_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT model_calls_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT model_calls_cost_source_check CHECK (cost_source IN ('given', 'priced')),
        CONSTRAINT model_calls_cost_check CHECK ((cost_usd IS NULL) = (cost_source IS NULL)),
        CONSTRAINT model_calls_source_check CHECK (source IN ('api', 'trace')),
        CONSTRAINT model_calls_amounts_check CHECK (input_tokens >= 0 AND output_tokens >= 0 AND cache_read_tokens >= 0 AND cache_write_tokens >= 0 AND reasoning_tokens >= 0 AND cost_usd >= 0)
    )
    PARTITION BY RANGE (id)
    """,
    """
    CREATE INDEX model_calls_tenant_id_execution_id_idx ON model_calls (tenant_id, execution_id) WHERE execution_id IS NOT NULL
    """,
    """
    CREATE INDEX model_calls_tenant_id_task_id_idx ON model_calls (tenant_id, task_id) WHERE task_id IS NOT NULL
    """,
    """
    CREATE INDEX model_calls_tenant_id_trace_id_idx ON model_calls (tenant_id, trace_id) WHERE trace_id IS NOT NULL
    """,
    """
    CREATE INDEX model_calls_unpriced_idx ON model_calls (tenant_id, model) WHERE cost_usd IS NULL
    """,
    """
    CREATE TABLE usage_hours (
        tenant_id UUID NOT NULL,
        hour TIMESTAMP WITH TIME ZONE NOT NULL,
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        key UUID NOT NULL,
        folded BOOLEAN DEFAULT false NOT NULL,
        agent_id UUID NOT NULL,
        model TEXT DEFAULT ''::text NOT NULL,
        provider TEXT DEFAULT ''::text NOT NULL,
        user_ref TEXT DEFAULT ''::text NOT NULL,
        workflow TEXT DEFAULT ''::text NOT NULL,
        environment TEXT DEFAULT ''::text NOT NULL,
        calls BIGINT NOT NULL,
        failed BIGINT NOT NULL,
        unpriced BIGINT NOT NULL,
        input_tokens BIGINT NOT NULL,
        output_tokens BIGINT NOT NULL,
        cache_read_tokens BIGINT NOT NULL,
        cache_write_tokens BIGINT NOT NULL,
        reasoning_tokens BIGINT NOT NULL,
        cost_usd NUMERIC(30, 10) NOT NULL,
        CONSTRAINT usage_hours_pkey PRIMARY KEY (tenant_id, hour, id)
    )
    """,
    """
    CREATE INDEX usage_hours_fresh_idx ON usage_hours (tenant_id) WHERE NOT folded
    """,
    """
    CREATE TABLE budgets (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        name TEXT NOT NULL,
        scope TEXT NOT NULL,
        target TEXT DEFAULT ''::text NOT NULL,
        agent_id UUID,
        unit TEXT NOT NULL,
        period TEXT NOT NULL,
        timezone TEXT DEFAULT 'UTC' NOT NULL,
        limit_amount NUMERIC(30, 10) NOT NULL,
        warn_at NUMERIC(5, 4) DEFAULT 0.8 NOT NULL,
        enabled BOOLEAN DEFAULT true NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT budgets_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT budgets_tenant_id_scope_target_unit_period_timezone_key UNIQUE (tenant_id, scope, target, unit, period, timezone),
        CONSTRAINT budgets_tenant_id_agent_id_fkey FOREIGN KEY(tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT budgets_scope_check CHECK (scope IN ('tenant', 'agent', 'model', 'user', 'workflow')),
        CONSTRAINT budgets_target_check CHECK ((scope = 'tenant') = (target = '')),
        CONSTRAINT budgets_agent_check CHECK ((scope = 'agent') = (agent_id IS NOT NULL) AND (agent_id IS NULL OR target = agent_id::text)),
        CONSTRAINT budgets_unit_check CHECK (unit IN ('tokens', 'cost_usd')),
        CONSTRAINT budgets_period_check CHECK (period IN ('hour', 'day', 'week', 'month')),
        CONSTRAINT budgets_limit_check CHECK (limit_amount >= 0),
        CONSTRAINT budgets_warn_at_check CHECK (warn_at >= 0 AND warn_at <= 1),
        CONSTRAINT budgets_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX budgets_tenant_id_agent_id_idx ON budgets (tenant_id, agent_id)
    """,
    """
    CREATE TABLE budget_spending (
        tenant_id UUID NOT NULL,
        budget_id UUID NOT NULL,
        period_start TIMESTAMP WITH TIME ZONE NOT NULL,
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        slot TIMESTAMP WITH TIME ZONE NOT NULL,
        folded BOOLEAN DEFAULT false NOT NULL,
        last_at TIMESTAMP WITH TIME ZONE NOT NULL,
        amount NUMERIC(30, 10) NOT NULL,
        CONSTRAINT budget_spending_pkey PRIMARY KEY (tenant_id, budget_id, period_start, id)
    )
    """,
    """
    CREATE INDEX budget_spending_fresh_idx ON budget_spending (tenant_id) WHERE NOT folded
    """,
    """
    CREATE INDEX budget_spending_period_start_idx ON budget_spending (period_start)
    """,
    """
    CREATE TABLE budget_reservations (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        budget_id UUID NOT NULL,
        agent_id UUID,
        amount NUMERIC(30, 10) NOT NULL,
        settled NUMERIC(30, 10) DEFAULT 0 NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT budget_reservations_pkey PRIMARY KEY (tenant_id, id, budget_id),
        CONSTRAINT budget_reservations_tenant_id_budget_id_fkey FOREIGN KEY(tenant_id, budget_id) REFERENCES budgets (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT budget_reservations_amounts_check CHECK (amount > 0 AND settled >= 0 AND settled <= amount),
        CONSTRAINT budget_reservations_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX budget_reservations_expires_at_idx ON budget_reservations (expires_at)
    """,
    """
    CREATE INDEX budget_reservations_tenant_id_budget_id_expires_at_idx ON budget_reservations (tenant_id, budget_id, expires_at)
    """,
)

# Rows of a transition table, each with a sign.
ADDED, GONE = (f"SELECT {sign} AS sign, x.* FROM {rows} x" for sign, rows in ((1, "added"), (-1, "gone")))
COUNTED = {
    "INSERT": ("NEW TABLE AS added", ADDED),
    "UPDATE": ("OLD TABLE AS gone NEW TABLE AS added", f"{ADDED} UNION ALL {GONE}"),
    "DELETE": ("OLD TABLE AS gone", GONE),
}
# A statement that changes no sum adds nothing. Time zones differ from UTC by quarters of an hour, so that five minutes
# lie in one period of a budget, whatever its zone. Long periods are kept by the hour.
COUNT = """
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO usage_hours (
            tenant_id, hour, key, agent_id, model, provider, user_ref, workflow, environment, calls, failed, unpriced,
            input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd)
        SELECT tenant_id, hour, md5(jsonb_build_array(agent_id, model, provider, user_ref, workflow, environment)::text)::uuid,
               agent_id, model, provider, user_ref, workflow, environment, calls, failed, unpriced,
               input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd
        FROM (
            SELECT tenant_id, date_trunc('hour', started_at, 'UTC') AS hour, agent_id,
                   coalesce(model, '') AS model, coalesce(provider, '') AS provider,
                   coalesce(user_ref, '') AS user_ref, coalesce(workflow, '') AS workflow,
                   coalesce(environment, '') AS environment,
                   sum(sign) AS calls, sum(sign * failed::int) AS failed,
                   sum(sign * (cost_usd IS NULL)::int) AS unpriced,
                   sum(sign * input_tokens) AS input_tokens, sum(sign * output_tokens) AS output_tokens,
                   sum(sign * cache_read_tokens) AS cache_read_tokens,
                   sum(sign * cache_write_tokens) AS cache_write_tokens,
                   sum(sign * reasoning_tokens) AS reasoning_tokens,
                   coalesce(sum(sign * cost_usd), 0) AS cost_usd
            FROM ({changes}) changes GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
        ) sums
        WHERE (calls, failed, unpriced, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
               reasoning_tokens, cost_usd) <> (0, 0, 0, 0, 0, 0, 0, 0, 0);

        INSERT INTO budget_spending (tenant_id, budget_id, period_start, slot, last_at, amount)
        SELECT c.tenant_id, b.id, date_trunc(b.period, c.slot, b.timezone),
               CASE WHEN b.period IN ('hour', 'day') THEN c.slot ELSE date_trunc('hour', c.slot, 'UTC') END, max(c.last_at),
               sum(CASE b.unit WHEN 'tokens' THEN c.tokens ELSE c.cost_usd END)
        FROM (
            SELECT tenant_id, date_bin('5 minutes', started_at, '2000-01-01 UTC') AS slot, agent_id, model_name,
                   user_ref, workflow, max(started_at) AS last_at, sum(sign * (input_tokens + output_tokens)) AS tokens,
                   coalesce(sum(sign * cost_usd), 0) AS cost_usd
            FROM ({changes}) changes GROUP BY 1, 2, 3, 4, 5, 6
        ) c
        CROSS JOIN LATERAL (VALUES ('tenant', ''), ('agent', c.agent_id::text), ('model', c.model_name),
                                   ('user', c.user_ref), ('workflow', c.workflow)) AS s (scope, target)
        JOIN budgets b ON b.tenant_id = c.tenant_id AND b.scope = s.scope AND b.target = s.target
        GROUP BY 1, 2, 3, 4
        HAVING sum(CASE b.unit WHEN 'tokens' THEN c.tokens ELSE c.cost_usd END) <> 0;
        {settle}
        RETURN NULL;
    END
    $$
"""
# What a call spends is no longer reserved: it is taken from the reservation that the call names, else from those of
# its agent that were open when it began, the oldest first.
SETTLE = """
    CREATE FUNCTION settle_reservations(
        of_tenant uuid, of_budget uuid, of_agent uuid, named uuid, began timestamptz, spent numeric
    ) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        held record;
    BEGIN
        FOR held IN
            SELECT r.id, least(r.amount - r.settled, spent) AS most FROM budget_reservations r
            WHERE r.tenant_id = of_tenant AND r.budget_id = of_budget AND r.settled < r.amount
              AND CASE WHEN named IS NULL
                       THEN r.agent_id = of_agent AND r.created_at <= began AND r.expires_at > began
                       ELSE r.id = named END
            ORDER BY r.created_at, r.id
            FOR UPDATE
        LOOP
            UPDATE budget_reservations r SET settled = r.settled + least(held.most, spent)
            WHERE r.tenant_id = of_tenant AND r.budget_id = of_budget AND r.id = held.id;
            spent := spent - least(held.most, spent);
            EXIT WHEN spent <= 0;
        END LOOP;
    END
    $$
"""
SETTLED = """
        PERFORM settle_reservations(tenant_id, budget_id, agent_id, reservation_id, started_at, spent) FROM (
            SELECT c.tenant_id, b.id AS budget_id, c.agent_id, c.reservation_id, c.started_at,
                   sum(c.sign * CASE b.unit WHEN 'tokens' THEN c.input_tokens + c.output_tokens ELSE c.cost_usd END) AS spent
            FROM ({changes}) c
            CROSS JOIN LATERAL (VALUES ('tenant', ''), ('agent', c.agent_id::text), ('model', c.model_name),
                                       ('user', c.user_ref), ('workflow', c.workflow)) AS s (scope, target)
            JOIN budgets b ON b.tenant_id = c.tenant_id AND b.scope = s.scope AND b.target = s.target
            WHERE EXISTS (
                SELECT FROM budget_reservations r
                WHERE r.tenant_id = c.tenant_id AND r.budget_id = b.id AND r.settled < r.amount
                  AND (r.id = c.reservation_id OR (r.agent_id = c.agent_id AND r.expires_at > c.started_at)))
            GROUP BY c.tenant_id, b.id, c.agent_id, c.reservation_id, c.started_at, c.id
            ORDER BY b.id, c.agent_id, c.started_at, c.id
        ) spending WHERE spent > 0;
"""


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    for statement in TABLES:
        op.execute(statement)
    every = "SELECT, INSERT, UPDATE, DELETE"
    for statement in (
        *protect("model_prices", alerter="SELECT"),
        *protect("price_changes", app="SELECT, INSERT", alerter=every),
        *protect("model_calls", alerter=every),
        *protect("usage_hours", app="SELECT, INSERT, DELETE", alerter="SELECT, INSERT, DELETE"),
        *protect("budgets", alerter="SELECT"),
        *protect("budget_spending", app="SELECT, INSERT, DELETE", alerter="SELECT, INSERT, DELETE"),
        *protect("budget_reservations", alerter="SELECT, UPDATE"),
    ):
        op.execute(statement)
    op.execute(
        f"CREATE POLICY shipped ON model_prices FOR SELECT TO agent_monitor_app USING (tenant_id = {PLATFORM}::uuid)"
    )
    op.execute(touch_updated_at("model_prices"))
    op.execute(touch_updated_at("budgets"))
    op.execute(SETTLE)
    for verb, (rows, changes) in COUNTED.items():
        name = f"count_calls_on_{verb.lower()}"
        settle = "" if verb == "DELETE" else SETTLED.format(changes=changes)
        op.execute(COUNT.format(name=name, changes=changes, settle=settle))
        op.execute(
            f"CREATE TRIGGER {name} AFTER {verb} ON model_calls REFERENCING {rows} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def downgrade() -> None:
    """Undo `upgrade`."""
    for table in (
        "budget_reservations", "budget_spending", "budgets", "usage_hours", "model_calls", "price_changes",
        "model_prices",
    ):  # fmt: skip
        op.execute(f"DROP TABLE {table}")
    for verb in COUNTED:
        op.execute(f"DROP FUNCTION count_calls_on_{verb.lower()}()")
    op.execute("DROP FUNCTION settle_reservations(uuid, uuid, uuid, uuid, timestamptz, numeric)")
