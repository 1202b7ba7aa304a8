"""Who people are: names, verified addresses, passwords' age, sessions that can be revoked, identities at a provider of
OpenID Connect, invitations; keys that replace one another; tenants that are suspended, deleted and purged.
"""

from alembic import op

from sql.protect import TENANT, protect

revision = "0046"
down_revision = "0045"

COLUMNS = {
    "users": (
        "username TEXT",
        "first_name TEXT",
        "last_name TEXT",
        "avatar_url TEXT",
        "email_verified_at TIMESTAMP WITH TIME ZONE",
        "password_changed_at TIMESTAMP WITH TIME ZONE",
        "last_login_at TIMESTAMP WITH TIME ZONE",
    ),
    "tenants": (
        "suspended_at TIMESTAMP WITH TIME ZONE",
        "suspended_reason TEXT",
        "purge_at TIMESTAMP WITH TIME ZONE",
    ),
    "api_keys": (
        "replaces_id UUID",
        "revoked_at TIMESTAMP WITH TIME ZONE",
    ),
}
TABLES = (
    """
    ALTER TABLE users
        ADD CONSTRAINT users_username_check CHECK (username ~ '^[^@[:space:]]{1,100}$'),
        ADD CONSTRAINT users_avatar_url_check CHECK (avatar_url ~ '^https?://' AND length(avatar_url) <= 2000)
    """,
    """
    CREATE UNIQUE INDEX users_lower_username_key ON users (lower(username))
    """,
    """
    ALTER TABLE memberships DROP CONSTRAINT memberships_status_check,
        ADD CONSTRAINT memberships_status_check CHECK (status IN ('active', 'inactive', 'suspended', 'invited'))
    """,
    """
    CREATE INDEX tenants_purge_at_idx ON tenants (purge_at) WHERE purge_at IS NOT NULL
    """,
    """
    ALTER TABLE api_keys ADD CONSTRAINT api_keys_tenant_id_replaces_id_fkey FOREIGN KEY (tenant_id, replaces_id)
        REFERENCES api_keys (tenant_id, id) ON DELETE SET NULL (replaces_id)
    """,
    """
    CREATE INDEX api_keys_tenant_id_replaces_id_idx ON api_keys (tenant_id, replaces_id) WHERE replaces_id IS NOT NULL
    """,
    """
    CREATE TABLE user_sessions (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        token_hash TEXT NOT NULL,
        method TEXT NOT NULL,
        device_info JSONB DEFAULT '{}'::jsonb NOT NULL,
        ip_address INET,
        started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        last_activity_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        revoked_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT user_sessions_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT user_sessions_tenant_id_token_hash_key UNIQUE (tenant_id, token_hash),
        CONSTRAINT user_sessions_method_check CHECK (method IN ('link', 'password', 'oidc', 'import')),
        CONSTRAINT user_sessions_tenant_id_user_id_fkey FOREIGN KEY (tenant_id, user_id)
            REFERENCES memberships (tenant_id, user_id) ON DELETE CASCADE,
        CONSTRAINT user_sessions_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX user_sessions_token_hash_idx ON user_sessions (token_hash)
    """,
    """
    CREATE INDEX user_sessions_tenant_id_user_id_idx ON user_sessions (tenant_id, user_id)
    """,
    """
    CREATE INDEX user_sessions_expires_at_idx ON user_sessions (expires_at)
    """,
    """
    CREATE TABLE user_identities (
        issuer TEXT NOT NULL,
        subject TEXT NOT NULL,
        user_id UUID NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT user_identities_pkey PRIMARY KEY (issuer, subject),
        CONSTRAINT user_identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX user_identities_user_id_idx ON user_identities (user_id)
    """,
)
SESSION = "tenant_id, id, user_id, token_hash, started_at, last_activity_at, expires_at, revoked_at"
THEIRS = f"EXISTS (SELECT 1 FROM memberships m WHERE m.tenant_id = {TENANT} AND m.user_id = user_identities.user_id)"
# What the door reads of those who are not in yet.
GRANTS = {
    "users": "id, email, username, name, password_hash, password_changed_at, email_verified_at, deleted_at",
    "memberships": "permissions",
    "tenants": "slug, name",
    "api_keys": "last_used_at",
}


def upgrade() -> None:
    """Add the columns and tables; let the door find people, and tenants invite some who are nobody's yet."""
    for table, columns in COLUMNS.items():
        op.execute(f"ALTER TABLE {table} " + ", ".join(f"ADD COLUMN {column}" for column in columns))
    for statement in TABLES:
        op.execute(statement)
    for statement in protect("user_sessions", doorman=SESSION):
        op.execute(statement)
    for statement in protect(
        "user_identities", app="SELECT, INSERT, DELETE", doorman="issuer, subject, user_id", belongs=THEIRS
    ):
        op.execute(statement)
    op.execute("CREATE POLICY doorman ON users FOR SELECT TO agent_monitor_doorman USING (true)")
    for table, shown in GRANTS.items():
        op.execute(f"GRANT SELECT ({shown}) ON {table} TO agent_monitor_doorman")
    # Whoever is added this way has proven nothing yet and cannot sign in.
    op.execute(
        "CREATE POLICY invited ON users FOR INSERT TO agent_monitor_app "
        "WITH CHECK (password_hash IS NULL AND email_verified_at IS NULL AND deleted_at IS NULL)"
    )


def downgrade() -> None:
    """Undo `upgrade`. Whoever was invited and has not come is suspended: the narrower check has no such word."""
    op.execute("DROP POLICY invited ON users")
    for table, shown in GRANTS.items():
        op.execute(f"REVOKE SELECT ({shown}) ON {table} FROM agent_monitor_doorman")
    op.execute("DROP POLICY doorman ON users")
    op.execute("DROP TABLE user_identities")
    op.execute("DROP TABLE user_sessions")
    op.execute("UPDATE memberships SET status = 'suspended' WHERE status = 'invited'")
    op.execute(
        "ALTER TABLE memberships DROP CONSTRAINT memberships_status_check, "
        "ADD CONSTRAINT memberships_status_check CHECK (status IN ('active', 'inactive', 'suspended'))"
    )
    op.execute("DROP INDEX users_lower_username_key")
    for table, columns in COLUMNS.items():
        op.execute(f"ALTER TABLE {table} " + ", ".join(f"DROP COLUMN {column.split()[0]}" for column in columns))
