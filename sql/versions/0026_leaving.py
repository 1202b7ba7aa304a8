"""Who leaves a tenant, however that comes about, leaves its rotations too: ids in arrays have no foreign key."""

from alembic import op

revision = "0026"
down_revision = "0025"

LEAVE = """
    CREATE FUNCTION leave_rotations() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE calendar_events e SET
            members = array_remove(e.members, OLD.user_id),
            overrides = (
                SELECT coalesce(jsonb_agg(
                    CASE WHEN jsonb_typeof(o.one->'members') = 'array'
                    THEN jsonb_set(o.one, '{members}', (o.one->'members') - OLD.user_id::text) ELSE o.one END
                    ORDER BY o.place), '[]')
                FROM jsonb_array_elements(e.overrides) WITH ORDINALITY AS o (one, place))
        WHERE e.tenant_id = OLD.tenant_id AND e.kind = 'on_call'
          AND (OLD.user_id = ANY (e.members) OR e.overrides::text LIKE '%' || OLD.user_id::text || '%');
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    """Make the trigger."""
    op.execute(LEAVE)
    op.execute(
        "CREATE TRIGGER leave_rotations AFTER DELETE ON memberships FOR EACH ROW EXECUTE FUNCTION leave_rotations()"
    )


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute("DROP TRIGGER leave_rotations ON memberships")
    op.execute("DROP FUNCTION leave_rotations()")
