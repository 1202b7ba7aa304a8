"""Requests of people about their data, and the one way in which the audit trail forgets who somebody was."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0048"
down_revision = "0047"

REQUESTS = """
    CREATE TABLE data_requests (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        kind TEXT NOT NULL,
        user_id UUID,
        also TEXT[] DEFAULT '{}'::text[] NOT NULL,
        status TEXT DEFAULT 'pending' NOT NULL,
        requested_by TEXT NOT NULL,
        progress JSONB DEFAULT '{}'::jsonb NOT NULL,
        report JSONB DEFAULT '{}'::jsonb NOT NULL,
        error TEXT,
        started_at TIMESTAMP WITH TIME ZONE,
        completed_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT data_requests_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT data_requests_kind_check CHECK (kind IN ('export', 'erasure')),
        CONSTRAINT data_requests_status_check CHECK (status IN ('pending', 'running', 'done', 'failed')),
        CONSTRAINT data_requests_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
        CONSTRAINT data_requests_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL
    )
"""
OPEN = "status IN ('pending', 'running')"
INDEXES = (
    "CREATE INDEX data_requests_user_id_idx ON data_requests (user_id)",
    # One erasure of a person at a time.
    f"CREATE UNIQUE INDEX data_requests_open_key ON data_requests (tenant_id, user_id) "
    f"WHERE kind = 'erasure' AND {OPEN}",
)

ERASED = """
    CREATE FUNCTION erased(said text, patterns text[], words text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        FOR place IN 1 .. cardinality(patterns) LOOP
            said := regexp_replace(said, patterns[place], words[place], 'gi');
        END LOOP;
        RETURN said;
    END
    $$
"""
BLANKED = """
    CREATE FUNCTION blanked(said jsonb, keys text[], word text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        IF jsonb_typeof(said) = 'object' THEN
            RETURN (
                SELECT coalesce(jsonb_object_agg(key, CASE
                    WHEN key = ANY (keys) AND jsonb_typeof(value) = 'string' THEN to_jsonb(word)
                    ELSE public.blanked(value, keys, word) END), '{}')
                FROM jsonb_each(said));
        ELSIF jsonb_typeof(said) = 'array' THEN
            RETURN (
                SELECT coalesce(jsonb_agg(public.blanked(value, keys, word) ORDER BY ordinality), '[]')
                FROM jsonb_array_elements(said) WITH ORDINALITY);
        END IF;
        RETURN said;
    END
    $$
"""
# The setting holds while the function runs and no longer. Whoever sets it by hand still lacks the right to UPDATE,
# or owns the table, and cannot touch what was done, to what and when.
REFUSE = """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND current_setting('app.erasing', true) = 'on' AND
            (NEW.tenant_id, NEW.id, NEW.action, NEW.resource_type, NEW.status)
            = (OLD.tenant_id, OLD.id, OLD.action, OLD.resource_type, OLD.status)
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END
    $$
"""
REFUSE_ALL = """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END
    $$
"""
FORGET = """
    CREATE FUNCTION forget_in_trail(
        request uuid, tenant uuid, entry uuid, first uuid, last uuid,
        patterns text[], words text[], texts text[], facts text[]
    ) RETURNS bigint LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        person uuid;
        word CONSTANT text := 'erased';
        changed bigint;
    BEGIN
        SELECT user_id INTO person FROM public.data_requests
        WHERE id = request AND kind = 'erasure' AND status = 'running';
        IF person IS NULL THEN
            RAISE EXCEPTION 'there is no erasure % that is running', request USING ERRCODE = 'insufficient_privilege';
        END IF;
        PERFORM set_config('app.erasing', 'on', true);
        UPDATE public.audit_logs a SET
            actor = public.erased(a.actor, patterns, words),
            user_id = CASE WHEN a.user_id = person THEN request ELSE a.user_id END,
            resource_id = public.erased(a.resource_id, patterns, words),
            old_values = public.erased(public.blanked(a.old_values, keys, word)::text, patterns, words)::jsonb,
            new_values = public.erased(public.blanked(a.new_values, keys, word)::text, patterns, words)::jsonb,
            metadata = public.erased(public.blanked(a.metadata, keys, word)::text, patterns, words)::jsonb,
            error_message = public.erased(a.error_message, patterns, words),
            ip_address = CASE WHEN a.user_id = person THEN NULL ELSE a.ip_address END,
            user_agent = CASE WHEN a.user_id = person THEN NULL ELSE public.erased(a.user_agent, patterns, words) END
        FROM (
            SELECT l.id, CASE WHEN l.user_id = person THEN texts ELSE '{}' END
                || CASE WHEN l.resource_id = person::text THEN facts ELSE '{}' END AS keys
            FROM public.audit_logs l
            WHERE l.tenant_id = tenant AND l.id > first AND l.id <= last AND (
                l.user_id = person
                OR concat_ws(' ', l.actor, l.resource_id, l.old_values, l.new_values, l.metadata, l.error_message,
                             l.user_agent) ~* array_to_string(patterns, '|'))
        ) AS named
        WHERE a.tenant_id = tenant AND a.id = named.id;
        GET DIAGNOSTICS changed = ROW_COUNT;
        PERFORM set_config('app.erasing', '', true);
        IF changed > 0 THEN
            INSERT INTO public.audit_logs (tenant_id, id, actor, action, resource_type, resource_id, new_values)
            VALUES (tenant, entry, 'system', 'audit_log.erased', 'data_request', request::text,
                    jsonb_build_object('entries', changed));
        END IF;
        RETURN changed;
    END
    $$
"""
SIGNATURE = "forget_in_trail(uuid, uuid, uuid, uuid, uuid, text[], text[], text[], text[])"


def upgrade() -> None:
    """Make the table, force row-level security on it; make the functions that nobody but the owner may call."""
    for statement in (REQUESTS, *INDEXES, touch_updated_at("data_requests")):
        op.execute(statement)
    for statement in protect("data_requests", app="SELECT, INSERT, UPDATE"):
        op.execute(statement)
    for statement in (ERASED, BLANKED, REFUSE, FORGET, f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC"):
        op.execute(statement)


def downgrade() -> None:
    """Undo `upgrade`."""
    op.execute(f"DROP FUNCTION {SIGNATURE}")
    op.execute(REFUSE_ALL)
    for name in ("blanked(jsonb, text[], text)", "erased(text, text[], text[])"):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP TABLE data_requests")
