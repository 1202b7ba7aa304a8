"""Requests and tokens are counted and refused beyond the limit, by one collector and by several at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.errors import DatabaseDown, QuotaExceeded
from monitor.usage import meter as meters
from monitor.usage import plans, quotas
from monitor.usage.meter import Meter
from monitor.usage.model import Tokens
from monitor.usage.quota import period
from monitor.usage.quota_tables import PlanSource, Resource
from tests.conftest import SettableClock
from tests.factories import make_agent, make_tenant
from tests.http.application import serving
from tests.usage.stage import Stage

LOG = {"agent": "agent-0", "status": "success"}


async def limit(db: Database, stage: Stage, **limits: int | None) -> None:
    """Set the tenant's own limits."""
    said = ", ".join(f"{name} = :{name}" for name in limits)
    async with db.owner() as owner:
        await owner.execute(text(f"UPDATE tenants SET {said} WHERE id = :id"), {"id": stage.tenant.id, **limits})


async def used(stage: Stage) -> int:
    """Requests of the day as they are counted."""
    day, _ = period(Resource.REQUESTS, stage.now)
    async with stage.db.tenant(stage.tenant.id) as connection:
        return await quotas.requests_of(connection, stage.tenant.id, day or stage.now)


async def enter(meter: Meter, stage: Stage, times: int, clock: Callable[[], Any]) -> int:
    """How many of so many requests at once are let through."""
    answers = await asyncio.gather(
        *(meter.enter(stage.tenant.id, clock()) for _ in range(times)), return_exceptions=True
    )
    assert all(answer is None or isinstance(answer, QuotaExceeded) for answer in answers), answers
    return sum(answer is None for answer in answers)


async def test_the_request_beyond_the_limit_is_429_and_says_what_and_until_when(
    api: httpx.AsyncClient, db: Database, stage: Stage, clock: SettableClock
) -> None:
    await limit(db, stage, daily_requests=3)
    for _ in range(3):
        assert (await api.post("/api/v1/logs", json=LOG)).status_code == 202
    refused = await api.post("/api/v1/metrics", json={"agent": "agent-0", "metric": "m", "value": 1})
    said = refused.json()
    resets_at = (clock.time.replace(hour=0, minute=0)).date()
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    # The clock of these tests stands at twenty past twelve.
    assert refused.headers["retry-after"] == str(11 * 3600 + 40 * 60)
    assert (said["code"], said["quota"], said["limit"], said["used"]) == ("quota_exceeded", "daily_requests", 3, 3)
    assert said["resets_at"] > resets_at.isoformat()
    # Reading goes on, and so do answers to alerts and what people change.
    assert (await api.get("/api/v1/agents")).status_code == 200
    (shown,) = [one for one in (await api.get("/api/v1/quotas")).json()["items"] if one["resource"] == "daily_requests"]
    assert (shown["state"], shown["used"], shown["remaining"], shown["said_by"]) == ("exhausted", 3, 0, "tenant")
    silence = {"matchers": ["rule=a"], "ends_at": "2099-01-01T00:00:00Z", "comment": "c"}
    assert (await api.post("/api/v1/silences", json=silence)).status_code == 201
    # The next day is another one.
    clock.advance(12 * 3600)
    assert (await api.post("/api/v1/logs", json=LOG)).status_code == 202


async def test_other_protocols_refuse_in_their_own_shape(api: httpx.AsyncClient, db: Database, stage: Stage) -> None:
    await limit(db, stage, daily_requests=0)
    otlp = await api.post("/v1/metrics", json={"resourceMetrics": []})
    assert (otlp.status_code, "daily_requests" in otlp.text) == (429, True)
    assert int(otlp.headers["retry-after"]) > 0
    assert (await api.post("/api/v2/write", content="m,agent=agent-0 value=1")).status_code == 429
    # Clients of version 1 drop what is answered 429.
    assert (await api.post("/write", content="m,agent=agent-0 value=1")).status_code == 503


