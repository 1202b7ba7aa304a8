"""Tables of a document that has no statements for them, written from its lists of fields."""

import re
from collections.abc import Iterator

from tests.seeds import names

_TYPES = (
    (r"id|.*_id|uploaded_by|created_by", "uuid"),
    (r".*_at|timestamp|period_(start|end)", "timestamptz"),
    (r"embedding", "jsonb"),
    (r"tags|capabilities|tools|scopes|permissions|agent_ids|allowed_users", "jsonb"),
    (r"settings|metadata|config|context|definition|retry|filters|results|user_feedback", "jsonb"),
    (r"tool_.*s|tool_(input|output|result)|input_data|output_data|(old|new)_values", "jsonb"),
    (r"configuration_.*|environment_variables|resource_(limits|definitions)", "jsonb"),
    (r"is_.*|.*enabled", "boolean"),
    (r"temperature|top_result_score", "double precision"),
    (r".*_ms|.*_count|.*_bytes|max_.*|daily_requests|monthly_tokens|chunk_.*|position|sequence_number", "bigint"),
    (r"timeout|steps_.*|metric_value", "bigint"),
    (r"ip_address", "inet"),
)
_WORDS = {"tool_name", "server_instance_id", "resource_id"}
"""Fields that are text though their names sound otherwise."""
_NUMBERS = {("workflows", "version"): "bigint"}


def type_of(table: str, field: str) -> str:
    """What a field is to be, by its name."""
    if field in _WORDS:
        return "text"
    if (table, field) in _NUMBERS:
        return _NUMBERS[table, field]
    return next((kind for pattern, kind in _TYPES if re.fullmatch(pattern, field)), "text")


def statements(number: str) -> Iterator[str]:
    """CREATE TABLE of every table of a document that lists fields, each with `id` as its key."""
    for table, fields in names.known()[number].has.tables.items():
        if fields:
            said = [f'"{field}" {type_of(table, field)}' for field in fields]
            yield f"CREATE TABLE {table} ({', '.join(said)}, PRIMARY KEY (id))"
