"""Sequence numbers: without gaps and without doubles, whoever writes at the same time, fails, or is killed."""

import asyncio
import random
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor import clock as wall
from monitor.conversations import store
from monitor.conversations.store import NewMessage, Opening
from monitor.db import Database, Role
from monitor.errors import DatabaseDown
from monitor.ids import microseconds, uuid7
from tests.conversations.saying import SHORT, URL, rows, say
from tests.factories import TenantMade

NAMES = ("one", "two", "three")


class _Failed(Exception):
    """What a writer meets after it has written."""


async def _add(connection: AsyncConnection, tenant_id: UUID, names: list[str], count: int) -> None:
    """As a request with `count` messages for each of these conversations."""
    now = wall.now()
    held = await store.hold(connection, tenant_id, {name: Opening(now) for name in names})
    made = [
        NewMessage(
            uuid7(now), held[name].id, held[name].number(), None, "user", f"{name} {n}", None, None, None, None, None,
            None, None, None, b"[]", None, b"{}", microseconds(now),
        )
        for n in range(count)
        for name in names
    ]  # fmt: skip
    await store.insert_messages(connection, tenant_id, made, held.values())


async def _add_and_be_killed(db: Database, tenant_id: UUID) -> None:
    async with db.tenant(tenant_id) as connection:
        await _add(connection, tenant_id, ["one"], 5)
        pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        async with db.role(Role.APP) as other:
            await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        await connection.execute(text("SELECT 1"))


async def _numbers(db: Database, tenant_id: UUID) -> dict[str, tuple[list[int], int]]:
    """Of each conversation the places of its messages in order, and the last one as the conversation has it."""
    places: dict[UUID, list[int]] = {}
    for message in await rows(db, tenant_id, "messages", "sequence_number"):
        places.setdefault(message["conversation_id"], []).append(message["sequence_number"])
    found = await rows(db, tenant_id, "conversations")
    return {one["external_id"]: (places.get(one["id"], []), one["last_sequence"]) for one in found}


async def test_many_writers_of_the_same_conversations_of_whom_some_fail(db: Database, tenant: TenantMade) -> None:
    """They name several conversations in any order, some of which nobody has made yet: none waits for ever."""
    chance, kept = random.Random(7), dict.fromkeys(NAMES, 0)
    plans = [
        (chance.sample(NAMES, chance.randint(1, 3)), chance.randint(1, 4), chance.random() < 0.4) for _ in range(80)
    ]

    async def write(names: list[str], count: int, fails: bool) -> None:
        try:
            async with db.tenant(tenant.id) as connection:
                await _add(connection, tenant.id, names, count)
                await asyncio.sleep(0)
                if fails:
                    raise _Failed
        except _Failed:
            return
        for name in names:
            kept[name] += count

    async with asyncio.timeout(120):
        await asyncio.gather(*(write(*plan) for plan in plans))
    assert sum(fails for *_, fails in plans) > 10
    assert await _numbers(db, tenant.id) == {name: (list(range(1, n + 1)), n) for name, n in kept.items()}


async def test_a_writer_whose_connection_is_killed_takes_no_place(db: Database, tenant: TenantMade) -> None:
    async with db.tenant(tenant.id) as connection:
        await _add(connection, tenant.id, ["one"], 2)
    with pytest.raises(DatabaseDown):
        await _add_and_be_killed(db, tenant.id)
    async with db.tenant(tenant.id) as connection:
        await _add(connection, tenant.id, ["one"], 1)
    assert await _numbers(db, tenant.id) == {"one": ([1, 2, 3], 3)}


async def test_posted_by_many_at_once_with_the_same_ids_each_is_kept_once(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    """Agents that repeat themselves over several connections, some of their rows wrong."""

    async def post(number: int) -> httpx.Response:
        batch: list[Any] = [SHORT | {"id": f"m-{(number + n) % 12}", "conversation": NAMES[n % 2]} for n in range(6)]
        return await api.post(URL, json=[*batch, SHORT | {"role": "robot"}, SHORT | {"reply_to": "nobody"}])

    async with asyncio.timeout(120):
        answers = await asyncio.gather(*(post(number) for number in range(24)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    found = await _numbers(db, tenant.id)
    assert found == {name: (list(range(1, 13)), 12) for name in NAMES[:2]}
    named = await rows(db, tenant.id, "message_names")
    assert len({(row["conversation_id"], row["external_id"]) for row in named}) == 24


async def test_a_conversation_begins_and_lives_by_its_messages(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    now = wall.now()
    times = [microseconds(now) / 1e6 - seconds for seconds in (30, 600, 300)]
    await api.post(URL, json=[SHORT | {"created_at": at, "user": "ada"} for at in times])
    (made,) = await rows(db, tenant.id, "conversations")
    assert (made["user_ref"], made["last_sequence"]) == ("ada", 3)
    assert (made["last_activity_at"] - made["started_at"]).total_seconds() == pytest.approx(570)
    # What is told late is no news of it.
    await say(api, created_at=times[1])
    (later,) = await rows(db, tenant.id, "conversations")
    assert (later["last_activity_at"], later["last_sequence"]) == (made["last_activity_at"], 4)
