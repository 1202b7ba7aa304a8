"""The ledger of calls without a reference to agents, as logs have none: what was spent stays when an agent is erased, and
without the look-ups a call is stored in half the time. Nothing could find an agent's calls by that reference anyway."""

from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    """Drop the reference."""
    op.execute("ALTER TABLE model_calls DROP CONSTRAINT model_calls_tenant_id_agent_id_fkey")


def downgrade() -> None:
    """Undo `upgrade`: calls of agents that are gone go, too."""
    op.execute("""
        DELETE FROM model_calls c
        WHERE NOT EXISTS (SELECT FROM agents a WHERE a.tenant_id = c.tenant_id AND a.id = c.agent_id)
    """)
    op.execute("""
        ALTER TABLE model_calls ADD CONSTRAINT model_calls_tenant_id_agent_id_fkey
            FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE CASCADE
    """)
