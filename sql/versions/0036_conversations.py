"""Conversations, their messages in order, callers' ids of messages, what edits took away."""

from alembic import op

from sql.protect import protect, touch_updated_at

revision = "0036"
down_revision = "0035"

TABLES = (
    """
    CREATE TABLE conversations (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        external_id TEXT NOT NULL,
        conversation_type TEXT DEFAULT 'individual' NOT NULL,
        title TEXT DEFAULT '' NOT NULL,
        summary TEXT DEFAULT '' NOT NULL,
        status TEXT DEFAULT 'active' NOT NULL,
        agent_id UUID,
        user_id UUID,
        user_ref TEXT,
        participants TEXT[] DEFAULT '{}'::text[] NOT NULL,
        context JSONB DEFAULT '{}'::jsonb NOT NULL,
        settings JSONB DEFAULT '{}'::jsonb NOT NULL,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        last_sequence BIGINT DEFAULT 0 NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        last_activity_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        completed_at TIMESTAMP WITH TIME ZONE,
        deleted_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT conversations_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT conversations_tenant_id_external_id_key UNIQUE (tenant_id, external_id),
        CONSTRAINT conversations_external_id_check CHECK (length(external_id) BETWEEN 1 AND 200),
        CONSTRAINT conversations_status_check CHECK (status IN ('active', 'completed', 'failed', 'cancelled')),
        CONSTRAINT conversations_order_check CHECK (completed_at >= started_at),
        CONSTRAINT conversations_last_sequence_check CHECK (last_sequence >= 0),
        CONSTRAINT conversations_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id)
            REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT conversations_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL,
        CONSTRAINT conversations_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX conversations_tenant_id_started_at_id_idx ON conversations (tenant_id, started_at, id)",
    "CREATE INDEX conversations_tenant_id_last_activity_at_id_idx ON conversations (tenant_id, last_activity_at, id)",
    "CREATE INDEX conversations_tenant_id_agent_id_started_at_idx ON conversations (tenant_id, agent_id, started_at)",
    """
    CREATE INDEX conversations_tenant_id_user_ref_started_at_idx ON conversations (tenant_id, user_ref, started_at)
    WHERE user_ref IS NOT NULL
    """,
    "CREATE INDEX conversations_user_id_idx ON conversations (user_id) WHERE user_id IS NOT NULL",
    """
    CREATE INDEX conversations_tenant_id_status_last_activity_at_idx
    ON conversations (tenant_id, status, last_activity_at)
    """,
    "CREATE INDEX conversations_participants_idx ON conversations USING gin (participants)",
    """
    CREATE TABLE messages (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        conversation_id UUID NOT NULL,
        sequence_number BIGINT NOT NULL,
        external_id TEXT,
        role TEXT NOT NULL,
        content TEXT NOT NULL,
        agent_id UUID,
        agent_type TEXT,
        user_ref TEXT,
        model TEXT,
        token_count BIGINT,
        latency_ms BIGINT,
        tool_calls JSONB,
        tool_results JSONB,
        attachments JSONB DEFAULT '[]'::jsonb NOT NULL,
        reply_to_id UUID,
        edited_at TIMESTAMP WITH TIME ZONE,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT messages_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT messages_role_check CHECK (role IN ('user', 'assistant', 'system', 'tool')),
        CONSTRAINT messages_amounts_check CHECK (sequence_number > 0 AND token_count >= 0 AND latency_ms >= 0),
        CONSTRAINT messages_tenant_id_conversation_id_fkey FOREIGN KEY (tenant_id, conversation_id)
            REFERENCES conversations (tenant_id, id) ON DELETE CASCADE
    ) PARTITION BY RANGE (id)
    """,
    """
    CREATE INDEX messages_tenant_id_conversation_id_sequence_number_idx
    ON messages (tenant_id, conversation_id, sequence_number)
    """,
    """
    CREATE INDEX messages_tenant_id_conversation_id_agent_type_idx
    ON messages (tenant_id, conversation_id, agent_type, sequence_number) WHERE agent_type IS NOT NULL
    """,
    """
    CREATE INDEX messages_tenant_id_agent_id_id_idx ON messages (tenant_id, agent_id, id) WHERE agent_id IS NOT NULL
    """,
    """
    CREATE TABLE message_names (
        tenant_id UUID NOT NULL,
        conversation_id UUID NOT NULL,
        external_id TEXT NOT NULL,
        message_id UUID NOT NULL,
        CONSTRAINT message_names_pkey PRIMARY KEY (tenant_id, conversation_id, external_id),
        CONSTRAINT message_names_tenant_id_conversation_id_fkey FOREIGN KEY (tenant_id, conversation_id)
            REFERENCES conversations (tenant_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX message_names_message_id_idx ON message_names (message_id)",
    """
    CREATE TABLE message_edits (
        tenant_id UUID NOT NULL,
        message_id UUID NOT NULL,
        version BIGINT NOT NULL,
        conversation_id UUID NOT NULL,
        content TEXT NOT NULL,
        edited_by TEXT NOT NULL,
        edited_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT message_edits_pkey PRIMARY KEY (tenant_id, message_id, version),
        CONSTRAINT message_edits_version_check CHECK (version > 0),
        CONSTRAINT message_edits_tenant_id_conversation_id_fkey FOREIGN KEY (tenant_id, conversation_id)
            REFERENCES conversations (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT message_edits_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX message_edits_tenant_id_conversation_id_idx ON message_edits (tenant_id, conversation_id)",
)
NAMES = ("conversations", "messages", "message_names", "message_edits")


def upgrade() -> None:
    """Make the tables."""
    for statement in TABLES:
        op.execute(statement)
    for name in NAMES:
        for statement in protect(name):
            op.execute(statement)
    op.execute(touch_updated_at("conversations"))


def downgrade() -> None:
    """Undo `upgrade`."""
    for name in reversed(NAMES):
        op.execute(f"DROP TABLE {name}")
