"""All of document 003 is brought, row for row, each to the tenant of its organization."""

from typing import Any
from uuid import UUID

import pytest

from monitor.identity.digests import digest
from tests.factories import TenantMade
from tests.imports.conftest import Bring
from tests.imports.doc003_rows import document_003
from tests.imports.made import Many, Rows
from tests.imports.stored import FEW, MANY, Stored, filled, plain

ROLES = {"admin": "admin", "viewer": "viewer", "user": "member", "boss": "member"}


def _by_id(rows: Many) -> dict[UUID, dict[str, Any]]:
    made = {row["id"]: row for row in rows}
    assert len(made) == len(rows)
    return made


async def _compare_people(stored: Stored, given: Rows, tenant: UUID) -> None:
    tenants = _by_id(await stored.everywhere("SELECT * FROM tenants"))
    assert len({one["slug"] for one in tenants.values()}) == len(tenants)
    for row in given["organizations"]:
        one = tenants[row["id"]]
        assert (one["name"], one["created_at"], one["updated_at"]) == (
            row["name"],
            row["created_at"],
            row["updated_at"],
        )
        assert one["slug"].startswith(row["name"].lower().replace(" ", "-"))
    users = _by_id(await stored.everywhere("SELECT * FROM users"))
    for row in given["users"]:
        same = ("email", "password_hash", "name", "created_at", "updated_at")
        assert {name: users[row["id"]][name] for name in same} == {name: row[name] for name in same}
    wanted = {(row["org_id"], row["user_id"]): ROLES[row["role"]] for row in given["org_memberships"]}
    members = {user for _, user in wanted}
    wanted |= {(tenant, row["id"]): row["role"] for row in given["users"] if row["id"] not in members}
    rows = await stored.everywhere("SELECT * FROM memberships")
    ours = {row["id"] for row in given["users"]}
    assert {(row["tenant_id"], row["user_id"]): row["role"] for row in rows if row["user_id"] in ours} == wanted


async def _compare_agents(stored: Stored, given: Rows, tenant: UUID) -> None:
    types = {row["id"]: row for row in await stored.everywhere("SELECT * FROM agent_types")}
    for row in given["agent_types"]:
        one = types[row["id"]]
        assert (one["tenant_id"], one["name"], one["description"]) == (tenant, row["name"], row["description"])
        assert one["default_config"] == (plain(row["default_config"]) or {})
        assert one["required_params"] == (plain(row["required_params"]) or [])
    query = "SELECT a.*, l.last_heartbeat_at, s.next_run_at FROM agents a JOIN agent_live l ON l.agent_id = a.id " \
        "LEFT JOIN agent_schedules s ON s.agent_id = a.id"  # fmt: skip
    agents = _by_id(await stored.everywhere(query))
    assert len(agents) == len(given["agents"])
    keys = {
        row["agent_id"]: row for row in await stored.everywhere("SELECT * FROM api_keys WHERE agent_id IS NOT NULL")
    }
    for row in given["agents"]:
        one = agents[row["id"]]
        kept = {
            "tenant_id": row["org_id"] or tenant, "external_id": str(row["id"]), "name": row["name"],
            "agent_type": types[row["type_id"]]["slug"] if row["type_id"] else "custom",
            "created_by": row["created_by"], "config": plain(row["config"]),
            "webhook_url": None if row["webhook_url"] == "nowhere" else row["webhook_url"],
            "schedule": None if row["schedule"] == "every day" else row["schedule"],
            "status": "active" if row["status"] in (None, "error") else row["status"],
            "last_heartbeat_at": row["last_heartbeat"], "created_at": row["created_at"],
            "updated_at": row["updated_at"],
        }  # fmt: skip
        assert {name: one[name] for name in kept} == kept
        assert (one["next_run_at"] is not None) == (one["schedule"] is not None and one["status"] == "active")
        assert one["metadata"].get("imported", {}) == {
            name: row[name]
            for name, odd in {"schedule": "every day", "webhook_url": "nowhere", "status": "error"}.items()
            if row[name] == odd
        }
        if row["api_key"] is None:
            assert row["id"] not in keys
        else:
            key = keys[row["id"]]
            assert (key["key_hash"], key["tenant_id"], key["scopes"]) == (
                digest(row["api_key"]), one["tenant_id"], ["ingest"],
            )  # fmt: skip


