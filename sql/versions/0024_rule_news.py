"""What wakes and feeds rules on runs and spending: alerters tell of news too, and an agent's hours of usage are found."""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the right and the index."""
    op.execute("GRANT INSERT ON touched TO agent_monitor_alerter")
    op.execute("CREATE INDEX usage_hours_tenant_id_agent_id_hour_idx ON usage_hours (tenant_id, agent_id, hour)")


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP INDEX usage_hours_tenant_id_agent_id_hour_idx")
    op.execute("REVOKE INSERT ON touched FROM agent_monitor_alerter")
