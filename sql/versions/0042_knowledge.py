"""Knowledge: collections, documents, their chunks with vectors, and what was asked of them."""

from alembic import op
from sqlalchemy import text

from monitor.errors import ConfigError
from sql.protect import protect, touch_updated_at

revision = "0042"
down_revision = "0041"

TABLES = (
    """
    CREATE TABLE collections (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT,
        embedding_model TEXT NOT NULL,
        dimensions BIGINT,
        chunk_size BIGINT DEFAULT 1000 NOT NULL,
        chunk_overlap BIGINT DEFAULT 0 NOT NULL,
        document_count BIGINT DEFAULT 0 NOT NULL,
        chunk_count BIGINT DEFAULT 0 NOT NULL,
        status TEXT DEFAULT 'active' NOT NULL,
        settings JSONB DEFAULT '{}'::jsonb NOT NULL,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        deleted_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT collections_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT collections_tenant_id_slug_key UNIQUE (tenant_id, slug),
        CONSTRAINT collections_chunk_size_check CHECK (chunk_size > 0),
        CONSTRAINT collections_overlap_check CHECK (chunk_overlap >= 0 AND chunk_overlap < chunk_size),
        CONSTRAINT collections_dimensions_check CHECK (dimensions BETWEEN 1 AND 16000),
        CONSTRAINT collections_counts_check CHECK (document_count >= 0 AND chunk_count >= 0),
        CONSTRAINT collections_status_check CHECK (status IN ('active', 'archived')),
        CONSTRAINT collections_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX collections_tenant_id_status_idx ON collections (tenant_id, status) WHERE deleted_at IS NULL
    """,
    """
    CREATE TABLE documents (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        collection_id UUID NOT NULL,
        title TEXT NOT NULL,
        filename TEXT,
        file_type TEXT,
        file_size_bytes BIGINT,
        storage_url TEXT,
        status TEXT DEFAULT 'pending' NOT NULL,
        chunk_count BIGINT DEFAULT 0 NOT NULL,
        error_message TEXT,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        uploaded_by UUID,
        deleted_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT documents_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT documents_status_check CHECK (status IN ('pending', 'processing', 'indexed', 'failed')),
        CONSTRAINT documents_amounts_check CHECK (file_size_bytes >= 0 AND chunk_count >= 0),
        CONSTRAINT documents_tenant_id_collection_id_fkey FOREIGN KEY (tenant_id, collection_id)
            REFERENCES collections (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT documents_uploaded_by_fkey FOREIGN KEY (uploaded_by) REFERENCES users (id) ON DELETE SET NULL,
        CONSTRAINT documents_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX documents_tenant_id_collection_id_created_at_idx ON documents (tenant_id, collection_id, created_at)
    """,
    """
    CREATE INDEX documents_tenant_id_status_idx ON documents (tenant_id, status) WHERE deleted_at IS NULL
    """,
    """
    CREATE INDEX documents_uploaded_by_idx ON documents (uploaded_by)
    """,
    """
    CREATE INDEX documents_deleted_idx ON documents (tenant_id, collection_id) WHERE deleted_at IS NOT NULL
    """,
    """
    CREATE TABLE chunks (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        collection_id UUID NOT NULL,
        document_id UUID NOT NULL,
        chunk_index BIGINT NOT NULL,
        content TEXT NOT NULL,
        embedding vector,
        embedding_model TEXT,
        token_count BIGINT,
        metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT chunks_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT chunks_tenant_id_document_id_chunk_index_key UNIQUE (tenant_id, document_id, chunk_index),
        CONSTRAINT chunks_amounts_check CHECK (chunk_index >= 0 AND token_count >= 0),
        CONSTRAINT chunks_tenant_id_collection_id_fkey FOREIGN KEY (tenant_id, collection_id)
            REFERENCES collections (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT chunks_tenant_id_document_id_fkey FOREIGN KEY (tenant_id, document_id)
            REFERENCES documents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT chunks_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX chunks_tenant_id_collection_id_idx ON chunks (tenant_id, collection_id)
    """,
    """
    CREATE INDEX chunks_embedding_384_idx ON chunks USING hnsw ((embedding::vector(384)) vector_cosine_ops)
        WHERE vector_dims(embedding) = 384
    """,
    """
    CREATE INDEX chunks_embedding_768_idx ON chunks USING hnsw ((embedding::vector(768)) vector_cosine_ops)
        WHERE vector_dims(embedding) = 768
    """,
    """
    CREATE INDEX chunks_embedding_1024_idx ON chunks USING hnsw ((embedding::vector(1024)) vector_cosine_ops)
        WHERE vector_dims(embedding) = 1024
    """,
    """
    CREATE INDEX chunks_embedding_1536_idx ON chunks USING hnsw ((embedding::vector(1536)) vector_cosine_ops)
        WHERE vector_dims(embedding) = 1536
    """,
    """
    CREATE INDEX chunks_embedding_3072_idx ON chunks USING hnsw ((embedding::halfvec(3072)) halfvec_cosine_ops)
        WHERE vector_dims(embedding) = 3072
    """,
    """
    CREATE TABLE rag_queries (
        tenant_id UUID NOT NULL,
        id UUID NOT NULL,
        collection_id UUID NOT NULL,
        agent_id UUID,
        conversation TEXT,
        query_text TEXT NOT NULL,
        chunk_ids UUID[] DEFAULT '{}'::uuid[] NOT NULL,
        scores DOUBLE PRECISION[] DEFAULT '{}'::float8[] NOT NULL,
        top_score DOUBLE PRECISION,
        strategy TEXT DEFAULT 'similarity' NOT NULL,
        filters JSONB DEFAULT '{}'::jsonb NOT NULL,
        latency_ms DOUBLE PRECISION,
        feedback_rating BIGINT,
        feedback_comment TEXT,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT rag_queries_pkey PRIMARY KEY (tenant_id, id),
        CONSTRAINT rag_queries_top_score_check CHECK (top_score >= 0 AND top_score <= 1),
        CONSTRAINT rag_queries_scores_check
            CHECK (cardinality(scores) = cardinality(chunk_ids) AND 0 <= ALL (scores) AND 1 >= ALL (scores)),
        CONSTRAINT rag_queries_latency_check CHECK (latency_ms >= 0),
        CONSTRAINT rag_queries_feedback_check CHECK (feedback_rating BETWEEN -1 AND 1),
        CONSTRAINT rag_queries_tenant_id_collection_id_fkey FOREIGN KEY (tenant_id, collection_id)
            REFERENCES collections (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT rag_queries_tenant_id_agent_id_fkey FOREIGN KEY (tenant_id, agent_id)
            REFERENCES agents (tenant_id, id) ON DELETE SET NULL (agent_id),
        CONSTRAINT rag_queries_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX rag_queries_tenant_id_collection_id_id_idx ON rag_queries (tenant_id, collection_id, id)
    """,
    """
    CREATE INDEX rag_queries_tenant_id_agent_id_idx ON rag_queries (tenant_id, agent_id) WHERE agent_id IS NOT NULL
    """,
)