async def _compare_logs(stored: Stored, given: Rows, homes: dict[UUID, UUID]) -> None:
    logs = {row["external_id"]: row for row in await stored.everywhere("SELECT * FROM agent_logs")}
    wanted = [row for row in given["agent_logs"] if row["agent_id"] is not None]
    assert len(logs) == len(wanted)
    for row in wanted:
        one = logs[str(row["id"])]
        same = ("agent_id", "message", "started_at", "completed_at", "duration")
        assert {name: one[name] for name in same} == {name: row[name] for name in same}
        status = {"completed": "success", "odd": "warning"}.get(row["status"], row["status"])
        assert (one["tenant_id"], one["status"]) == (homes[row["agent_id"]], status)
        said = plain(row["details"]) or {}
        assert (one["details"] or {}) == (said | {"imported": {"status": "odd"}} if row["status"] == "odd" else said)


async def _compare_alerting(stored: Stored, given: Rows, homes: dict[UUID | None, UUID]) -> None:
    rules = _by_id(await stored.everywhere("SELECT * FROM alert_configs"))
    assert len(rules) == len(given["alert_configs"])
    for row in given["alert_configs"]:
        one = rules[row["id"]]
        read = "what" not in plain(row["conditions"])
        kept = {
            "tenant_id": homes[row["agent_id"]], "agent_id": row["agent_id"], "name": row["name"],
            "conditions": plain(row["conditions"]), "channels": plain(row["channels"]),
            "enabled": read and row["enabled"] is not False, "created_at": row["created_at"],
        }  # fmt: skip
        assert {name: one[name] for name in kept} == kept
        assert (one["last_error"] is None) == read
    versions = await stored.everywhere("SELECT config_id FROM alert_config_versions WHERE version = 1")
    assert {row["config_id"] for row in versions} == rules.keys()
    alerts = _by_id(await stored.everywhere("SELECT * FROM alerts"))
    assert len(alerts) == len(given["alerts"])
    for row in given["alerts"]:
        one = alerts[row["id"]]
        resolved = row["resolved_at"] or (row["triggered_at"] if row["status"] == "resolved" else None)
        status = "resolved" if resolved else "open" if row["status"] == "lost" else row["status"]
        kept = {
            "tenant_id": homes[row["agent_id"]], "config_id": row["config_id"], "agent_id": row["agent_id"],
            "triggered_at": row["triggered_at"], "resolved_at": resolved, "status": status,
        }  # fmt: skip
        assert {name: one[name] for name in kept} == kept
        said = plain(row["details"]) or {}
        assert one["details"] == (said | {"imported": {"status": "lost"}} if row["status"] == "lost" else said)
    events = await stored.everywhere("SELECT alert_id FROM alert_events")
    assert sorted(row["alert_id"] for row in events) == sorted(alerts)


async def compare_003(stored: Stored, given: Rows, tenant: UUID) -> None:
    """Every row of every table."""
    homes = {row["id"]: row["org_id"] or tenant for row in given["agents"]}
    await _compare_people(stored, given, tenant)
    await _compare_agents(stored, given, tenant)
    await _compare_logs(stored, given, homes)
    await _compare_alerting(stored, given, {**homes, None: tenant})
    await _compare_judged(stored, given)


async def _compare_judged(stored: Stored, given: Rows) -> None:
    """The newest open alert of a rule that judges and its agent is the one that the rule goes on with."""
    rules = {row["id"]: row for row in given["alert_configs"]}
    wanted: dict[Any, Any] = {}
    for row in given["alerts"]:
        rule = rules.get(row["config_id"])
        judges = rule is not None and "what" not in plain(rule["conditions"]) and rule["enabled"] is not False
        if judges and row["agent_id"] and row["status"] != "resolved" and row["resolved_at"] is None:
            key = (row["config_id"], row["agent_id"])
            newest = wanted.setdefault(key, row)
            if (row["triggered_at"], -row["id"].int) > (newest["triggered_at"], -newest["id"].int):
                wanted[key] = row
    states = await stored.everywhere("SELECT * FROM alert_states")
    assert {(row["config_id"], row["agent_id"]): row["alert_id"] for row in states} == {
        key: row["id"] for key, row in wanted.items()
    }
    assert {row["phase"] for row in states} == {"FIRING"}


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.accept)])
async def test_all_of_document_003_is_brought(
    count: int, scratch: str, bring: Bring, stored: Stored, tenant: TenantMade
) -> None:
    """Twice: what is here stays as it is."""
    given = document_003(count)
    await filled(scratch, "003", given)
    alone = sum(row["agent_id"] is None for row in given["agent_logs"])
    for _ in range(2):
        reports = await bring("003", scratch)
        assert {one.read for table, one in reports.items()} == {count, len(given["org_memberships"])}
        assert reports["agent_logs"].kept == count - alone
        await compare_003(stored, given, tenant.id)


@pytest.mark.parametrize("document", ["001", "002", "003"])
async def test_a_database_without_tables_has_nothing_to_bring(document: str, scratch: str, bring: Bring) -> None:
    reports = await bring(document, scratch)
    assert [one.table for one in reports.values() if not one.missing] == []
