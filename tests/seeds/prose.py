"""Names of fields out of a list that says them in words, one bullet for one or more fields. Pure.

`fields_of("Started and completed timestamps")` → `["started_at", "completed_at"]`. A bullet is a head, and notes in
parentheses: mostly examples or types, which are dropped; after a head that only groups, the fields themselves.
"""

import re

# Heads that name no field of their own: the fields stand in the parentheses, with this in front of their names.
GROUPS = {
    "resource limits": "",
    "contact information": "contact_",
    "profile info": "",
    "model configuration": "",
    "chunking configuration": "chunk_",
    "progress tracking": "",
}
STANDARD = ("created_at", "updated_at", "deleted_at")
"""What a document calls its standard timestamps: it lists the three under its principles."""
WHOLE = {
    "unique identifier": ("id",),
    "standard timestamps": STANDARD,
    "timeout and retry configuration": ("timeout", "retry"),
    "period start and end timestamps": ("period_start", "period_end"),
    "old and new values": ("old_values", "new_values"),
    "resource type and resource id": ("resource_type", "resource_id"),
    "tool calls and results": ("tool_calls", "tool_results"),
    "tool input and output": ("tool_input", "tool_output"),
    "input and output data": ("input_data", "output_data"),
    "ip address and user agent": ("ip_address", "user_agent"),
    "error message and error code": ("error_message", "error_code"),
    "name and url-friendly slug": ("name", "slug"),
    "workflow definition": ("definition",),
    "expiration timestamp": ("expires_at",),
    "vector embedding": ("embedding",),
    "chunk content": ("content",),
    "key name": ("name",),
    "command to start server": ("command",),
    "processing status": ("status",),
    "tool parameters": ("tool_parameters",),
    "uploaded by user reference": ("uploaded_by",),
    "created by user reference": ("created_by",),
    "server name and slug": ("name", "slug"),
    "list of agent ids involved": ("agent_ids",),
    "latency in milliseconds": ("latency_ms",),
    "execution time in milliseconds": ("execution_time_ms",),
    "response time in milliseconds": ("response_time_ms",),
    "file size in bytes": ("file_size_bytes",),
    "is public": ("is_public",),
    "timestamp": ("timestamp",),
}
"""Heads whose fields follow from no rule below."""
_TIMESTAMPS = re.compile(r"(?P<words>.+?) timestamps?$")
_NOTE = re.compile(r"\s*\(([^()]*)\)")
_TAIL = re.compile(r"\s+(?:used|returned|performed|applied|being executed|in document|array|string|flag|hash)$")
# "Key hash" is the hash of a key and "Password hash" a field's name: the word stays there.
_KEEPS = ("password hash", "key hash")


def _snake(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", words.strip().lower()).strip("_")


def _parts(words: str) -> list[str]:
    """`a, b, and c` or `a/b` as its parts."""
    found = re.split(r",\s*(?:and\s+)?|\s+and\s+|/", words)
    return [part for part in (one.strip() for one in found) if part and part not in ("etc.", "etc")]


def _references(head: str) -> list[str] | None:
    match = re.fullmatch(r"(?:optional )?references? to (.+)", head)
    if match is None:
        return None
    return [f"{_snake(part)}_id" for part in _parts(match[1])]


def fields_of(bullet: str) -> list[str]:
    """The fields that one bullet names, at least one."""
    notes = _NOTE.findall(bullet)
    head = re.sub(r"\s+", " ", _NOTE.sub("", bullet)).split(" - ")[0].strip().lower()
    if head in WHOLE:
        return list(WHOLE[head])
    typed = any(note.lower().startswith("jsonb") for note in notes)
    if head in GROUPS and notes and not typed:
        prefix = GROUPS[head]
        return [name if name.startswith(prefix) else prefix + name for name in map(_snake, _parts(notes[0]))]
    references = _references(head)
    if references is not None:
        return references
    match = _TIMESTAMPS.fullmatch(head)
    if match is not None:
        return [f"{_snake(part)}_at" for part in _parts(match["words"])]
    made = []
    for part in _parts(head):
        name = part if part in _KEEPS else _TAIL.sub("", part)
        made.append(_snake(name))
    return made