async def test_a_ping_is_a_sign_of_life_that_no_limit_refuses(
    api: httpx.AsyncClient, db: Database, stage: Stage
) -> None:
    await limit(db, stage, daily_requests=0)
    url = (await api.get("/api/v1/agents/agent-0")).json()["ping_url"]
    assert (await api.get("/ping/" + url.rpartition("/")[2])).status_code == 200


async def test_the_call_that_crosses_the_months_tokens_is_kept_and_the_next_request_refused(
    api: httpx.AsyncClient, db: Database, stage: Stage
) -> None:
    await limit(db, stage, monthly_tokens=1000)
    task = {"agent": "agent-0", "task_type": "t", "status": "completed", "model": "m-1"}
    assert (await api.post("/api/v1/tasks", json={**task, "input_tokens": 600})).status_code == 201
    assert (await api.post("/api/v1/tasks", json={**task, "input_tokens": 600})).status_code == 201
    refused = await api.post("/api/v1/tasks", json={**task, "input_tokens": 1})
    assert refused.status_code == 429
    assert (refused.json()["quota"], refused.json()["used"], refused.json()["limit"]) == ("monthly_tokens", 1200, 1000)
    (row,) = await stage.rows("SELECT sum(input_tokens) FROM model_calls")
    assert row[0] == 1200


async def test_a_call_told_twice_is_no_reason_to_refuse(api: httpx.AsyncClient, db: Database, stage: Stage) -> None:
    await limit(db, stage, monthly_tokens=1000)
    task = {"id": "one", "agent": "agent-0", "task_type": "t", "status": "completed", "model": "m-1"}
    for _ in range(3):
        assert (await api.post("/api/v1/tasks", json={**task, "input_tokens": 600})).status_code in {200, 201}


async def test_what_is_not_enforced_is_counted(api: httpx.AsyncClient, db: Database, stage: Stage) -> None:
    async with db.owner() as owner:
        values = {"limit_amount": 1, "enforced": False}
        await quotas.set_quota(owner, stage.tenant.id, Resource.REQUESTS, values)
    for _ in range(3):
        assert (await api.post("/api/v1/logs", json=LOG)).status_code == 202


async def test_a_quota_stands_before_the_tenants_limit_and_that_before_the_plans(db: Database, stage: Stage) -> None:
    async def standing() -> tuple[int | None, str]:
        async with db.tenant(stage.tenant.id) as connection:
            found = (await quotas.limits_of(connection, stage.tenant.id))[Resource.REQUESTS]
        return found.amount, found.said_by

    assert await standing() == (None, "none")
    async with db.owner() as owner:
        await owner.execute(text("UPDATE tenants SET plan = 'starter' WHERE id = :id"), {"id": stage.tenant.id})
        plan = plans.Plan(slug="starter", name="Small", daily_requests=7)
        await plans.put_plans(owner, [plan], source=PlanSource.IMPORTED)
    assert await standing() == (7, "plan")
    await limit(db, stage, daily_requests=8)
    assert await standing() == (8, "tenant")
    async with db.owner() as owner:
        await quotas.set_quota(owner, stage.tenant.id, Resource.REQUESTS, {"limit_amount": 9})
    assert await standing() == (9, "quota")


