"""Kinds beside history: conversations by their last activity, states that belong to none, what was deleted."""

from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.ids import uuid7
from monitor.retention import sweep
from monitor.retention.kinds import PARTS, Kind, defaults
from monitor.retention.limits import Limits, Policy
from monitor.settings import Settings
from sql.models import metadata
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_agent, make_tenant
from tests.http.application import serving

DAY = timedelta(days=1)
SECONDS = DAY.total_seconds()
GENERAL = defaults(Settings())
PEOPLE = {"tenants", "users"}
"""What is deleted of these is anonymised or purged by the one who runs the installation."""


async def ids(db: Database, tenant: UUID, query: str) -> list[str]:
    """The first column."""
    async with db.tenant(tenant) as connection:
        return list((await connection.execute(text(query))).scalars())


async def talk(api: httpx.AsyncClient, *conversations: str) -> None:
    """Three messages in each, one of them edited."""
    for name in conversations:
        for number in range(3):
            said = {"conversation": name, "role": "user", "content": f"message {number}", "id": f"{name}-{number}"}
            answer = await api.post("/api/v1/messages", json=said)
            assert answer.status_code == 201, answer.text
        page = await api.get(f"/api/v1/conversations/{name}/messages")
        changed = await api.patch(f"/api/v1/messages/{page.json()['items'][0]['id']}", json={"content": "another"})
        assert changed.status_code == 200, changed.text


async def counted(db: Database, tenant: UUID) -> dict[str, int]:
    """Rows of each table that conversations have."""
    tables = ("conversations", "messages", "message_names", "message_edits")
    return {table: len(await ids(db, tenant, f"SELECT tenant_id FROM {table}")) for table in tables}


def test_every_table_that_hides_its_deleted_rows_loses_them_in_time() -> None:
    soft = {name for name, table in metadata.tables.items() if "deleted_at" in table.columns}
    assert {part.table for part in PARTS[Kind.DELETED] if part.of is None} == soft - PEOPLE


async def test_conversations_go_by_their_last_activity(
    db: Database, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BATCH", 2)
    tenant, other = await make_tenant(db), await make_tenant(db)
    async with serving(db, clock) as api:
        for one in (other, tenant):
            api.headers.update(one.headers)
            await talk(api, "old", "young")
        clock.advance(10 * SECONDS)
        answer = await api.post("/api/v1/messages", json={"conversation": "young", "role": "user", "content": "again"})
        assert answer.status_code == 201
    policy = Policy(uuid7(clock()), tenant.id, Kind.CONVERSATIONS, 7 * DAY, None)
    done = await sweep.run_once(db, clock(), Limits(GENERAL, (policy,)))
    assert [done[table] for table in ("messages", "message_names", "message_edits", "conversations")] == [3, 3, 1, 1]
    assert await ids(db, tenant.id, "SELECT external_id FROM conversations") == ["young"]
    assert (await counted(db, tenant.id))["messages"] == 4
    assert (await counted(db, other.id))["conversations"] == 2, "without a policy they are kept"


async def test_what_was_deleted_can_come_back_for_thirty_days(db: Database, clock: SettableClock) -> None:
    tenant = await make_tenant(db)
    limits = Limits(GENERAL, ())
    async with serving(db, clock) as api:
        api.headers.update(tenant.headers)
        await talk(api, "one", "two")
        graph = {"slug": "daily", "name": "Daily", "definition": {"nodes": [{"id": "a"}], "edges": []}}
        made = await api.post("/api/v1/workflows", json=graph)
        assert made.status_code == 201, made.text
        for path in ("conversations/one", "workflows/daily"):
            assert (await api.delete(f"/api/v1/{path}")).status_code == 204
        clock.advance(29 * SECONDS)
        assert (await sweep.run_once(db, clock(), limits))["conversations"] == 0
        clock.advance(2 * SECONDS)
        seen = await sweep.preview(db, clock(), limits)
        done = await sweep.run_once(db, clock(), limits)
        assert (await api.post("/api/v1/conversations/one/restore")).status_code == 404
        assert (await api.post("/api/v1/workflows/daily/restore")).status_code == 404
    tables = ("conversations", "messages", "message_names", "message_edits", "workflows")
    assert [done[table] for table in tables] == [1, 3, 3, 1, 1] == [seen[table] for table in tables]
    assert await ids(db, tenant.id, "SELECT external_id FROM conversations") == ["two"]


async def test_a_deleted_agent_stays_while_its_alerts_are_kept(db: Database, clock: SettableClock) -> None:
    tenant = await make_tenant(db)
    gone, kept = await make_agent(db, tenant.id, "gone"), await make_agent(db, tenant.id, "kept")
    await make_agent(db, tenant.id, "there")
    async with db.owner() as owner:
        await owner.execute(
            text("UPDATE agents SET deleted_at = :at WHERE id IN (:gone, :kept)"),
            {"at": clock() - 40 * DAY, "gone": gone, "kept": kept},
        )
        await owner.execute(
            text(
                "INSERT INTO alerts (tenant_id, id, agent_id, rule, fingerprint, severity, status, triggered_at, "
                "resolved_at) VALUES (:tenant, :id, :agent, 'r', '', 'warning', 'resolved', :at, :at)"
            ),
            {"tenant": tenant.id, "id": uuid7(clock()), "agent": kept, "at": clock() - 50 * DAY},
        )
    assert (await sweep.run_once(db, clock(), Limits(GENERAL, ())))["agents"] == 1
    assert await ids(db, tenant.id, "SELECT external_id FROM agents ORDER BY 1") == ["kept", "there"]


async def test_states_of_no_conversation_go(db: Database, clock: SettableClock) -> None:
    tenant: TenantMade = await make_tenant(db)
    async with serving(db, clock) as api:
        api.headers.update(tenant.headers)
        await talk(api, "there")
    state = text(
        "INSERT INTO agent_states (tenant_id, id, conversation, agent_type, created_at, updated_at) "
        "VALUES (:tenant, :id, :conversation, 'coder', :at, :at)"
    )
    old, young = clock() - 31 * DAY, clock() - 29 * DAY
    async with db.owner() as owner:
        for conversation, at in (("there", old), ("nowhere", old), ("to come", young)):
            await owner.execute(
                state, {"tenant": tenant.id, "id": uuid7(clock()), "conversation": conversation, "at": at}
            )
    assert (await sweep.run_once(db, clock(), Limits(GENERAL, ())))["agent_states"] == 1
    assert await ids(db, tenant.id, "SELECT conversation FROM agent_states ORDER BY 1") == ["there", "to come"]
