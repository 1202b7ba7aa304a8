"""Regions: where copies of the database are, which tenants' data must stay where, and how far copies are behind."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0033"
down_revision = "0032"

PLATFORM = "'00000000-0000-7000-8000-000000000000'"

TABLES = (
    f"""
    CREATE TABLE regions (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        jurisdiction TEXT NOT NULL,
        provider TEXT,
        endpoint TEXT,
        is_primary BOOLEAN DEFAULT false NOT NULL,
        application_name TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT regions_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT regions_tenant_id_slug_key UNIQUE (tenant_id, slug),
        CONSTRAINT regions_tenant_id_application_name_key UNIQUE (tenant_id, application_name),
        CONSTRAINT regions_platform_check CHECK (tenant_id = {PLATFORM}),
        CONSTRAINT regions_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    "CREATE UNIQUE INDEX regions_primary_key ON regions (tenant_id) WHERE is_primary",
    f"""
    CREATE TABLE tenant_regions (
        tenant_id UUID NOT NULL,
        region_id UUID NOT NULL,
        region_tenant_id UUID DEFAULT {PLATFORM} NOT NULL,
        residency BOOLEAN DEFAULT false NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT tenant_regions_pkey PRIMARY KEY (tenant_id, region_id),
        CONSTRAINT tenant_regions_region_tenant_id_region_id_fkey FOREIGN KEY(region_tenant_id, region_id) REFERENCES regions (tenant_id, id) ON DELETE RESTRICT,
        CONSTRAINT tenant_regions_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX tenant_regions_region_tenant_id_region_id_idx ON tenant_regions (region_tenant_id, region_id)",
    f"""
    CREATE TABLE replication_status (
        tenant_id UUID NOT NULL,
        application_name TEXT NOT NULL,
        region_id UUID,
        state TEXT NOT NULL,
        sync_state TEXT,
        sent_lsn TEXT,
        replay_lsn TEXT,
        lag_bytes BIGINT,
        lag_seconds DOUBLE PRECISION,
        advanced_at TIMESTAMP WITH TIME ZONE NOT NULL,
        seen_at TIMESTAMP WITH TIME ZONE,
        checked_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT replication_status_pkey PRIMARY KEY (tenant_id, application_name),
        CONSTRAINT replication_status_state_check CHECK (state IN ('startup', 'catchup', 'streaming', 'backup', 'stopping', 'missing')),
        CONSTRAINT replication_status_lag_check CHECK (lag_bytes >= 0 AND lag_seconds >= 0),
        CONSTRAINT replication_status_platform_check CHECK (tenant_id = {PLATFORM}),
        CONSTRAINT replication_status_tenant_id_region_id_fkey FOREIGN KEY(tenant_id, region_id) REFERENCES regions (tenant_id, id) ON DELETE SET NULL (region_id),
        CONSTRAINT replication_status_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX replication_status_tenant_id_region_id_idx ON replication_status (tenant_id, region_id)",
    f"""
    CREATE TABLE cross_region_sync_logs (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        application_name TEXT NOT NULL,
        source_region_id UUID,
        target_region_id UUID,
        kind TEXT NOT NULL,
        status TEXT NOT NULL,
        lag_bytes BIGINT,
        lag_seconds DOUBLE PRECISION,
        started_at TIMESTAMP WITH TIME ZONE NOT NULL,
        completed_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT cross_region_sync_logs_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT cross_region_sync_logs_kind_check CHECK (kind IN ('lag', 'outage')),
        CONSTRAINT cross_region_sync_logs_status_check CHECK (status IN ('running', 'completed')),
        CONSTRAINT cross_region_sync_logs_completed_check CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
        CONSTRAINT cross_region_sync_logs_lag_check CHECK (lag_bytes >= 0 AND lag_seconds >= 0),
        CONSTRAINT cross_region_sync_logs_platform_check CHECK (tenant_id = {PLATFORM}),
        CONSTRAINT cross_region_sync_logs_tenant_id_source_region_id_fkey FOREIGN KEY(tenant_id, source_region_id) REFERENCES regions (tenant_id, id) ON DELETE SET NULL (source_region_id),
        CONSTRAINT cross_region_sync_logs_tenant_id_target_region_id_fkey FOREIGN KEY(tenant_id, target_region_id) REFERENCES regions (tenant_id, id) ON DELETE SET NULL (target_region_id),
        CONSTRAINT cross_region_sync_logs_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    "CREATE UNIQUE INDEX cross_region_sync_logs_running_key ON cross_region_sync_logs (tenant_id, application_name) WHERE completed_at IS NULL",
    "CREATE INDEX cross_region_sync_logs_tenant_id_source_region_id_idx ON cross_region_sync_logs (tenant_id, source_region_id)",
    "CREATE INDEX cross_region_sync_logs_tenant_id_target_region_id_idx ON cross_region_sync_logs (tenant_id, target_region_id)",
)


def upgrade() -> None:
    """Make the tables: tenants read regions and their own places; how copies stand is the platform's affair."""
    for statement in TABLES:
        op.execute(statement)
    every = "SELECT, INSERT, UPDATE, DELETE"
    for statement in (
        *protect("regions", app="SELECT", alerter="SELECT"),
        *protect("tenant_regions", app="SELECT", alerter="SELECT"),
        *protect("replication_status", app="SELECT", alerter=every),
        *protect("cross_region_sync_logs", app="SELECT", alerter="SELECT, INSERT, UPDATE"),
    ):
        op.execute(statement)
    op.execute(f"CREATE POLICY shipped ON regions FOR SELECT TO agent_monitor_app USING (tenant_id = {PLATFORM}::uuid)")
    op.execute(touch_updated_at("regions"))
    op.execute(touch_updated_at("tenant_regions"))


def downgrade() -> None:
    """Undo `upgrade`."""
    for table in ("cross_region_sync_logs", "replication_status", "tenant_regions", "regions"):
        op.execute(f"DROP TABLE {table}")