# A document counts in its collection while it is not deleted, and so do its chunks. A statement's changes are summed
# up first: the collection's row is written once.
COUNT_DOCUMENTS = """
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE collections c SET document_count = c.document_count + n.documents, chunk_count = c.chunk_count + n.chunks
        FROM (
            SELECT tenant_id, collection_id, sum(sign) AS documents, sum(sign * chunk_count) AS chunks
            FROM ({changes}) changes WHERE deleted_at IS NULL GROUP BY tenant_id, collection_id
        ) n
        WHERE c.tenant_id = n.tenant_id AND c.id = n.collection_id AND (n.documents, n.chunks) <> (0, 0);
        RETURN NULL;
    END
    $$
"""
COUNT_CHUNKS = """
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE documents d SET chunk_count = d.chunk_count + n.chunks
        FROM (
            SELECT tenant_id, document_id, sum(sign) AS chunks FROM ({changes}) changes GROUP BY tenant_id, document_id
        ) n
        WHERE d.tenant_id = n.tenant_id AND d.id = n.document_id AND n.chunks <> 0;
        RETURN NULL;
    END
    $$
"""
ADDED, GONE = "SELECT 1 AS sign, * FROM added", "SELECT -1 AS sign, * FROM gone"
VERBS = {
    "INSERT": ("NEW TABLE AS added", ADDED),
    "UPDATE": ("OLD TABLE AS gone NEW TABLE AS added", f"{ADDED} UNION ALL {GONE}"),
    "DELETE": ("OLD TABLE AS gone", GONE),
}
COUNTED = {"documents": COUNT_DOCUMENTS, "chunks": COUNT_CHUNKS}


def upgrade() -> None:
    """Make the tables, force row-level security on them, grant each role its verbs."""
    check_extension()
    for statement in TABLES:
        op.execute(statement)
    for table in ("collections", "documents", "chunks", "rag_queries"):
        for statement in protect(table):
            op.execute(statement)
    for table in ("collections", "documents"):
        op.execute(touch_updated_at(table))
    for table, function in COUNTED.items():
        for verb, (rows, changes) in VERBS.items():
            name = f"count_{table}_on_{verb.lower()}"
            op.execute(function.format(name=name, changes=changes))
            op.execute(
                f"CREATE TRIGGER {name} AFTER {verb} ON {table} REFERENCING {rows} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
            )


def check_extension() -> None:
    """Raise ConfigError unless a superuser made the extension, of a release whose scans go on until enough is found."""
    found = op.get_bind().execute(text("SELECT extversion FROM pg_extension WHERE extname = 'vector'")).scalar()
    if found is None:
        raise ConfigError(
            "the database lacks the extension vector (pgvector): install it on the server, then set "
            "AGENT_MONITOR_DATABASE_ADMIN_URL or run CREATE EXTENSION vector in this database as a superuser"
        )
    if tuple(map(int, found.split(".")[:2])) < (0, 8):
        raise ConfigError(
            f"the extension vector (pgvector) is {found}, and 0.8 is needed: ALTER EXTENSION vector UPDATE"
        )


def downgrade() -> None:
    """Undo `upgrade`."""
    for table in ("rag_queries", "chunks", "documents", "collections"):
        op.execute(f"DROP TABLE {table}")
    for table in COUNTED:
        for verb in VERBS:
            op.execute(f"DROP FUNCTION count_{table}_on_{verb.lower()}()")
