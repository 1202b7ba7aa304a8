"""The mechanism of CRUD, shown on workflows, which can come back, and agent types, of which some are everybody's."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from monitor.db import Database
from monitor.http.paging import decode, encode
from monitor.principal import Scope
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_key, make_tenant
from tests.http.application import serving

FLOWS, TYPES = "/api/v1/workflows", "/api/v1/agent-types"


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock, tenant: TenantMade) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(db, clock) as client:
        client.headers.update(tenant.headers)
        yield client


async def make(api: httpx.AsyncClient, slug: str, **values: Any) -> dict[str, Any]:
    answer = await api.post(FLOWS, json={"name": slug.title(), "slug": slug, **values})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def slugs(api: httpx.AsyncClient, path: str = FLOWS, **params: Any) -> list[str]:
    """All of a list, page by page."""
    found: list[str] = []
    while True:
        answer = await api.get(path, params=params)
        assert answer.status_code == 200, answer.text
        found += [one["slug"] for one in answer.json()["items"]]
        if answer.json()["next"] is None:
            return found
        params["cursor"] = answer.json()["next"]


async def trail(db: Database, tenant: TenantMade) -> list[dict[str, Any]]:
    async with db.tenant(tenant.id) as connection:
        rows = await connection.execute(text("SELECT * FROM audit_logs WHERE status = 'success' ORDER BY id"))
        return [dict(row) for row in rows.mappings()]


async def test_of_two_who_change_the_same_state_one_is_told(api: httpx.AsyncClient) -> None:
    made = await api.post(FLOWS, json={"name": "Review", "slug": "review"})
    seen = (await api.get(f"{FLOWS}/review")).headers["ETag"]
    assert seen == made.headers["ETag"]
    changes = [{"description": "mine"}, {"description": "theirs"}]
    answers = await asyncio.gather(
        *(api.patch(f"{FLOWS}/review", json=change, headers={"If-Match": seen}) for change in changes)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    done, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert refused.json()["code"] == "precondition_failed"
    now = await api.get(f"{FLOWS}/review")
    assert (now.json(), now.headers["ETag"]) == (done.json(), done.headers["ETag"])
    assert (await api.delete(f"{FLOWS}/review", headers={"If-Match": seen})).status_code == 412
    assert (await api.patch(f"{FLOWS}/review", json={}, headers={"If-Match": f'"x", {now.headers["ETag"]}'})).is_success
    assert (await api.delete(f"{FLOWS}/review", headers={"If-Match": "*"})).status_code == 204


async def test_what_is_known_is_not_sent_again(api: httpx.AsyncClient) -> None:
    made = await make(api, "review")
    seen = (await api.get(f"{FLOWS}/review")).headers["ETag"]
    for known in (seen, f"W/{seen}", f'"other", {seen}', "*"):
        answer = await api.get(f"{FLOWS}/{made['id']}", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", seen)
    changed = await api.patch(f"{FLOWS}/review", json={"tags": {"team": "core"}})
    again = await api.get(f"{FLOWS}/review", headers={"If-None-Match": seen})
    assert (again.status_code, again.headers["ETag"]) == (200, changed.headers["ETag"])


async def test_pages_hold_while_rows_are_made_and_deleted(api: httpx.AsyncClient) -> None:
    for letter in "bdfhjl":
        await make(api, letter)
    first = (await api.get(FLOWS, params={"limit": 2})).json()
    assert [one["slug"] for one in first["items"]] == ["b", "d"]
    await make(api, "a")  # before what was shown: it is not shown, and nothing is twice
    await make(api, "g")
    await api.delete(f"{FLOWS}/d")  # the row that the cursor names
    await api.delete(f"{FLOWS}/h")
    assert await slugs(api, limit=2, cursor=first["next"]) == ["f", "g", "j", "l"]


async def test_a_list_is_sorted_either_way_by_each_column(api: httpx.AsyncClient, db: Database) -> None:
    for slug, name in (("a", "Same"), ("b", "Same"), ("c", "Other"), ("d", "Same")):
        await make(api, slug, name=name)
    for limit in (1, 3):
        assert await slugs(api, limit=limit, sort="-slug") == ["d", "c", "b", "a"]
        assert await slugs(api, limit=limit, sort="name") == ["c", "a", "b", "d"]
        assert await slugs(api, limit=limit, sort="-name") == ["d", "b", "a", "c"]
        assert await slugs(api, limit=limit, sort="-created_at") == ["d", "c", "b", "a"]


async def test_a_cursor_belongs_to_its_sort(api: httpx.AsyncClient) -> None:
    for slug in "abc":
        await make(api, slug)
    cursor = (await api.get(FLOWS, params={"limit": 1, "sort": "created_at"})).json()["next"]
    _sort, when, row = decode(cursor, parts=3) or []
    for sort in ("slug", "-created_at", "updated_at"):
        answer = await api.get(FLOWS, params={"cursor": cursor, "sort": sort})
        assert (answer.status_code, answer.json()["detail"]) == (400, "cursor is one of another sort")
    broken = (
        ["created_at", "yesterday", row],
        ["created_at", when[:19], row],
        ["created_at", when, "1"],
        ["slug", "a"],
    )
    for key in broken:
        assert (await api.get(FLOWS, params={"cursor": encode(key), "sort": "created_at"})).status_code == 400
    assert (await api.get(FLOWS, params={"sort": "definition"})).json()["errors"][0]["path"] == "query.sort"


async def test_a_list_is_narrowed_and_knows_its_parameters(api: httpx.AsyncClient) -> None:
    await make(api, "review-code", status="draft")
    await make(api, "review_text", name="100% of it")
    await make(api, "ship")
    assert await slugs(api, status="draft") == ["review-code"]
    assert await slugs(api, q="REVIEW") == ["review-code", "review_text"]
    assert await slugs(api, q="review_") == ["review_text"]  # as it is written, no pattern
    assert await slugs(api, q="0%", status="active") == ["review_text"]
    for wrong in ({"colour": "red"}, {"status": "red"}, {"limit": 0}, {"limit": 1001}):
        answer = await api.get(FLOWS, params=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, f"query.{next(iter(wrong))}")
    assert (await api.get(TYPES, params={"deleted": True})).status_code == 422


async def test_what_was_deleted_comes_back_as_it_was(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade, clock: SettableClock
) -> None:
    made = await make(api, "review", definition={"steps": [{"id": "read"}]})
    assert (await api.post(f"{FLOWS}/review/restore")).status_code == 404
    assert (await api.delete(f"{FLOWS}/review")).status_code == 204
    for path in ("review", made["id"]):
        assert (await api.get(f"{FLOWS}/{path}")).status_code == 404
        assert (await api.patch(f"{FLOWS}/{path}", json={"name": "x"})).status_code == 404
        assert (await api.delete(f"{FLOWS}/{path}")).status_code == 404
    assert (await slugs(api), await slugs(api, deleted=True)) == ([], ["review"])
    back = await api.post(f"{FLOWS}/review/restore")
    assert back.json() | {"updated_at": ""} == made | {"updated_at": ""}
    assert back.headers["ETag"] == (await api.get(f"{FLOWS}/review")).headers["ETag"]
    assert [row["action"] for row in await trail(db, tenant)] == [
        "workflow.created", "workflow.deleted", "workflow.restored",
    ]  # fmt: skip


async def test_a_name_that_a_deleted_one_has_is_said_to_be_taken_by_it(api: httpx.AsyncClient) -> None:
    made = await make(api, "review")
    await make(api, "other")
    await api.delete(f"{FLOWS}/review")
    for taken in (
        await api.post(FLOWS, json={"name": "Review"}),
        await api.patch(f"{FLOWS}/other", json={"slug": "review"}),
    ):
        assert taken.status_code == 409
        assert taken.json()["detail"].startswith("a deleted workflow has this slug")
        assert f"/workflows/{made['id']}/restore" in taken.json()["detail"]
    # One that is there is no deleted one.
    assert "deleted" not in (await api.post(FLOWS, json={"name": "Other"})).json()["detail"]


async def test_the_trail_tells_what_differs_who_and_from_where(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    made = await make(api, "review")
    same = await api.patch(f"{FLOWS}/review", json={"name": "Review", "status": "active"})
    assert same.json() == made
    await api.patch(
        f"{FLOWS}/review", json={"timeout_seconds": 5, "status": "active"}, headers={"User-Agent": "curl/8" + "." * 900}
    )
    created, updated = await trail(db, tenant)
    assert (created["new_values"], created["old_values"]) == (made, None)
    assert updated["old_values"] == {"timeout_seconds": None, "version": 1}
    assert updated["new_values"] == {"timeout_seconds": 5.0, "version": 2}
    assert (updated["resource_type"], updated["resource_id"]) == ("workflow", made["id"])
    assert updated["actor"] == f"key:{tenant.key_id}"
    assert str(updated["ip_address"]) == "127.0.0.1"
    assert updated["user_agent"] == ("curl/8" + "." * 900)[:500]


async def test_what_is_everybodys_is_read_by_all_and_changed_by_none(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    coder = (await api.get(f"{TYPES}/coder")).json()
    assert coder["predefined"]
    for key in ("coder", coder["id"]):
        for method in ("PATCH", "DELETE"):
            answer = await api.request(method, f"{TYPES}/{key}", json={"name": "Mine"} if method == "PATCH" else None)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    mine = await api.post(TYPES, json={"slug": "coder", "name": "Mine", "default_config": {"model": "m"}})
    assert (mine.status_code, mine.json()["predefined"]) == (201, False)
    # One's own of a name goes before everybody's.
    assert (await api.get(f"{TYPES}/coder")).json() == mine.json()
    assert (await api.get(f"{TYPES}/{coder['id']}")).json() == coder
    assert (await slugs(api, TYPES, limit=1)).count("coder") == 2
    assert (await api.patch(f"{TYPES}/coder", json={"name": "Ours"})).json()["name"] == "Ours"
    other = await make_tenant(db)
    assert (await slugs(api, TYPES, q="ours")) == ["coder"]
    api.headers.update(other.headers)
    assert (await slugs(api, TYPES, q="ours")) == []
    assert (await api.get(f"{TYPES}/coder")).json() == coder
    api.headers.update(tenant.headers)
    assert (await api.delete(f"{TYPES}/coder")).status_code == 204
    assert (await api.get(f"{TYPES}/coder")).json() == coder


async def test_a_grant_for_one_slice_is_for_that_slice_alone(
    api: httpx.AsyncClient, db: Database, tenant: TenantMade
) -> None:
    await make(api, "review")
    await api.delete(f"{FLOWS}/review")
    _key, reading = await make_key(db, tenant.id, scopes=("runs:read", "agents:write"))
    api.headers["Authorization"] = f"Bearer {reading}"
    assert (await api.get(FLOWS)).status_code == 200
    refused = (await api.get(FLOWS, params={"deleted": True}), await api.get(TYPES), await api.get("/api/v1/alerts"))
    assert [answer.status_code for answer in refused] == [403, 403, 403]
    assert (await api.post(FLOWS, json={"name": "n"})).json()["detail"] == "this key lacks the scope 'write'"
    assert (await api.post(TYPES, json={"slug": "s", "name": "n"})).status_code == 201
    _key, writing = await make_key(db, tenant.id, scopes=("runs:write", Scope.READ))
    api.headers["Authorization"] = f"Bearer {writing}"
    assert await slugs(api, deleted=True) == ["review"]
    assert (await api.post(f"{FLOWS}/review/restore")).status_code == 200
    assert (await api.delete(f"{TYPES}/s")).status_code == 403
