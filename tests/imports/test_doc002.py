"""All of document 002 is brought, row for row, each to its tenant; and its tables are made as it lists their fields."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.imports import scratch as scratches
from tests.imports.conftest import RING, Bring
from tests.imports.doc002_known import document_002
from tests.imports.knowing import compare_knowledge, compare_servers
from tests.imports.made import Many, Rows
from tests.imports.stored import FEW, MANY, Stored, filled, plain, without
from tests.seeds import names

_SAME = {
    "tenants": ("name", "slug", "max_agents", "daily_requests", "monthly_tokens", "contact_email", "contact_name"),
    "agents": ("tenant_id", "name", "description", "system_prompt", "version", "status"),
    "workflows": ("tenant_id", "name", "slug", "description", "version"),
    "conversations": ("tenant_id", "agent_id", "completed_at"),
}
_TIMES = ("created_at", "updated_at", "deleted_at")


def _by(rows: Many, name: str = "id") -> dict[Any, dict[str, Any]]:
    made = {row[name]: row for row in rows}
    assert len(made) == len(rows)
    return made


async def _compare_kept(stored: Stored, given: Rows) -> None:
    """What stands in columns of the same name."""
    for table, columns in _SAME.items():
        found = _by(await stored.everywhere(f"SELECT * FROM {table}"))
        for row in given[table]:
            one = found[row["id"]]
            # Messages change a conversation's row after it was brought.
            kept = [*columns, *(name for name in _TIMES if (table, name) != ("conversations", "updated_at"))]
            assert {name: one[name] for name in kept} == {name: row[name] for name in kept}
            assert without(one["metadata"]) == (plain(row["metadata"]) or {})


async def _compare_settings(stored: Stored, given: Rows) -> None:
    tenants = _by(await stored.everywhere("SELECT * FROM tenants"))
    for row in given["tenants"]:
        one = tenants[row["id"]]
        assert one["status"] == ("active" if row["status"] == "trial" else row["status"])
        assert one["plan"] == ("free" if row["plan_type"] == "gold" else row["plan_type"])
        assert one["settings"] == (plain(row["settings"]) or {})
    agents = _by(await stored.everywhere("SELECT * FROM agents"))
    for row in given["agents"]:
        one = agents[row["id"]]
        bad = {name: row[name] for name, least, most in (
            ("temperature", 0, 2), ("max_tokens", 1, 10**9), ("timeout", 1, 10**9), ("max_iterations", 1, 10**9),
        ) if row[name] is not None and not least <= row[name] <= most}  # fmt: skip
        assert one["metadata"].get("imported", {}) == bad
        tags = plain(row["tags"])
        kept = {
            "external_id": row["slug"], "model_provider": row["provider"], "model": row["model_name"],
            "temperature": None if "temperature" in bad else row["temperature"],
            "max_tokens": None if "max_tokens" in bad else row["max_tokens"],
            "timeout_seconds": None if "timeout" in bad else row["timeout"],
            "max_iterations": None if "max_iterations" in bad else row["max_iterations"],
            "capabilities": plain(row["capabilities"]), "tools": plain(row["tools"]) or [],
            "memory_enabled": bool(row["memory_enabled"]), "config": plain(row["config"]) or {},
            "tags": dict.fromkeys(tags, "") if isinstance(tags, list) else tags or {},
        }  # fmt: skip
        assert {name: one[name] for name in kept} == kept
    workflows = _by(await stored.everywhere("SELECT * FROM workflows"))
    for row in given["workflows"]:
        one = workflows[row["id"]]
        kept = {
            "definition": plain(row["definition"]) or {}, "agent_ids": plain(row["agent_ids"]) or [],
            "timeout_seconds": row["timeout"], "retry": plain(row["retry"]) or {},
            "status": "archived" if row["status"] == "inactive" else row["status"], "tags": plain(row["tags"]) or {},
        }  # fmt: skip
        assert {name: one[name] for name in kept} == kept


async def _compare_people(stored: Stored, given: Rows) -> dict[UUID, UUID]:
    """One user for each address; who each row became."""
    users = _by(await stored.everywhere("SELECT * FROM users"))
    first: dict[str, Any] = {}
    for row in sorted(given["users"], key=lambda row: str(row["id"])):
        first.setdefault(row["email"], row)
    for row in first.values():
        one = users[row["id"]]
        assert (one["email"], one["password_hash"]) == (row["email"], row["password_hash"])
        assert one["name"] == (" ".join(filter(None, (row["first_name"], row["last_name"]))) or None)
        kept = {name: row[name] for name in ("first_name", "last_name", "last_login_at", "deleted_at")}
        kept["avatar_url"] = row["avatar"] if row["avatar"] != "me.png" else None
        kept["email_verified_at"] = row["updated_at"] if row["email_verification_status"] == "verified" else None
        assert {name: one[name] for name in kept} == kept
    _compare_usernames(users, first)
    became = {row["id"]: first[row["email"]]["id"] for row in given["users"]}
    wanted: dict[tuple[UUID, UUID], Any] = {}
    for row in sorted(given["users"], key=lambda row: str(row["id"])):
        status = "inactive" if row["status"] == "gone" else row["status"]
        role = "member" if row["role"] == "user" else row["role"]
        wanted.setdefault((row["tenant_id"], became[row["id"]]), (role, status, plain(row["permissions"]) or []))
    memberships = await stored.everywhere("SELECT * FROM memberships")
    found = {
        (row["tenant_id"], row["user_id"]): (row["role"], row["status"], row["permissions"]) for row in memberships
    }
    theirs = set(became.values())
    assert {place: said for place, said in found.items() if place[1] in theirs} == wanted
    return became


def _compare_usernames(users: dict[Any, Any], first: dict[str, Any]) -> None:
    """Each is somebody's alone: the first has it; what looks like an address is nobody's."""
    taken: set[str] = set()
    for row in sorted(first.values(), key=lambda row: str(row["id"])):
        name = row["username"]
        wanted = name if name and "@" not in name and name.lower() not in taken else None
        taken |= {wanted.lower()} if wanted else set()
        assert users[row["id"]]["username"] == wanted


async def _compare_talks(stored: Stored, given: Rows, became: dict[UUID, UUID]) -> None:
    found = _by(await stored.everywhere("SELECT * FROM conversations"))
    said: dict[UUID, Many] = defaultdict(list)
    for row in given["messages"]:
        said[row["conversation_id"]].append(row)
    for row in given["conversations"]:
        one = found[row["id"]]
        started = row["started_at"] or row["created_at"]
        latest = max([started, *(message["created_at"].replace(tzinfo=UTC) for message in said[row["id"]])])
        kept = {
            "external_id": str(row["id"]), "title": row["title"] or "", "summary": row["summary"] or "",
            "status": "active" if row["status"] == "asleep" else row["status"], "context": plain(row["context"]) or {},
            "user_id": became.get(row["user_id"]), "started_at": started, "last_activity_at": latest,
            "last_sequence": len(said[row["id"]]),
        }  # fmt: skip
        assert {name: one[name] for name in kept} == kept
    messages = _by(await stored.everywhere("SELECT * FROM messages"), "external_id")
    assert len(messages) == len(given["messages"])
    same = ("tenant_id", "conversation_id", "content", "token_count", "model", "latency_ms", "sequence_number")
    for row in given["messages"]:
        one = messages[str(row["id"])]
        assert {name: one[name] for name in same} == {name: row[name] for name in same}
        assert one["role"] == ("user" if row["role"] == "bot" else row["role"])
        assert one["created_at"] == row["created_at"].replace(tzinfo=UTC)
        for name in ("tool_calls", "tool_results"):
            assert one[name] == plain(row[name])
        assert without(one["metadata"]) == (plain(row["metadata"]) or {})


async def _compare_runs(stored: Stored, given: Rows, became: dict[UUID, UUID]) -> None:
    servers = {row["id"]: row["slug"] for row in given["mcp_servers"] if row["command"]}
    query = "SELECT r.*, n.external_id AS key FROM {} r JOIN run_names n ON n.id = r.id"
    executions = _by(await stored.everywhere(query.format("workflow_executions")), "key")
    assert len(executions) == len(given["workflow_executions"])
    for row in given["workflow_executions"]:
        one = executions[str(row["id"])]
        same = ("tenant_id", "workflow_id", "status", "current_step", "error_message", "started_at", "completed_at")
        assert {name: one[name] for name in same} == {name: row[name] for name in same}
        assert (one["input"], one["output"]) == (plain(row["input_data"]), plain(row["output_data"]))
        steps = (None, None) if row["steps_total"] == 1 else (row["steps_completed"], row["steps_total"])
        assert (one["steps_completed"], one["steps_total"]) == steps
        assert one["user_id"] == became.get(row["user_id"])
    calls = _by(await stored.everywhere(query.format("tool_executions")), "key")
    for table, (given_name, result_name) in {
        "tool_executions": ("tool_input", "tool_output"), "mcp_tool_executions": ("tool_parameters", "tool_result"),
    }.items():  # fmt: skip
        for row in given[table]:
            if row["agent_id"] is None:
                assert str(row["id"]) not in calls
            else:
                one = calls[str(row["id"])]
                _compare_call(one, row, given_name, result_name)
                server = row.get("mcp_server_id")
                assert one["mcp_server"] == (None if server is None else servers.get(server, str(server)))


def _compare_call(one: dict[str, Any], row: dict[str, Any], given_name: str, result_name: str) -> None:
    same = ("tenant_id", "agent_id", "tool_name", "error_message", "started_at")
    assert {name: one[name] for name in same} == {name: row[name] for name in same}
    assert (one["parameters"], one["result"]) == (plain(row[given_name]), plain(row[result_name]))
    assert one["status"] == {"completed": "success", "failed": "error"}.get(row["status"], row["status"])
    assert one["duration_ms"] == row["execution_time_ms"]
    assert one["message_id"] == (row["message_id"] and str(row["message_id"]))
    assert one["conversation"] == (row["conversation_id"] and str(row["conversation_id"]))
    if "mcp_server_id" in row:
        assert one["tool_type"] == "mcp"
        assert (one["mcp_instance"], one["error_code"]) == (row["server_instance_id"], row["error_code"])


async def _compare_rest(stored: Stored, given: Rows, became: dict[UUID, UUID]) -> None:
    keys = _by(await stored.everywhere("SELECT * FROM api_keys"))
    for row in given["api_keys"]:
        one = keys[row["id"]]
        good = len(row["key_hash"]) == 64 and row["status"] != "revoked" and row["deleted_at"] is None
        kept = {
            "tenant_id": row["tenant_id"], "user_id": became.get(row["user_id"]), "name": row["name"],
            "key_hash": row["key_hash"], "prefix": row["key_prefix"], "status": "active" if good else "revoked",
            "expires_at": row["expires_at"], "last_used_at": row["last_used_at"], "created_at": row["created_at"],
        }  # fmt: skip
        assert {name: one[name] for name in kept} == kept
        words = {*plain(row["scopes"]), *(plain(row["permissions"]) or [])}
        assert set(one["scopes"]) == words - {"agents:execute"}
    usage = {row["metadata"]["imported_id"]: row for row in await stored.everywhere("SELECT * FROM usage_metrics")}
    for row in given["usage_metrics"]:
        if row["period_end"] == row["period_start"]:
            assert str(row["id"]) not in usage
            continue
        one = usage[str(row["id"])]
        same = ("tenant_id", "metric_type", "metric_value", "agent_id", "recorded_at", "period_start", "period_end")
        assert {name: one[name] for name in same} == {name: row[name] for name in same}
        assert one["user_id"] == became.get(row["user_id"])
    trail = {row["metadata"].get("imported_id"): row for row in await stored.everywhere("SELECT * FROM audit_logs")}
    for row in given["audit_logs"]:
        one = trail[str(row["id"])]
        told = ("tenant_id", "action", "resource_type", "resource_id", "user_agent", "error_message")
        assert {name: one[name] for name in told} == {name: row[name] for name in told}
        assert (one["old_values"], one["new_values"]) == (plain(row["old_values"]), plain(row["new_values"]))
        assert one["status"] == (row["status"] or "success")
        assert str(one["ip_address"] or "None").partition("/")[0] == str(row["ip_address"])
        assert _time_in(one["id"]) == row["timestamp"]


def _time_in(value: UUID) -> datetime:
    return datetime.fromtimestamp(int(value.hex[:12], 16) // 1000, UTC)


async def compare_002(stored: Stored, given: Rows) -> None:
    """Every row of every table."""
    await _compare_kept(stored, given)
    await _compare_settings(stored, given)
    became = await _compare_people(stored, given)
    await _compare_talks(stored, given, became)
    await _compare_runs(stored, given, became)
    await compare_servers(stored, given, became, RING)
    await compare_knowledge(stored, given, became)
    await _compare_rest(stored, given, became)


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.accept)])
async def test_all_of_document_002_is_brought(count: int, scratch: str, bring: Bring, stored: Stored) -> None:
    """Twice: what is here stays as it is."""
    given = document_002(count)
    await filled(scratch, "002", given)
    alone = {
        table: sum(row["agent_id"] is None for row in given[table])
        for table in given
        if table.endswith("tool_executions")
    }
    for _ in range(2):
        reports = await bring("002", scratch)
        assert {one.read for table, one in reports.items() if table in given} == {count}
        assert {table: count - reports[table].kept for table in alone} == alone
        await compare_002(stored, given)


async def test_the_tables_are_those_that_the_document_lists(scratch: str) -> None:
    """Of seven it gives the names alone: there is nothing to bring of them."""
    await scratches.create(scratch, "002")
    query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    made: dict[str, set[str]] = defaultdict(set)
    async with await psycopg.AsyncConnection.connect(scratch) as connection:
        for table, column in await (await connection.execute(query)).fetchall():
            made[table].add(column)
    listed = names.known()["002"].has.tables
    assert made == {table: set(fields) for table, fields in listed.items() if fields}
    assert sum(not fields for fields in listed.values()) == 7
