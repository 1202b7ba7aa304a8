"""Document 002: a platform of tenants, each with users, agents, conversations, workflows, keys, usage and a trail."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.audit.tables import AuditLog
from monitor.identity.tables import ApiKey
from monitor.ids import microseconds, uuid7_named, uuid7_time
from monitor.imports import conduct, people, talks
from monitor.imports.into import Into, Step, mended
from monitor.imports.people import agent_of, home
from monitor.imports.report import Report
from monitor.imports.source import Row, Source
from monitor.imports.writing import Writing, together
from monitor.principal import Scope, TenantStatus
from monitor.usage.statement_tables import UsageMetric

_PLANS = frozenset({"free", "starter", "pro", "enterprise"})
_LIMITS = ("max_agents", "daily_requests", "monthly_tokens")
_BY_TENANT = """(coalesce(tenant_id::text, '') || id::text) COLLATE "C" """
"""So that a batch is of few tenants, each of which takes statements of its own."""
_NUMBERED = """(
    coalesce(conversation_id::text, '') || lpad(coalesce(sequence_number, 0)::text, 19, '0')
    || to_char(created_at, 'YYYY-MM-DD HH24:MI:SS.US') || id::text
) COLLATE "C" """
"""In the order in which messages are numbered."""
_DIGEST = 64
"""Characters of a SHA-256 in hexadecimal."""


async def look(into: Into, source: Source) -> None:
    """Learn what is here."""
    await people.look(into, source, "tenants")


async def _tenants(into: Into, rows: list[Row], report: Report) -> Writing:
    made = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        status, plan = row["status"] or "active", row["plan_type"] or "free"
        if status not in set(TenantStatus):
            report.note(f"the status {status!r} is not known here: imported as active", key)
            status = TenantStatus.ACTIVE.value
        if plan not in _PLANS:
            report.note(f"the plan {plan!r} is not known here: imported as free", key)
            plan = "free"
        made.append(
            {
                "id": row["id"],
                "slug": people.slug_of(into, row["slug"] or row["name"], row["id"], report, key),
                "status": status,
                "plan": plan,
                **{name: row[name] for name in ("name", *_LIMITS, "contact_email", "contact_name")},
                "settings": row["settings"] or {},
                "metadata": row["metadata"] or {},
                "deleted_at": row["deleted_at"],
                **people.times(row, into),
            }
        )
    return people.founded(into, made, report)


async def _users(into: Into, rows: list[Row], report: Report) -> Writing:
    """One address is one user, with a membership for each row."""
    users, memberships = [], []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = home(into, row["tenant_id"], report, key)
        if tenant_id is None or not people.addressed(row, report, key):
            into.users.pop(row["id"], None)
            continue
        user_id, at = into.users[row["id"]], people.times(row, into)
        if user_id != row["id"]:
            report.note("a user of this address is here already: it is a member of this tenant, too", key)
        users.append(people.user(row, user_id, at))
        status = row["status"] or "active"
        if status not in people.MEMBER_STATUSES:
            report.note(f"the status {status!r} is not known here: imported as inactive", key)
            status = "inactive"
        role = people.role_of(row["role"], report, key)
        more = {"status": status, "permissions": row["permissions"] or []}
        memberships.append({"tenant_id": tenant_id, "user_id": user_id, "role": role, **more, **at})
    return people.joined(into, users, memberships, report)


async def _conversations(into: Into, rows: list[Row], report: Report) -> Writing:
    made = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = home(into, row["tenant_id"], report, key)
        if tenant_id is None:
            continue
        imported: dict[str, Any] = {}
        at = people.times(row, into)
        started, completed = row["started_at"] or at["created_at"], row["completed_at"]
        if completed is not None and completed < started:
            report.note("an end before the start was left out; it stands in metadata.imported", key)
            imported["completed_at"], completed = completed.isoformat(), None
        status = row["status"] or "active"
        if status not in talks.STATUSES:
            report.note(f"the status {status!r} is not known here: imported as active", key)
            imported["status"], status = status, "active"
        values = {
            "id": row["id"],
            "external_id": key,
            "title": row["title"] or "",
            "summary": row["summary"] or "",
            "status": status,
            "agent_id": agent_of(into, tenant_id, row["agent_id"], report, key),
            "user_id": into.users.get(row["user_id"]),
            "context": row["context"] or {},
            "metadata": {**(row["metadata"] or {}), **({"imported": imported} if imported else {})},
            "started_at": started,
            "last_activity_at": started,
            "completed_at": completed,
            "deleted_at": row["deleted_at"],
            **at,
        }
        made.append((tenant_id, values))
    parts = people.grouped(made).items()
    return together([(tenant_id, talks.opened(into.of(tenant_id), some, report)) for tenant_id, some in parts])


async def _messages(into: Into, rows: list[Row], report: Report) -> Writing:
    said = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = home(into, row["tenant_id"], report, key)
        if tenant_id is None:
            continue
        imported: dict[str, Any] = {}
        one = talks.Said(
            conversation=str(row["conversation_id"]),
            name=key,
            role=talks.role_of(row["role"], imported, report, key),
            content=row["content"] or "",
            at=row["created_at"],
            model=row["model"],
            token_count=row["token_count"],
            latency_ms=row["latency_ms"],
            tool_calls=row["tool_calls"],
            tool_results=row["tool_results"],
        )
        one.metadata = {**(row["metadata"] or {}), **({"imported": imported} if imported else {})}
        said.append((tenant_id, one))
    parts = people.grouped(said).items()
    return together([(tenant_id, await talks.taken(into.of(tenant_id), some, report)) for tenant_id, some in parts])


async def _keys(into: Into, rows: list[Row], report: Report) -> Writing:
    """A digest of another kind than ours cannot be checked: such a key is revoked. What was deleted is, too."""
    made = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = home(into, row["tenant_id"], report, key)
        if tenant_id is None:
            continue
        hashed = row["key_hash"]
        words = list(dict.fromkeys([*(row["scopes"] or []), *(row["permissions"] or [])]))
        known = [word for word in words if word in set(Scope)]
        imported = {} if known == words else {"scopes": words}
        if imported:
            report.note("scopes that are none here grant nothing; they stand in the key's metadata", key)
        active = row["status"] in (None, "active", "expired") and row["deleted_at"] is None
        if active and not _digest(hashed):
            report.note("a digest that is no SHA-256 cannot be checked: the key is revoked", key)
        made.append(
            {
                "tenant_id": tenant_id,
                "id": row["id"],
                "user_id": into.users.get(row["user_id"]),
                "name": row["name"],
                "prefix": row["key_prefix"] or hashed[:8],
                "key_hash": hashed,
                "scopes": known,
                "status": "active" if active and _digest(hashed) else "revoked",
                "expires_at": row["expires_at"],
                "last_used_at": row["last_used_at"],
                "metadata": {**(row["metadata"] or {}), **({"imported": imported} if imported else {})},
                **people.times(row, into),
            }
        )
    report.kept += len(made)

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(insert(ApiKey).on_conflict_do_nothing(), made)

    return Writing(rows=write if made else None)


def _digest(text: str) -> bool:
    return len(text) == _DIGEST and not set(text) - set("0123456789abcdef")


async def _usage(into: Into, rows: list[Row], report: Report) -> Writing:
    made = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = home(into, row["tenant_id"], report, key)
        if tenant_id is None:
            continue
        start, end, value = row["period_start"], row["period_end"], row["metric_value"]
        if start is None or end is None or end <= start or value is None or value < 0:
            report.note("left out: its period is none, or its value below zero", key)
            continue
        made.append(
            {
                "tenant_id": tenant_id,
                "id": uuid7_named(microseconds(start), key),
                "metric_type": row["metric_type"],
                "metric_value": value,
                "agent_id": row["agent_id"],
                "user_id": into.users.get(row["user_id"]),
                "metadata": {**(row["metadata"] or {}), "imported_id": key},
                "recorded_at": row["recorded_at"] or into.now,
                "period_start": start,
                "period_end": end,
            }
        )
    return await _put(into, UsageMetric, made, report)


async def _trail(into: Into, rows: list[Row], report: Report) -> Writing:
    made = []
    for given in rows:
        key = str(given["id"])
        row = mended(given, into, report, key)
        tenant_id = home(into, row["tenant_id"], report, key)
        if tenant_id is None:
            continue
        user_id = into.users.get(row["user_id"])
        same = ("action", "resource_type", "resource_id", "old_values", "new_values", "ip_address", "user_agent")
        made.append(
            {
                "tenant_id": tenant_id,
                "id": uuid7_named(microseconds(row["timestamp"] or into.now), key),
                "actor": "system" if user_id is None else f"user:{user_id}",
                "user_id": user_id,
                **{name: row[name] for name in same},
                "status": "failure" if row["status"] in ("failure", "failed", "error") else "success",
                "error_message": row["error_message"],
                "metadata": {**(row["metadata"] or {}), "imported_id": key},
            }
        )
    return await _put(into, AuditLog, made, report)


async def _put(into: Into, table: type[Any], made: list[dict[str, Any]], report: Report) -> Writing:
    """Rows under ids that are made of their times and their source's."""
    report.kept += len(made)
    await into.cover((table.__tablename__,), [uuid7_time(row["id"]) for row in made])

    async def write(connection: AsyncConnection) -> None:
        await connection.execute(insert(table).on_conflict_do_nothing(), made)

    return Writing(rows=write if made else None)


STEPS = (
    Step("tenants", ("id",), _tenants),
    Step("users", ("id",), _users),
    Step("agents", ("id",), conduct.agents_of),
    Step("conversations", ("id",), _conversations, order=_BY_TENANT),
    Step("messages", ("id",), _messages, order=_NUMBERED),
    Step("workflows", ("id",), conduct.workflows),
    Step("workflow_executions", ("id",), conduct.executions, order=_BY_TENANT),
    Step("tool_executions", ("id",), conduct.tools, order=_BY_TENANT),
    Step("mcp_tool_executions", ("id",), conduct.mcp_tools, order=_BY_TENANT),
    Step("api_keys", ("id",), _keys),
    Step("usage_metrics", ("id",), _usage),
    Step("audit_logs", ("id",), _trail),
)
_INDEXED = "not brought: documents are indexed anew here, by the model whose vectors searches are made with"
LEFT_OUT: Mapping[str, str] = {
    **dict.fromkeys(("collections", "documents", "chunks", "rag_queries"), _INDEXED),
    "mcp_servers": "not brought: calls name their server by the id that it had",
    "mcp_server_configs": "not brought: what stands there in plain text is entered anew, and sealed",
}
