"""Links and signed requests that act once are remembered when they did."""

from alembic import op

from sql.protect import protect

revision = "0020"
down_revision = "0019"

TABLES = (
    """
    CREATE TABLE used_tokens (
        tenant_id UUID NOT NULL,
        digest BYTEA NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT used_tokens_pkey PRIMARY KEY (tenant_id, digest),
        CONSTRAINT used_tokens_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX used_tokens_expires_at_idx ON used_tokens (expires_at)
    """,
)


def upgrade() -> None:
    """Make the table, force row-level security on it, grant the application its verbs."""
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("used_tokens", app="SELECT, INSERT"):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE used_tokens")
