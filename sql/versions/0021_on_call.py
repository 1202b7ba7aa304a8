"""Who hears it: the calendar, how members are reached and when they are not, escalation policies."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0021"
down_revision = "0020"

TABLES = (
    """
    CREATE TABLE calendar_events (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        kind TEXT DEFAULT 'event' NOT NULL,
        title TEXT NOT NULL,
        description TEXT,
        start_time TIMESTAMP WITH TIME ZONE NOT NULL,
        end_time TIMESTAMP WITH TIME ZONE NOT NULL,
        location TEXT,
        all_day BOOLEAN DEFAULT false NOT NULL,
        time_zone TEXT DEFAULT 'UTC' NOT NULL,
        rrule TEXT,
        exdates TIMESTAMP WITH TIME ZONE[] DEFAULT '{}'::timestamptz[] NOT NULL,
        overrides JSONB DEFAULT '[]'::jsonb NOT NULL,
        matchers TEXT[] DEFAULT '{}'::text[] NOT NULL,
        schedule TEXT,
        members UUID[] DEFAULT '{}'::uuid[] NOT NULL,
        layer BIGINT DEFAULT 0 NOT NULL,
        created_by TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT calendar_events_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT calendar_events_kind_check CHECK (kind IN ('event', 'on_call', 'maintenance')),
        CONSTRAINT calendar_events_period_check CHECK (end_time > start_time),
        CONSTRAINT calendar_events_schedule_check CHECK ((kind = 'on_call') = (schedule IS NOT NULL)),
        CONSTRAINT calendar_events_lengths_check CHECK (char_length(title) <= 200 AND char_length(location) <= 200),
        CONSTRAINT calendar_events_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX calendar_events_tenant_id_start_time_end_time_idx ON calendar_events (tenant_id, start_time, end_time)
    """,
    """
    CREATE INDEX calendar_events_tenant_id_end_time_idx ON calendar_events (tenant_id, end_time)
    """,
    """
    CREATE INDEX calendar_events_tenant_id_schedule_idx ON calendar_events (tenant_id, schedule) WHERE kind = 'on_call'
    """,
    """
    CREATE INDEX calendar_events_title_idx ON calendar_events USING gin (to_tsvector('english', title))
    """,
    """
    CREATE TABLE contact_methods (
        tenant_id UUID NOT NULL,
        user_id UUID NOT NULL,
        position BIGINT NOT NULL,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        secret TEXT,
        after_seconds BIGINT DEFAULT 0 NOT NULL,
        CONSTRAINT contact_methods_pkey PRIMARY KEY (tenant_id, user_id, position),
        CONSTRAINT contact_methods_tenant_id_user_id_fkey FOREIGN KEY(tenant_id, user_id) REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE,
        CONSTRAINT contact_methods_after_check CHECK (after_seconds >= 0),
        CONSTRAINT contact_methods_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE escalations (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        name TEXT NOT NULL,
        steps JSONB NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT escalations_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT escalations_tenant_id_name_key UNIQUE (tenant_id, name),
        CONSTRAINT escalations_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
)
PEOPLE = ("memberships", "users")


def upgrade() -> None:
    """Make the tables, force row-level security on them, let the alerter see who is a member."""
    op.execute("ALTER TABLE memberships ADD COLUMN quiet_hours JSONB")
    for statement in TABLES:
        op.execute(statement)
    for table in ("calendar_events", "contact_methods", "escalations"):
        for statement in protect(table, alerter="SELECT"):
            op.execute(statement)
    for table in ("calendar_events", "escalations"):
        op.execute(touch_updated_at(table))
    for table in PEOPLE:
        op.execute(f"CREATE POLICY alerter ON {table} FOR SELECT TO agent_monitor_alerter USING (true)")
    op.execute("GRANT SELECT (tenant_id, user_id, status, quiet_hours) ON memberships TO agent_monitor_alerter")
    op.execute("GRANT SELECT (id, email, name, deleted_at) ON users TO agent_monitor_alerter")


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("REVOKE SELECT (tenant_id, user_id, status, quiet_hours) ON memberships FROM agent_monitor_alerter")
    op.execute("REVOKE SELECT (id, email, name, deleted_at) ON users FROM agent_monitor_alerter")
    for table in PEOPLE:
        op.execute(f"DROP POLICY alerter ON {table}")
    for table in ("escalations", "contact_methods", "calendar_events"):
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE memberships DROP COLUMN quiet_hours")
