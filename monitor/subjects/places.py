"""Where data of a person is stored, table by table: which rows are theirs, and what becomes of them by an erasure.

What is theirs alone is deleted. Of what others need (the ledger, a team's conversation, who acknowledged what) the
rows stay, and what names the person or was written by them is blanked. Order counts: what is found by other rows comes
before those. After these, every other text in the tenant is searched for the person (`steps`).

In SQL `t` is the row, `:user` the person's id, `:names` what they are called; `:alias` is the id that takes the place
of theirs, and `:word` the word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

USER = "CAST(:user AS uuid)"
ALIAS = "CAST(:alias AS uuid)"
WORD = "CAST(:word AS text)"
NAMED = "ANY (CAST(:names AS text[]))"
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """Rows of a table that are a person's, by the condition `whose`.

    `blank`: columns and what they are set to; None: the rows are deleted. `goes_with`: they are, with what they refer
    to. `tenant`: the column that says whose table it is; None: everybody's. `sealed`: never handed out.
    """

    table: str
    whose: str
    blank: Mapping[str, str] | None = None
    goes_with: str | None = None
    tenant: str | None = "tenant_id"
    sealed: tuple[str, ...] = field(default=())


def _by(table: str, *columns: str, texts: Mapping[str, str] = NOTHING) -> Place:
    """What they did: it stays known, of somebody without a name. `texts`: what they wrote on the occasion."""
    whose = " OR ".join(f"t.{name} = {NAMED}" for name in columns)
    somebody = f"CASE WHEN t.{{0}} = {NAMED} THEN 'user:' || {ALIAS} ELSE t.{{0}} END"
    return Place(table, whose, {name: somebody.format(name) for name in columns} | dict(texts))


def _made(table: str, column: str, **more: str) -> Place:
    """What they made for all: it stays, and nobody is said to have made it."""
    return Place(table, f"t.{column} = {USER}", {column: "NULL"} | more)


_OF_TENANT = "tenant_id = CAST(:tenant AS uuid)"
_THEIRS = f"(c.user_id = {USER} OR c.user_ref = {NAMED})"
_ALONE = f"""c.{_OF_TENANT} AND {_THEIRS} AND NOT EXISTS (
    SELECT FROM messages o WHERE o.tenant_id = c.tenant_id AND o.conversation_id = c.id AND o.user_ref <> ALL
    (CAST(:names AS text[])))"""
"""Conversations `c` that they led with agents and nobody else: all that was said there is about them."""
_IN_ALONE = f"IN (SELECT c.id FROM conversations c WHERE {_ALONE})"
_NAMES_ALONE = f"IN (SELECT c.external_id FROM conversations c WHERE {_ALONE})"
_WROTE = f"""{{0}}.user_ref = {NAMED} OR ({{0}}.user_ref IS NULL AND {{0}}.role = 'user' AND {{0}}.conversation_id IN
    (SELECT c.id FROM conversations c WHERE c.{_OF_TENANT} AND {_THEIRS}))"""
_TASKS = f"u.{_OF_TENANT} AND (u.user_ref = {NAMED} OR u.conversation {_NAMES_ALONE})"
_EMPTY = "'{}'::jsonb"
_NO_LIST = "'[]'::jsonb"

TALKS = (
    _by("scores", "given_by", texts={"comment": "NULL"}),
    Place(
        "tool_executions",
        f"t.conversation {_NAMES_ALONE} OR t.task_id IN (SELECT u.id FROM tasks u WHERE {_TASKS})",
        {"parameters": "NULL", "result": "NULL", "error_message": "NULL", "metadata": _EMPTY},
    ),
    Place(
        "agent_interactions",
        f"t.task_id IN (SELECT u.id FROM tasks u WHERE {_TASKS})",
        {"message": "NULL", "payload": "NULL"},
    ),
    # Were they kept, the tasks would be assembled from them anew.
    Place(
        "spans",
        f"t.facts->>'user' = {NAMED} OR t.facts->>'conversation' {_NAMES_ALONE}"
        f" OR t.trace_id IN (SELECT u.trace_id FROM tasks u WHERE {_TASKS})",
    ),
    Place(
        "traces",
        f"t.conversation {_NAMES_ALONE} OR t.trace_id IN (SELECT u.trace_id FROM tasks u WHERE {_TASKS})",
        {"words": "''"},
    ),
    Place("rag_queries", f"t.conversation {_NAMES_ALONE}"),
    Place("agent_states", f"t.conversation {_NAMES_ALONE}"),
    Place(
        "tasks",
        f"t.user_ref = {NAMED} OR t.conversation {_NAMES_ALONE}",
        {
            "user_ref": WORD, "description": "''", "input": "NULL", "output": "NULL", "error_message": "NULL",
            "traceback": "NULL", "metadata": _EMPTY,
        },
    ),
    Place(
        "workflow_executions",
        f"t.user_id = {USER} OR t.initiator = {NAMED} OR t.conversation {_NAMES_ALONE}",
        {
            "user_id": "NULL", "initiator": WORD, "description": "NULL", "input": "NULL", "output": "NULL",
            "error_message": "NULL", "metadata": _EMPTY,
        },
    ),
    Place("model_calls", f"t.user_ref = {NAMED}", {"user_ref": WORD, "metadata": _EMPTY}),
    Place("usage_hours", f"t.user_ref = {NAMED}", {"user_ref": WORD}),
    Place("usage_metrics", f"t.user_id = {USER}", {"user_id": ALIAS}),
    Place("budgets", f"t.scope = 'user' AND t.target = {NAMED}", {"target": WORD}),
    Place(
        "message_edits",
        f"t.conversation_id {_IN_ALONE} OR t.message_id IN"
        f" (SELECT m.id FROM messages m WHERE m.{_OF_TENANT} AND ({_WROTE.format('m')}))",
    ),
    _by("message_edits", "edited_by"),
    Place("message_names", f"t.conversation_id {_IN_ALONE}"),
    Place("messages", f"t.conversation_id {_IN_ALONE}"),
    Place("conversations", f"t.id {_IN_ALONE}"),
    Place(
        "messages",
        _WROTE.format("t"),
        {
            "user_ref": WORD, "content": "''", "tool_calls": "NULL", "tool_results": "NULL", "attachments": _NO_LIST,
            "metadata": _EMPTY,
        },
    ),
    Place(
        "conversations",
        f"t.user_id = {USER} OR t.user_ref = {NAMED} OR t.participants && CAST(:names AS text[])",
        {
            "user_id": f"CASE WHEN t.user_id = {USER} THEN NULL ELSE t.user_id END",
            "user_ref": f"CASE WHEN t.user_ref = {NAMED} THEN {WORD} ELSE t.user_ref END",
            "participants": f"ARRAY(SELECT CASE WHEN p.one = {NAMED} THEN {WORD} ELSE p.one END"
            " FROM unnest(t.participants) WITH ORDINALITY AS p (one, place) ORDER BY p.place)",
            "summary": "''", "title": "''", "context": _EMPTY, "metadata": _EMPTY,
        },
    ),
)  # fmt: skip
"""What they said to agents and had them do, and what that cost."""

WORK = (
    _by("alert_events", "actor", texts={"details": "t.details - 'comment'"}),
    _by("alerts", "acknowledged_by", "snoozed_by"),
    _by("silences", "created_by", texts={"comment": "''"}),
    _by("silences", "expired_by"),
    _by("inhibitions", "created_by"),
    _by("alert_configs", "created_by"),
    _by("alert_config_versions", "changed_by"),
    _by("agent_versions", "changed_by"),
    _by("rule_packs", "created_by"),
    _by("retention_policies", "created_by"),
    _by("error_groups", "status_by"),
    _by("deployments", "created_by", texts={"description": "NULL"}),
    _by("data_requests", "requested_by"),
    _by(
        "calendar_events",
        "created_by",
        texts={
            "title": f"CASE WHEN t.kind = 'event' THEN {WORD} ELSE t.title END", "description": "NULL",
            "location": "NULL",
        },
    ),
    # `leave_rotations` takes them out of the others when their membership goes.
    Place("calendar_events", f"{USER} = ANY (t.members)", {"members": f"array_remove(t.members, {USER})"}),
    _made("agents", "created_by"),
    _made("documents", "uploaded_by"),
    _made("mcp_server_configs", "created_by"),
    Place(
        "mcp_server_configs",
        f"{USER} = ANY (t.allowed_users)",
        {"allowed_users": f"array_remove(t.allowed_users, {USER})"},
    ),
    Place("api_keys", f"t.user_id = {USER}", {"user_id": "NULL"}, sealed=("key_hash",)),
    Place(
        "tenants",
        f"lower(t.contact_email) = {NAMED}",
        {"contact_email": "NULL", "contact_name": "NULL"},
        tenant="id",
        sealed=("settings", "fallback_channel"),
    ),
)  # fmt: skip
"""What they did and made here."""

REACHED = (
    Place("paces", f"t.target = {NAMED}", sealed=("secret",)),
    Place("drills", f"t.target = {NAMED}"),
    Place("notification_groups", f"t.target = {NAMED}", {"secret": "NULL", "target": WORD}, sealed=("secret",)),
    Place(
        "notifications",
        f"t.target = {NAMED}",
        {"target": WORD, "status": "CASE WHEN t.status IN ('pending', 'sending') THEN 'withheld' ELSE t.status END"},
    ),
    # The address stays shut, under the name that takes its place, for rules that still send there.
    Place("bounces", f"t.address = {NAMED}", {"said": WORD}),
    _by("bounces", "cleared_by"),
)
"""What was sent to them."""

THEMSELVES = (
    Place("data_requests", f"t.user_id = {USER}", {"also": "'{}'", "user_id": "NULL"}, goes_with="users"),
    Place("contact_methods", f"t.user_id = {USER}", goes_with="memberships", sealed=("secret",)),
    Place("user_sessions", f"t.user_id = {USER}", goes_with="memberships", sealed=("token_hash",)),
    Place("memberships", f"t.user_id = {USER}", goes_with="memberships"),
    Place("user_identities", f"t.user_id = {USER}", goes_with="users", tenant=None),
    Place("users", f"t.id = {USER}", goes_with="users", tenant=None, sealed=("password_hash",)),
)
"""Who they are: it goes last, at once, as all the rest is found by it."""

TRAIL = Place(
    "audit_logs",
    f"t.user_id = {USER}",
    dict.fromkeys(
        (
            "actor", "user_id", "resource_id", "old_values", "new_values", "metadata", "error_message", "ip_address",
            "user_agent",
        ),
        "forget_in_trail()",
    ),
    goes_with="forget_in_trail()",
)  # fmt: skip
"""What was done, to what and when, stays; nobody but its own function may change anything there."""

PLACES = (*TALKS, *WORK, *REACHED, TRAIL, *THEMSELVES)
STEPS = tuple(place for place in PLACES if place.goes_with is None)

KEPT: Mapping[tuple[str, str], str] = MappingProxyType({
    ("data_requests", "id"): "stands for whoever was erased; nothing says any more whom",
    ("alert_configs", "owner"): "words for a team; searched as every text is",
    ("alert_configs", "channels"): "searched as every text is",
    ("channels", "target"): "a channel of all; searched as every text is",
    ("tenants", "contact_name"): "goes with `contact_email`",
    ("agent_live", "active_by"): "a kind of news, no person",
    ("notifications", "claimed_by"): "a process",
})  # fmt: skip
"""Columns that look like a person's and are left to the search, or are none."""

TEXTS = ("comment", "content", "description", "location", "message", "note", "notes", "text", "title")
"""Fields of entries of the audit trail that hold what somebody wrote, where that was the person."""
FACTS = ("avatar_url", "email", "first_name", "last_name", "name", "username")
"""Fields of entries about the person that say who they are."""
