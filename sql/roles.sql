-- The login roles: one owner, three narrow ones that every request and every tick uses, Grafana's,
-- that of backups, and a person's who looks into trouble. And two that nobody logs in as: whose the views for Grafana
-- are, and what a tenant's own roles there have in common (`agent-monitor dashboards grant` makes those).
-- Run as a superuser (or a role with CREATEROLE); safe to run again. Passwords are set apart from this.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[
        'agent_monitor_owner',    -- owns the schema: migrations, partitions, retention
        'agent_monitor_app',      -- requests and pages: one tenant at a time, by row-level security
        'agent_monitor_alerter',  -- ticks: all tenants, on the tables that a tick needs
        'agent_monitor_doorman',  -- authentication, before a tenant is known
        'agent_monitor_grafana',  -- dashboards: the views of the schema `dashboards`, all tenants, reading only
        'agent_monitor_backup',   -- backups: copies the server's files by replication, and reads no table
        'agent_monitor_operator'  -- a person in trouble: how things stand, no contents; vacuums, analyses, cancels
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I', wanted);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION', wanted
        );
    END LOOP;
    ALTER ROLE agent_monitor_backup REPLICATION;
    -- Whoever looks through a view, its owner's policies decide, and these look at who looks: current_user.
    FOREACH wanted IN ARRAY ARRAY['agent_monitor_views', 'agent_monitor_tenants'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I', wanted);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION', wanted
        );
    END LOOP;
    GRANT agent_monitor_views TO agent_monitor_owner;  -- migrations make and change the views
    -- Whoever edits a panel writes SQL of their own: it may not write, nor run for ever.
    ALTER ROLE agent_monitor_grafana SET default_transaction_read_only = on;
    ALTER ROLE agent_monitor_grafana SET statement_timeout = '30s';
    -- A person's session changes no rows (VACUUM and ANALYZE do not), makes nobody wait behind it for a lock, and
    -- holds no old rows when it is forgotten.
    ALTER ROLE agent_monitor_operator SET default_transaction_read_only = on;
    ALTER ROLE agent_monitor_operator SET lock_timeout = '5s';
    ALTER ROLE agent_monitor_operator SET idle_in_transaction_session_timeout = '5min';
    -- Ticks look at how standbys stand: without this the positions and lags of others are not shown.
    BEGIN
        GRANT pg_read_all_stats TO agent_monitor_alerter;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE NOTICE 'agent_monitor_alerter cannot see replication: have a superuser GRANT pg_read_all_stats to it';
    END;
    -- PostgreSQL 17 is the first where somebody beside the owner may vacuum.
    FOR wanted IN SELECT rolname FROM pg_catalog.pg_roles
        WHERE rolname IN ('pg_monitor', 'pg_signal_backend', 'pg_maintain')
    LOOP
        BEGIN
            EXECUTE format('GRANT %I TO agent_monitor_operator', wanted);
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'agent_monitor_operator is not in %: have a superuser grant it', wanted;
        END;
    END LOOP;
END
$$;
