"""The audit trail by who did it, by what was done, and by what it was done to."""

from alembic import op

revision = "0041"
down_revision = "0040"

INDEXES = {
    "audit_logs_tenant_id_user_id_id_idx": "(tenant_id, user_id, id) WHERE user_id IS NOT NULL",
    "audit_logs_tenant_id_action_id_idx": "(tenant_id, action, id)",
    "audit_logs_tenant_id_resource_type_resource_id_id_idx": "(tenant_id, resource_type, resource_id, id)",
}


def upgrade() -> None:
    """Add the indexes."""
    for name, keys in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON audit_logs {keys}")


def downgrade() -> None:
    """Undo `upgrade`."""
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
