"""What every later revision leans on: schema rights and the updated_at trigger function."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Give every role the schema, and nobody the right to make things in it but the owner."""
    op.execute("GRANT USAGE ON SCHEMA public TO agent_monitor_app, agent_monitor_alerter, agent_monitor_doorman")
    op.execute("""
        CREATE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.updated_at = now();
            RETURN NEW;
        END
        $$
    """)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP FUNCTION set_updated_at()")
    op.execute("REVOKE USAGE ON SCHEMA public FROM agent_monitor_app, agent_monitor_alerter, agent_monitor_doorman")
