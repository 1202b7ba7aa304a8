"""Names that no dialect knows: kept with the steps they came with, counted, listed page by page."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from monitor.http import problems
from monitor.ingest.payloads import Outcome
from monitor.ingest.unmapped import EVERY_US, NAMES_AT_MOST, Unmapped
from monitor.runs import unmapped_routes
from tests.assembly import corpus
from tests.assembly.chain import Chain
from tests.assembly.corpus import GENAI, Teller
from tests.factories import make_tenant


async def told(chain: Chain, unmapped: dict[str, Any]) -> None:
    teller = Teller(1, (chain.now_us - 60_000_000) * 1000, GENAI)
    corpus.conversation(teller)
    await chain.ingest.keep_steps(chain.tenant.principal, teller.steps(), Outcome(), unmapped=unmapped)


@pytest.fixture
async def client(chain: Chain) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    app.state.deps = chain.ingest.deps
    app.include_router(unmapped_routes.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://collector") as made:
        yield made


async def test_they_are_listed_with_how_often_they_came(chain: Chain, client: httpx.AsyncClient) -> None:
    misfit = {("gen_ai", "gen_ai.usage.input_tokens"): 1}
    await told(chain, {"unknown": {("gen_ai", "gen_ai.new.thing"): 3}, "misfit": misfit})
    chain.clock.advance(61)
    await told(chain, {"unknown": {("gen_ai", "gen_ai.new.thing"): 2}})
    answer = await client.get("/api/v1/unmapped", headers=chain.tenant.headers)
    assert answer.status_code == 200
    assert [(row["dialect"], row["name"], row["kind"], row["seen"]) for row in answer.json()["items"]] == [
        ("gen_ai", "gen_ai.new.thing", "unknown", 5), ("gen_ai", "gen_ai.usage.input_tokens", "misfit", 1),
    ]  # fmt: skip
    first = answer.json()["items"][0]
    assert first["first_seen_at"] < first["last_seen_at"]


async def test_pages_go_on_where_the_one_before_ended(chain: Chain, client: httpx.AsyncClient) -> None:
    await told(chain, {"unknown": {("d", f"name-{number}"): 1 for number in range(5)}})
    names: list[str] = []
    cursor: str | None = None
    while True:
        given: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = (await client.get("/api/v1/unmapped", params=given, headers=chain.tenant.headers)).json()
        names += [row["name"] for row in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert names == [f"name-{number}" for number in range(5)]


async def test_nobody_sees_anothers(chain: Chain, client: httpx.AsyncClient) -> None:
    await told(chain, {"unknown": {("d", "secret"): 1}})
    other = await make_tenant(chain.db)
    assert (await client.get("/api/v1/unmapped", headers=other.headers)).json()["items"] == []


def test_a_name_is_written_at_once_and_then_once_a_minute() -> None:
    memory = Unmapped()
    tenant = UUID(int=1)
    counts = {"unknown": {("d", "n"): 2}}
    assert [row.seen for row in memory.due(tenant, counts, now_us=EVERY_US)] == [2]
    assert memory.due(tenant, counts, now_us=EVERY_US + 1) == []
    assert [row.seen for row in memory.due(tenant, counts, now_us=2 * EVERY_US)] == [4]


def test_a_sender_that_makes_names_up_fills_no_memory() -> None:
    memory = Unmapped()
    tenant = UUID(int=1)
    counts = {"unknown": {("d", f"n{number}"): 1 for number in range(NAMES_AT_MOST + 50)}}
    assert len(memory.due(tenant, counts, now_us=EVERY_US)) == NAMES_AT_MOST
