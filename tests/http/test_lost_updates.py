"""Who saw another one overwrites nothing: what is not plain CRUD has ETags and `If-Match` too."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from monitor.db import Database
from tests.conftest import SettableClock
from tests.factories import make_tenant
from tests.http.application import serving

RULE = {"name": "r", "agent": "akira-001", "conditions": {"status": "error"}, "severity": "warning"}
MADE: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "agents": ("/api/v1/agents", {"external_id": "akira-001"}, {"description": "{}"}, "DELETE"),
    "rules": ("/api/v1/alert-configs", RULE, {"name": "{}"}, "DELETE"),
    "budgets": (
        "/api/v1/budgets", {"scope": "tenant", "unit": "cost_usd", "period": "day", "limit": 5}, {"name": "{}"},
        "DELETE",
    ),
    "silences": ("/api/v1/silences", {"matchers": ["agent=akira-001"], "comment": "c"}, {"comment": "{}"}, "POST"),
    "events": (
        "/api/v1/calendar-events",
        {"kind": "event", "title": "t", "start_time": "2026-11-01T10:00:00Z", "end_time": "2026-11-01T11:00:00Z"},
        {"title": "{}"}, "DELETE",
    ),
}  # fmt: skip


@pytest.fixture
async def api(db: Database, clock: SettableClock) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(db, clock) as client:
        client.headers.update((await make_tenant(db)).headers)
        yield client


@pytest.mark.parametrize("what", MADE)
async def test_of_two_who_saw_the_same_one_is_refused(api: httpx.AsyncClient, clock: SettableClock, what: str) -> None:
    path, new, change, end = MADE[what]
    if what == "silences":
        new = new | {"ends_at": (clock() + timedelta(hours=1)).isoformat()}
    made = await api.post(path, json=new)
    assert made.status_code == 201, made.text
    one = f"{path}/{made.json()['id']}"
    seen = (await api.get(one)).headers["etag"]
    assert made.headers["etag"] == seen == (await api.get(one)).headers["etag"]
    # Both saw the same, and change it at the same time.
    (field,) = change
    both = [api.patch(one, json={field: word}, headers={"If-Match": seen}) for word in ("first", "second")]
    answers = await asyncio.gather(*both)
    assert sorted(answer.status_code for answer in answers) == [200, 412], [answer.text for answer in answers]
    (done,) = [answer for answer in answers if answer.status_code == 200]
    now = await api.get(one)
    assert (now.json()[field], now.headers["etag"]) == (done.json()[field], done.headers["etag"])
    assert done.headers["etag"] != seen
    # Who saw the first one ends nothing; who sees this one does, as does one who does not say.
    address = f"{one}/expire" if end == "POST" else one
    assert (await api.request(end, address, headers={"If-Match": seen})).status_code == 412
    assert (await api.get(one)).headers["etag"] == now.headers["etag"]
    assert (await api.patch(one, json={field: "third"})).status_code == 200
    latest = (await api.get(one)).headers["etag"]
    assert (await api.request(end, address, headers={"If-Match": f'"other", {latest}'})).is_success
