"""Plain metric rules are told apart: their targets are judged in columns, and due only while something goes on."""

from alembic import op

revision = "0027"
down_revision = "0026"

# As `alerts.core.due.is_sifted` has it, for rules that are there already.
_PLAIN = """
    conditions ? 'metric' AND NOT conditions ?| ARRAY['compare', 'anomaly', 'by', 'no_data']
"""


def upgrade() -> None:
    """Mark rules and targets, and index those that news must wake."""
    op.execute("ALTER TABLE alert_configs ADD COLUMN sifted BOOLEAN DEFAULT false NOT NULL")
    op.execute("ALTER TABLE alert_targets ADD COLUMN sifted BOOLEAN DEFAULT false NOT NULL")
    op.execute(f"UPDATE alert_configs SET sifted = true WHERE {_PLAIN}")
    op.execute("""
        UPDATE alert_targets t SET sifted = true FROM alert_configs c
        WHERE c.tenant_id = t.tenant_id AND c.id = t.config_id AND c.sifted
    """)
    # Whether any hour of a span is closed is asked before many series are looked up in vain.
    op.execute("CREATE INDEX sample_chunks_hour_idx ON sample_chunks USING brin (hour) WITH (autosummarize = on)")
    op.execute("CREATE INDEX alert_targets_woken_idx ON alert_targets (tenant_id, agent_id) WHERE NOT sifted")


def downgrade() -> None:
    """Undo `upgrade`: whatever was judged in columns is due."""
    op.execute("UPDATE alert_targets SET due_at = now() WHERE sifted AND due_at IS NULL")
    op.execute("DROP INDEX alert_targets_woken_idx")
    op.execute("DROP INDEX sample_chunks_hour_idx")
    op.execute("ALTER TABLE alert_targets DROP COLUMN sifted")
    op.execute("ALTER TABLE alert_configs DROP COLUMN sifted")
