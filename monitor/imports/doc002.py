"""Document 002: a platform of tenants, each with users, agents, conversations, workflows, knowledge, MCP servers, keys,
usage and a trail."""

from datetime import datetime

from monitor.audit.tables import AuditLog
from monitor.conversations.tables import Conversation
from monitor.identity.tables import ApiKey
from monitor.ids import microseconds, uuid7_named
from monitor.imports import agents, calls, keys, knowledge, people, runs, servers, talks
from monitor.imports.given import Given, LeftOut
from monitor.imports.into import Into
from monitor.imports.source import Source
from monitor.imports.step import BY_TENANT, Step, Values, row, rows_of, same
from monitor.principal import TenantStatus
from monitor.runs.model import Execution
from monitor.runs.names import RunKind
from monitor.runs.tables import Workflow
from monitor.usage.statement_tables import UsageMetric

_PLANS = frozenset({"free", "starter", "pro", "enterprise"})
_MEMBERS = frozenset({"active", "inactive", "suspended"})
_WORKFLOWS = {status: status for status in ("draft", "active", "archived")} | {"inactive": "archived"}
_OUTCOMES = {"success": "success"} | dict.fromkeys(("failure", "failed", "error"), "failure")
_NUMBERED = """(
    coalesce(conversation_id::text, '') || lpad(coalesce(sequence_number, 0)::text, 19, '0')
    || to_char(created_at, 'YYYY-MM-DD HH24:MI:SS.US') || id::text
) COLLATE "C" """
"""In the order in which messages are numbered."""


async def look(into: Into, source: Source) -> None:
    """Learn what is here."""
    await people.look(into, source, "tenants")
    await knowledge.look(into)
    await servers.look(into, source)


def _user(given: Given) -> tuple[Values, Values]:
    """One address is one user, with a membership for each row."""
    user, at = people.user(given, of="tenant_id"), given.times()
    name = " ".join(part for part in (given["first_name"], given["last_name"]) if part) or None
    user |= {
        "name": name, "first_name": given["first_name"], "last_name": given["last_name"],
        "username": people.username(given), "avatar_url": people.avatar(given),
        "email_verified_at": people.verified_at(given), "last_login_at": given["last_login_at"],
        "deleted_at": given["deleted_at"],
    }  # fmt: skip
    return user, {
        "user_id": user["id"],
        "role": people.role(given),
        "status": given.word("status", _MEMBERS, "active" if given["status"] is None else "inactive"),
        "permissions": given["permissions"] or [],
        **at,
    }


def _agent(given: Given) -> Values:
    given.belong()
    return agents.numbered(given, given["slug"] or given.key)


def _key(given: Given) -> Values:
    """A digest of another kind than ours cannot be checked: such a key is revoked. What was deleted is, too."""
    given.belong()
    hashed = given["key_hash"]
    active = given["status"] in (None, "active", "expired") and given["deleted_at"] is None
    if active and not keys.is_digest(hashed):
        given.note("a digest that is no SHA-256 cannot be checked: the key is revoked")
    return {
        **{name: given[name] for name in ("id", "name", "key_hash", "expires_at", "last_used_at")},
        "user_id": given.user("user_id"),
        "prefix": given["key_prefix"] or hashed[:8],
        "scopes": keys.scopes(given, [*(given["scopes"] or []), *(given["permissions"] or [])]),
        "status": "active" if active and keys.is_digest(hashed) else "revoked",
        **given.times(),
        "metadata": given.metadata(),
    }


def _usage(given: Given) -> Values:
    given.belong()
    start, end, value = given["period_start"], given["period_end"], given["metric_value"]
    if start is None or end is None or end <= start or value is None or value < 0:
        raise LeftOut("its period is none, or its value below zero")
    return {
        "id": uuid7_named(microseconds(start), given.key),
        **{name: given[name] for name in ("metric_type", "metric_value", "agent_id", "period_start", "period_end")},
        "user_id": given.user("user_id"),
        "recorded_at": given["recorded_at"] or given.into.now,
        "metadata": given.metadata() | {"imported_id": given.key},
    }


def _deed(given: Given) -> Values:
    given.belong()
    user_id = given.user("user_id")
    return {
        "id": uuid7_named(microseconds(given["timestamp"] or given.into.now), given.key),
        "actor": "system" if user_id is None else f"user:{user_id}",
        "user_id": user_id,
        **{name: given[name] for name in ("action", "resource_type", "resource_id", "old_values", "new_values")},
        **{name: given[name] for name in ("ip_address", "user_agent", "error_message")},
        "status": given.word("status", _OUTCOMES, "success"),
        "metadata": given.metadata() | {"imported_id": given.key},
    }


def _started(given: Given) -> datetime:
    at: datetime = given["started_at"] or given.times()["created_at"]
    return at


