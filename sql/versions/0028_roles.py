"""Who signs in may do what their role says: the door sees roles."""

from alembic import op

revision = "0028"
down_revision = "0027"

COLUMNS = "tenant_id, user_id, role, status"


def upgrade() -> None:
    """Let the doorman see who is a member, and as what."""
    op.execute("CREATE POLICY doorman ON memberships FOR SELECT TO agent_monitor_doorman USING (true)")
    op.execute(f"GRANT SELECT ({COLUMNS}) ON memberships TO agent_monitor_doorman")


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute(f"REVOKE SELECT ({COLUMNS}) ON memberships FROM agent_monitor_doorman")
    op.execute("DROP POLICY doorman ON memberships")