@pytest.mark.parametrize("limited", [100, 1000])
async def test_several_collectors_at_once_never_let_more_through(
    db: Database, stage: Stage, clock: SettableClock, limited: int
) -> None:
    await limit(db, stage, daily_requests=limited)
    collectors = [Meter(db, clock) for _ in range(3)]
    through = 0
    for _ in range(6):
        through += sum(await asyncio.gather(*(enter(one, stage, limited // 10, clock) for one in collectors)))
        # Another second: portions grow with the rate.
        await asyncio.gather(*(one.settle() for one in collectors))
    assert through == limited
    assert await used(stage) == limited


async def test_what_one_holds_and_does_not_use_is_given_back(db: Database, stage: Stage, clock: SettableClock) -> None:
    await limit(db, stage, daily_requests=1000)
    meter = Meter(db, clock)
    for _ in range(20):
        assert await enter(meter, stage, 1, clock) == 1
    await meter.settle()
    # The rate is known now: a portion is more than what is waited for.
    assert await enter(meter, stage, 1, clock) == 1
    assert await used(stage) > 21
    await meter.settle()
    await meter.settle()
    assert await used(stage) == 21
    await meter.close()
    assert await used(stage) == 21


async def test_an_end_writes_what_was_counted_and_gives_back_the_rest(
    db: Database, stage: Stage, clock: SettableClock
) -> None:
    meter = Meter(db, clock)
    await meter.start()
    assert await enter(meter, stage, 30, clock) == 30
    await meter.close()
    assert await used(stage) == 30


async def test_the_last_requests_of_a_day_are_counted_to_that_day(
    db: Database, stage: Stage, clock: SettableClock
) -> None:
    meter = Meter(db, clock)
    assert await enter(meter, stage, 5, clock) == 5
    clock.advance(86400)
    assert await enter(meter, stage, 2, clock) == 2
    await meter.settle()
    rows = await stage.rows("SELECT requests FROM request_counts ORDER BY day")
    assert [row[0] for row in rows] == [5, 2]


async def test_a_limit_that_is_set_binds_within_seconds(
    db: Database, stage: Stage, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.usage.purse.FRESH", 0.0)
    monkeypatch.setattr(meters, "REFUSED", 0.0)
    meter = Meter(db, clock)
    assert await enter(meter, stage, 10, clock) == 10
    await limit(db, stage, daily_requests=12)
    await meter.settle()
    assert await enter(meter, stage, 5, clock) == 2
    await limit(db, stage, daily_requests=None)
    assert await enter(meter, stage, 5, clock) == 5
    await meter.close()
    assert await used(stage) == 17


async def test_tokens_that_other_collectors_were_told_of_are_seen(
    db: Database, stage: Stage, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.usage.purse.FRESH", 0.0)
    await limit(db, stage, monthly_tokens=100)
    meter = Meter(db, clock)
    assert await enter(meter, stage, 1, clock) == 1
    await stage.put([stage.call(tokens=Tokens(input=90, output=20))])
    await meter.settle()
    assert await enter(meter, stage, 1, clock) == 0


async def test_when_it_cannot_be_known_nobody_is_let_through(stage: Stage, clock: SettableClock) -> None:
    await stage.db.close()
    broken = Database(dict.fromkeys(stage.db._engines, "postgresql://nobody@127.0.0.1:1/none"), pool_size=1)
    meter = Meter(broken, clock)
    with pytest.raises(DatabaseDown):
        await meter.enter(stage.tenant.id, clock())
    await broken.close()


async def test_two_that_register_at_once_stay_within_the_limit_of_agents(
    db: Database, stage: Stage, clock: SettableClock
) -> None:
    # Two are there already.
    await limit(db, stage, max_agents=5)
    async with serving(db, clock) as one, serving(db, clock) as two:
        for client in (one, two):
            client.headers.update(stage.tenant.headers)
        answers = await asyncio.gather(
            *(
                client.post("/api/v1/logs", json={"agent": f"new-{name}-{number}", "status": "success"})
                for number in range(6)
                for name, client in (("a", one), ("b", two))
            )
        )
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [422] * 9
    assert "the tenant's limit of 5 agents is reached" in max(answers, key=lambda one: one.status_code).text


async def test_making_one_agent_too_many_is_429(api: httpx.AsyncClient, db: Database, stage: Stage) -> None:
    await limit(db, stage, max_agents=2)
    refused = await api.post("/api/v1/agents", json={"external_id": "third"})
    said = refused.json()
    assert (refused.status_code, said["quota"], said["limit"], said["used"]) == (429, "agents", 2, 2)
    assert said["resets_at"] is None


async def test_one_tenants_limit_is_not_anothers(api: httpx.AsyncClient, db: Database, stage: Stage) -> None:
    other = await make_tenant(db)
    await make_agent(db, other.id, "agent-0")
    await limit(db, stage, daily_requests=0)
    assert (await api.post("/api/v1/logs", json=LOG)).status_code == 429
    assert (await api.post("/api/v1/logs", json=LOG, headers=other.headers)).status_code == 202