_TIMES = {
    "created_at": lambda given: given.times()["created_at"],
    "updated_at": lambda given: given.times()["updated_at"],
}
_TENANTS = Step("tenants", row({
    **same("id", "name", "max_agents", "daily_requests", "monthly_tokens", "contact_email", "contact_name"),
    "slug": people.slug("slug"),
    "status": lambda given: given.word("status", [*TenantStatus], TenantStatus.ACTIVE.value),
    "plan": lambda given: given.word("plan_type", _PLANS, "free"),
    "settings": lambda given: given.object("settings"),
    "deleted_at": "deleted_at",
    **_TIMES,
    "metadata": Given.metadata,
}), people.put_tenants)  # fmt: skip
_AGENTS = Step("agents", agents.columns(_agent, {
    **same("description", "system_prompt", "version", "deleted_at"),
    "model_provider": "provider",
    "model": "model_name",
    "temperature": lambda given: given.within("temperature", 0, 2),
    "max_tokens": lambda given: given.within("max_tokens", 1),
    "capabilities": lambda given: given.texts("capabilities"),
    "tools": lambda given: given.texts("tools"),
    "timeout_seconds": lambda given: given.within("timeout", 1),
    "max_iterations": lambda given: given.within("max_iterations", 1),
    "memory_enabled": lambda given: bool(given["memory_enabled"]),
    "status": agents.status,
    "tags": lambda given: given.labels("tags"),
    "config": lambda given: given.object("config"),
    "metadata": Given.metadata,
}), agents.put)  # fmt: skip
_CONVERSATIONS = Step("conversations", row({
    **same("id", "deleted_at"),
    "external_id": lambda given: given.key,
    "title": lambda given: given["title"] or "",
    "summary": lambda given: given["summary"] or "",
    "status": lambda given: given.word("status", talks.STATUSES, "active"),
    "agent_id": Given.agent,
    "user_id": lambda given: given.user("user_id"),
    "context": lambda given: given.object("context"),
    "started_at": _started,
    "last_activity_at": _started,
    "completed_at": lambda given: given.ended(_started(given), "completed_at"),
    **_TIMES,
    "metadata": Given.metadata,
}, of="tenant_id"), rows_of(Conversation))  # fmt: skip
_MESSAGES = Step("messages", talks.saying({
    "conversation": lambda given: str(given["conversation_id"]),
    "name": lambda given: given.key,
    "role": talks.role(),
    "content": lambda given: given["content"] or "",
    "at": "created_at",
    **same("model", "token_count", "latency_ms", "tool_calls", "tool_results"),
    "metadata": Given.metadata,
}, of="tenant_id"), talks.put, order=_NUMBERED)  # fmt: skip
_WORKFLOW_ROWS = Step("workflows", row({
    **same("id", "name", "description", "deleted_at"),
    "slug": lambda given: given["slug"] or given.key,
    "definition": lambda given: given.object("definition"),
    "agent_ids": lambda given: given.texts("agent_ids"),
    "timeout_seconds": lambda given: given.within("timeout", 1),
    "retry": lambda given: given.object("retry"),
    "status": lambda given: given.word("status", _WORKFLOWS, "active"),
    "version": lambda given: given.within("version", 1) or 1,
    "tags": lambda given: given.labels("tags"),
    **_TIMES,
    "metadata": Given.metadata,
}, of="tenant_id"), rows_of(Workflow))  # fmt: skip
_EXECUTIONS = Step("workflow_executions", runs.draft(Execution, {
    **same("workflow_id", "current_step", "error_message"),
    "name": lambda given: given.key,
    "user_id": lambda given: given.user("user_id"),
    "steps_completed": lambda given: calls.steps(given)[0],
    "steps_total": lambda given: calls.steps(given)[1],
    "input": "input_data",
    "output": "output_data",
    "metadata": Given.metadata,
}, of="tenant_id"), runs.put(RunKind.EXECUTION), order=BY_TENANT)  # fmt: skip
STEPS = (
    _TENANTS,
    Step("users", _user, people.put_users),
    _AGENTS,
    _CONVERSATIONS,
    _MESSAGES,
    _WORKFLOW_ROWS,
    _EXECUTIONS,
    *servers.STEPS,
    Step("tool_executions", calls.call, runs.put(RunKind.TOOL), order=BY_TENANT),
    Step("mcp_tool_executions", calls.mcp_call, runs.put(RunKind.TOOL), order=BY_TENANT),
    *knowledge.STEPS,
    Step("api_keys", _key, rows_of(ApiKey)),
    Step("usage_metrics", _usage, rows_of(UsageMetric)),
    Step("audit_logs", _deed, rows_of(AuditLog)),
)
LEFT_OUT: dict[str, str] = {}
NOT_READ = {
    "messages.sequence_number": "read in this order and numbered anew, from 1 without gaps",
    "workflow_executions.updated_at": "changed, at the latest, when it is brought",
    "collections.document_count": "counted here as documents come",
    "collections.total_chunks_count": "counted here as chunks come",
    "documents.chunk_count": "counted here as chunks come",
}
