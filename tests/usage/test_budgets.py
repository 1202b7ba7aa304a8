"""Budgets by HTTP: what they say, what they keep, and when they begin anew."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from msgspec.structs import replace

from monitor import partitions
from monitor.db import Database
from monitor.principal import Scope
from monitor.usage.model import Call, Tokens
from tests.conftest import SettableClock
from tests.factories import make_key
from tests.usage.stage import Stage

AGENTS = 64


async def make(api: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """A budget of ten dollars a day for the tenant, unless told otherwise."""
    answer = await api.post("/api/v1/budgets", json={"scope": "tenant", "period": "day", "limit": "10"} | body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def ask(api: httpx.AsyncClient, scope: str = "tenant", **query: Any) -> dict[str, Any]:
    """What is said."""
    answer = await api.get(f"/api/v1/budgets/{scope}/verdict", params=query)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def dollars(stage: Stage, amount: str, *, at: datetime | None = None, **more: Any) -> Call:
    """A call that costs so much, now unless told otherwise."""
    return stage.call(at=at or stage.now, given_cost=Decimal(amount), **more)


async def test_sixty_four_agents_at_once_get_what_there_is_and_no_cent_more(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    budget = await make(api, limit="10")
    await stage.put([dollars(stage, "0.07")])
    said = await asyncio.gather(*(ask(api, reserve="0.25", agent=f"one-of-many-{n}") for n in range(AGENTS)))
    given = [one for one in said if one["reservation"] is not None]
    # 9.93 are left: 39 times 0.25 is 9.75.
    assert len(given) == 39
    assert {one["verdict"] for one in said if one["reservation"] is None} == {"deny"}
    now = (await api.get(f"/api/v1/budgets/{budget['id']}")).json()
    assert (now["spent"], now["reserved"], now["remaining"]) == ("0.07", "9.75", "0.18")
    assert len({one["reservation"]["id"] for one in given}) == 39
    # What is left can still be had, to the last cent.
    assert (await ask(api, reserve="0.19"))["verdict"] == "deny"
    last = await ask(api, reserve="0.18")
    assert (last["verdict"], last["remaining"]) == ("warn", "0")
    assert (await ask(api))["verdict"] == "deny"


async def test_verdicts_allow_warn_and_deny(api: httpx.AsyncClient, stage: Stage) -> None:
    budget = await make(api, limit="1", warn_at="0.5")
    assert (await ask(api))["verdict"] == "allow"
    await stage.put([dollars(stage, "0.5")])
    said = await ask(api)
    assert (said["verdict"], said["remaining"], said["limit"], said["budget"]) == ("warn", "0.5", "1", budget["id"])
    assert said["reservation"] is None
    await stage.put([dollars(stage, "0.6")])
    said = await ask(api)
    assert (said["verdict"], said["remaining"]) == ("deny", "0")
    # A limit that is raised lets them go on at once.
    raised = await api.patch(f"/api/v1/budgets/{budget['id']}", json={"limit": 5})
    assert (raised.json()["limit"], raised.json()["spent"]) == ("5", "1.1")
    assert (await ask(api))["verdict"] == "allow"
    await api.patch(f"/api/v1/budgets/{budget['id']}", json={"limit": 0, "enabled": False})
    assert (await ask(api))["verdict"] == "allow"
    assert (await ask(api, budget["id"]))["budget"] is None


async def test_the_strictest_of_all_that_apply_answers_and_all_or_none_keep(
    api: httpx.AsyncClient, stage: Stage
) -> None:
    await make(api, limit="100")
    await make(api, scope="agent", target="agent-0", limit="2")
    await make(api, scope="model", target="openai/m-1-2025-01-01", limit="3")
    await make(api, scope="user", target="ann", unit="tokens", limit="5000")
    await make(api, scope="workflow", target="nightly", limit="0.1")
    said = await ask(api, "agent:agent-0", reserve="1.5", reserve_tokens=4500, model="m-1@20250101", user="ann")
    assert said["verdict"] == "warn"
    assert {one["scope"]: one["reserved"] for one in said["budgets"]} == dict.fromkeys(
        ("tenant", "agent", "model", "user"), "0"
    )
    assert (said["unit"], said["remaining"]) == ("tokens", "500")
    # The agent's own budget has half a dollar left: nothing is kept in any of them.
    said = await ask(api, "agent:agent-0", reserve="0.6", model="m-1")
    assert (said["verdict"], said["remaining"], said["reservation"]) == ("deny", "0.5", None)
    listed = (await api.get("/api/v1/budgets")).json()["items"]
    assert [(one["scope"], one["reserved"]) for one in listed] == [
        ("tenant", "1.5"), ("agent", "1.5"), ("model", "1.5"), ("user", "4500"), ("workflow", "0"),
    ]  # fmt: skip
    assert [one["target"] for one in listed] == [None, "agent-0", "m-1", "ann", "nightly"]
    # Another agent is bound by the others alone, and one that nobody knows by the tenant's.
    assert (await ask(api, "agent:agent-1", reserve="0.6"))["verdict"] == "allow"
    assert [one["scope"] for one in (await ask(api, "agent:nobody"))["budgets"]] == ["tenant"]


async def test_reservations_end_by_expiry_by_release_and_by_calls(
    api: httpx.AsyncClient, stage: Stage, clock: SettableClock
) -> None:
    budget = await make(api, scope="agent", target="agent-0", limit="1")
    await ask(api, "agent:agent-0", reserve="0.4", hold="60s")
    released = await ask(api, "agent:agent-0", reserve="0.3", hold="1h")
    assert await left(api, budget) == ("0", "0.7", "0.3")
    answer = await api.delete(f"/api/v1/budgets/reservations/{released['reservation']['id']}")
    assert answer.status_code == 204
    assert await left(api, budget) == ("0", "0.4", "0.6")
    clock.advance(60)
    assert await left(api, budget) == ("0", "0", "1")
    # A call of the agent takes what it costs off what was reserved before it, and is not counted beside it.
    await ask(api, "agent:agent-0", reserve="0.5")
    began = clock.advance(1)
    await stage.put([dollars(stage, "0.2", at=began)])
    assert await left(api, budget) == ("0.2", "0.3", "0.5")
    await stage.put([dollars(stage, "0.4", at=began)])
    assert await left(api, budget) == ("0.6", "0", "0.4")
    assert (await api.delete(f"/api/v1/budgets/reservations/{UUID(int=1)}")).status_code == 404


async def left(api: httpx.AsyncClient, budget: dict[str, Any]) -> tuple[str, str, str]:
    """Spent, reserved, remaining."""
    now = (await api.get(f"/api/v1/budgets/{budget['id']}")).json()
    return now["spent"], now["reserved"], now["remaining"]


async def test_whose_calls_settle_which_reservations(
    api: httpx.AsyncClient, stage: Stage, clock: SettableClock
) -> None:
    budget = await make(api, limit="10")
    before = clock()
    clock.advance(1)
    await ask(api, "agent:agent-0", reserve="1")
    named = (await ask(api, reserve="2"))["reservation"]["id"]
    began = clock.advance(1)
    # Another agent's call, and one that began before anything was reserved, are counted beside them.
    await stage.put([dollars(stage, "0.1", at=began, agent_id=stage.agents[1]), dollars(stage, "0.1", at=before)])
    assert await left(api, budget) == ("0.2", "3", "6.8")
    # One that names what it was reserved under takes it off that, whoever made it.
    call = dollars(stage, "1.5", at=began, agent_id=stage.agents[1], reservation=UUID(named))
    await stage.put([call])
    assert await left(api, budget) == ("1.7", "1.5", "6.8")
    # Told again it takes off nothing more; told dearer, the difference.
    await stage.put([call])
    await stage.put([replace(call, given_cost=Decimal("1.75"))])
    assert await left(api, budget) == ("1.95", "1.25", "6.8")


async def test_a_budget_counts_what_was_spent_before_it_was_made_and_begins_anew(
    api: httpx.AsyncClient, stage: Stage, clock: SettableClock
) -> None:
    midnight = stage.now.replace(hour=0, minute=0)
    await stage.put([dollars(stage, "1", at=midnight), dollars(stage, "2", at=midnight - timedelta(microseconds=1))])
    budget = await make(api, limit="5")
    assert await left(api, budget) == ("1", "0", "4")
    assert datetime.fromisoformat(budget["resets_at"]) == midnight + timedelta(days=1)
    clock.time = midnight + timedelta(days=1)
    assert await left(api, budget) == ("0", "0", "5")
    await stage.put([dollars(stage, "0.5", at=clock.time), dollars(stage, "0.25", at=midnight)])
    assert await left(api, budget) == ("0.5", "0", "4.5")


PERIODS = {
    ("hour", "UTC"): ("2026-03-29T12:00+00:00", "2026-03-29T13:00+00:00"),
    ("hour", "Asia/Kathmandu"): ("2026-03-29T12:15+00:00", "2026-03-29T13:15+00:00"),
    # Clocks go forward on this day: it has 23 hours.
    ("day", "Europe/Berlin"): ("2026-03-28T23:00+00:00", "2026-03-29T22:00+00:00"),
    ("week", "UTC"): ("2026-03-23T00:00+00:00", "2026-03-30T00:00+00:00"),
    ("month", "America/New_York"): ("2026-03-01T05:00+00:00", "2026-04-01T04:00+00:00"),
}


async def test_periods_follow_the_calendar_of_their_zone(
    api: httpx.AsyncClient, db: Database, clock: SettableClock
) -> None:
    clock.time = datetime(2026, 3, 29, 12, 20, tzinfo=UTC)
    await partitions.cover(db, ("audit_logs",), clock.time)
    for (period, zone), expected in PERIODS.items():
        budget = await make(api, period=period, timezone=zone)
        told = tuple(datetime.fromisoformat(budget[name]) for name in ("starts_at", "resets_at"))
        assert told == tuple(datetime.fromisoformat(at) for at in expected), (period, zone)


async def test_when_it_will_be_exhausted_and_when_it_was(
    api: httpx.AsyncClient, stage: Stage, clock: SettableClock
) -> None:
    budget = await make(api, limit="10")
    assert (await ask(api))["exhausted_at"] is None
    # Two dollars in the 80 minutes since 11:00: eight more take 320 minutes.
    await stage.put([dollars(stage, "2", at=stage.now - timedelta(minutes=30))])
    assert datetime.fromisoformat((await ask(api))["exhausted_at"]) == stage.now + timedelta(minutes=320)
    # At a rate that lasts beyond the day it will not be.
    await api.patch(f"/api/v1/budgets/{budget['id']}", json={"limit": 1000})
    assert (await ask(api))["exhausted_at"] is None
    await api.patch(f"/api/v1/budgets/{budget['id']}", json={"limit": 10})
    passing = stage.now - timedelta(minutes=10)
    await stage.put([dollars(stage, "8", at=passing), dollars(stage, "3", at=stage.now)])
    clock.advance(600)
    said = await ask(api)
    assert (said["verdict"], datetime.fromisoformat(said["exhausted_at"])) == ("deny", passing)


async def test_tokens_are_counted_and_an_unknown_price_spends_no_money(api: httpx.AsyncClient, stage: Stage) -> None:
    money, tokens = await make(api), await make(api, unit="tokens", limit=10_000)
    await stage.put(
        [stage.call(model="who-knows", tokens=Tokens(input=4000, output=500, cache_read=4000, reasoning=100))]
    )
    assert await left(api, money) == ("0", "0", "10")
    assert await left(api, tokens) == ("4500", "0", "5500")


async def test_who_may_ask_and_reserve(api: httpx.AsyncClient, db: Database, stage: Stage) -> None:
    await make(api)

    async def status(scope: Scope, path: str = "tenant", *, bound: UUID | None = None, **query: Any) -> int:
        _, key = await make_key(db, stage.tenant.id, scopes=(scope,), agent_id=bound)
        headers = {"Authorization": f"Bearer {key}"}
        return (await api.get(f"/api/v1/budgets/{path}/verdict", params=query, headers=headers)).status_code

    assert await status(Scope.READ) == 200
    assert await status(Scope.READ, reserve=1) == 403
    assert await status(Scope.INGEST, reserve=1) == 200
    assert await status(Scope.ALERTS) == 403
    assert await status(Scope.INGEST, "agent:agent-0", bound=stage.agents[0]) == 200
    assert await status(Scope.INGEST, "agent:agent-1", bound=stage.agents[0]) == 403


WRONG = (
    {"scope": "tenant", "target": "x"}, {"scope": "agent"}, {"scope": "agent", "target": "nobody"}, {"scope": "planet"},
    {"period": "year"}, {"limit": -1}, {"limit": "NaN"}, {"limit": "0.00000000001"}, {"limit": "1e30"},
    {"warn_at": 1.5}, {"timezone": "Mars/Base"}, {"unit": "euros"}, {"more": 1}, {"scope": "user", "target": "a\x00b"},
)  # fmt: skip


async def test_a_budget_that_cannot_be_is_refused(api: httpx.AsyncClient) -> None:
    right = {"scope": "tenant", "period": "day", "limit": "10"}
    answers = [(await api.post("/api/v1/budgets", json=right | wrong)).status_code for wrong in WRONG]
    assert answers == [422] * len(WRONG)
    assert (await api.get("/api/v1/budgets")).json() == {"items": [], "next": None}


ASKED_WRONGLY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("planet:earth", {}), ("agent:", {}), ("tenant", {"reserve": -1}), ("tenant", {"reserve": "NaN"}),
    ("tenant", {"reserve": "1", "hold": "2d"}), ("tenant", {"hold": "0s"}), ("tenant", {"reserve": "0.00000000001"}),
    ("tenant", {"user": "a\x00b"}), ("tenant", {"reserve_tokens": 0.5}),
)  # fmt: skip


async def test_a_question_that_cannot_be_is_refused(api: httpx.AsyncClient) -> None:
    answers = [await api.get(f"/api/v1/budgets/{scope}/verdict", params=query) for scope, query in ASKED_WRONGLY]
    assert [answer.status_code for answer in answers] == [422] * len(ASKED_WRONGLY)


async def test_a_budget_is_asked_in_its_own_unit_and_there_is_one_of_a_kind(api: httpx.AsyncClient) -> None:
    budget = await make(api, unit="tokens", limit=1000)
    assert (await api.get(f"/api/v1/budgets/{budget['id']}/verdict", params={"reserve": 1})).status_code == 422
    assert (await ask(api, budget["id"], reserve_tokens=900))["verdict"] == "warn"
    again = await api.post("/api/v1/budgets", json={"scope": "tenant", "period": "day", "unit": "tokens", "limit": 1})
    assert again.status_code == 409
    assert (await api.delete(f"/api/v1/budgets/{budget['id']}")).status_code == 204
    assert (await api.get(f"/api/v1/budgets/{budget['id']}/verdict")).status_code == 404
    assert (await ask(api))["verdict"] == "allow"
