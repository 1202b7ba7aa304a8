-- The login roles: one owner, and three narrow ones that every request and every tick uses.
-- Run as a superuser (or a role with CREATEROLE); safe to run again. Passwords are set apart from this.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[
        'agent_monitor_owner',    -- owns the schema: migrations, partitions, retention
        'agent_monitor_app',      -- requests and pages: one tenant at a time, by row-level security
        'agent_monitor_alerter',  -- ticks: all tenants, on the tables that a tick needs
        'agent_monitor_doorman'   -- authentication, before a tenant is known
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I', wanted);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION', wanted
        );
    END LOOP;
END
$$;
