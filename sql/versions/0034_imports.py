"""How far databases of other platforms are brought here."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Make the table; the owner alone writes it, as the owner alone imports."""
    op.execute(
        """
        CREATE TABLE imports (
            tenant_id UUID NOT NULL,
            source TEXT NOT NULL,
            source_table TEXT NOT NULL,
            document TEXT NOT NULL,
            reached JSONB,
            rows_read BIGINT DEFAULT 0 NOT NULL,
            rows_kept BIGINT DEFAULT 0 NOT NULL,
            notes JSONB DEFAULT '{}'::jsonb NOT NULL,
            completed_at TIMESTAMP WITH TIME ZONE,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            CONSTRAINT imports_pkey PRIMARY KEY (tenant_id, source, source_table),
            CONSTRAINT imports_document_check CHECK (document IN ('000', '001', '002', '003', '004')),
            CONSTRAINT imports_rows_check CHECK (rows_read >= rows_kept AND rows_kept >= 0),
            CONSTRAINT imports_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
        )
        """
    )
    for statement in protect("imports", app="SELECT"):
        op.execute(statement)
    op.execute(touch_updated_at("imports"))


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TABLE imports")
