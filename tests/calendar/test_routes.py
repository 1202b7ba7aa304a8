"""`/api/v1/calendar-events`, `/on-call` and `/members` as clients see them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from monitor.db import Database
from monitor.identity.store import insert_member
from tests.conftest import SettableClock
from tests.factories import TenantMade, make_tenant
from tests.http.application import serving


@pytest.fixture
async def tenant(db: Database) -> TenantMade:
    return await make_tenant(db)


@pytest.fixture
async def api(db: Database, clock: SettableClock, tenant: TenantMade) -> AsyncIterator[httpx.AsyncClient]:
    async with db.owner() as owner:
        for name in ("ann", "ben"):
            await insert_member(owner, tenant.id, email=f"{name}@example.com", role="member", now=clock())
    async with serving(db, clock) as client:
        client.headers.update(tenant.headers)
        yield client


EVENT = {"title": "Release of the planner", "start_time": "2026-03-27T09:00", "end_time": "2026-03-27T10:30"}
SWAP = {"occurrence": "2026-03-27T09:00", "members": []}
BERLIN = {"time_zone": "Europe/Berlin"}
ROTATION = {
    "kind": "on_call", "schedule": "platform", "title": "Platform, weekly", "rrule": "FREQ=WEEKLY", **BERLIN,
    "members": ["ann@example.com", "BEN@example.com"],
    "start_time": "2026-01-05T09:00", "end_time": "2026-01-12T09:00",
}  # fmt: skip


async def _make(api: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post("/api/v1/calendar-events", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def _get(api: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_event_is_made_found_changed_and_deleted(api: httpx.AsyncClient) -> None:
    made = await _make(
        api, {**EVENT, **BERLIN, "location": "Room 5", "description": "d", "rrule": "FREQ=DAILY;COUNT=3"}
    )
    assert (made["start_time"], made["end_time"]) == ("2026-03-27T08:00:00Z", "2026-03-27T09:30:00Z")
    assert (made["location"], made["all_day"], made["kind"]) == ("Room 5", False, "event")
    assert [one["id"] for one in (await _get(api, "calendar-events", q="planner release"))["items"]] == [made["id"]]
    assert (await _get(api, "calendar-events", q="something else"))["items"] == []
    within = {"start": "2026-03-28T12:00:00Z", "end": "2026-03-30T00:00:00Z"}
    (found,) = (await _get(api, "calendar-events", **within))["items"]
    # The clocks are put forward that night.
    assert found["occurrences"] == [
        {
            "occurrence": "2026-03-29T07:00:00Z",
            "start_time": "2026-03-29T07:00:00Z",
            "end_time": "2026-03-29T08:30:00Z",
        }
    ]
    changes = {
        "title": "Later", "exdates": ["2026-03-28T09:00"],
        "overrides": [{"occurrence": "2026-03-29T09:00", "end_time": "2026-03-29T12:00"}],
    }  # fmt: skip
    answer = await api.patch(f"/api/v1/calendar-events/{made['id']}", json=changes)
    assert answer.status_code == 200, answer.text
    assert answer.json()["exdates"] == ["2026-03-28T08:00:00Z"]
    (found,) = (await _get(api, "calendar-events", start="2026-03-27T00:00:00Z", end="2026-04-30T00:00:00Z"))["items"]
    assert [one["end_time"] for one in found["occurrences"]] == ["2026-03-27T09:30:00Z", "2026-03-29T10:00:00Z"]
    assert (await _get(api, "calendar-events", start="2026-05-01T00:00:00Z", end="2026-05-02T00:00:00Z"))["items"] == []
    assert (await api.patch(f"/api/v1/calendar-events/{made['id']}", json={"end_time": None})).status_code == 422
    assert (await api.delete(f"/api/v1/calendar-events/{made['id']}")).status_code == 204
    assert (await api.get(f"/api/v1/calendar-events/{made['id']}")).status_code == 404
    kinds = [entry["action"] for entry in (await _get(api, "audit-logs", status="success"))["items"]]
    assert kinds == ["calendar_event.deleted", "calendar_event.updated", "calendar_event.created"]


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("time_zone", {"time_zone": "Mars"}),
        ("rrule", {"rrule": "FREQ=SECONDLY"}),
        ("end_time", {"end_time": "2026-03-27T08:00"}),
        ("schedule", {"schedule": "platform"}),
        ("schedule", {"kind": "on_call"}),
        ("members", {"members": ["ann@example.com"]}),
        ("members[1]", {**ROTATION, "members": ["ann@example.com", "nobody@example.com"]}),
        ("matchers", {"matchers": ['agent="a"']}),
        ("matchers[0]", {"kind": "maintenance", "matchers": ["agent"]}),
        ("overrides", {"exdates": ["2026-03-27T09:00"]}),
        (
            "overrides[0].members",
            {"rrule": "FREQ=DAILY", "overrides": [{"occurrence": "2026-03-27T09:00", "members": []}]},
        ),
    ],
)
async def test_what_cannot_be_is_refused_by_its_path(api: httpx.AsyncClient, path: str, change: dict[str, Any]) -> None:
    answer = await api.post("/api/v1/calendar-events", json=EVENT | change)
    assert (answer.status_code, answer.json().get("path")) == (422, path)


async def test_who_is_on_call_the_shifts_after_and_what_nobody_covers(api: httpx.AsyncClient) -> None:
    made = await _make(api, ROTATION | {"rrule": "FREQ=WEEKLY;COUNT=3"})
    assert [one["email"] for one in made["members"]] == ["ann@example.com", "ben@example.com"]
    cover = {"kind": "on_call", "schedule": "platform", "title": "cover", "members": ["ben@example.com"], "layer": 1}
    await _make(api, cover | {"start_time": "2026-01-06T00:00:00Z", "end_time": "2026-01-07T00:00:00Z"})
    (found,) = (await _get(api, "on-call", at="2026-01-05T12:00:00Z", days=30))["schedules"]
    assert (found["schedule"], [one["email"] for one in found["on_call"]]) == ("platform", ["ann@example.com"])
    who = [(one["start"][5:16], one["members"][0]["email"][:3]) for one in found["shifts"]]
    assert who == [
        ("01-05T12:00", "ann"), ("01-06T00:00", "ben"), ("01-07T00:00", "ann"), ("01-12T08:00", "ben"),
        ("01-19T08:00", "ann"),
    ]  # fmt: skip
    assert found["gaps"] == [{"start": "2026-01-26T08:00:00Z", "end": "2026-02-04T12:00:00Z"}]
    assert found["warnings"] == ["nobody is on call from 2026-01-26T08:00:00+00:00 to 2026-02-04T12:00:00+00:00"]
    covered = await _get(api, "on-call", schedule="platform", at="2026-01-06T12:00:00Z")
    assert [one["email"] for one in covered["schedules"][0]["on_call"]] == ["ben@example.com"]
    assert (await api.get("/api/v1/on-call", params={"schedule": "other"})).status_code == 404


async def test_members_say_how_they_are_reached(api: httpx.AsyncClient) -> None:
    emails = [one["email"] for one in (await _get(api, "members"))["items"]]
    assert emails[:2] == ["ann@example.com", "ben@example.com"]
    contacts = [
        {"kind": "slack", "target": "U0123456789", "after": "0s"},
        {"kind": "email", "target": "ann@example.com", "after": "5m"},
    ]
    quiet = {"start": "22:00:00", "end": "07:00:00", "time_zone": "Europe/Berlin", "days": ["MO", "SU"]}
    answer = await api.patch("/api/v1/members/Ann@example.com", json={"contacts": contacts, "quiet_hours": quiet})
    assert answer.status_code == 200, answer.text
    found = await _get(api, "members/ann@example.com")
    assert (found["contacts"], found["quiet_hours"]) == (contacts, quiet)
    await api.patch("/api/v1/members/ann@example.com", json={"quiet_hours": None})
    found = await _get(api, f"members/{found['id']}")
    assert (found["contacts"], found["quiet_hours"]) == (contacts, None)
    for wrong in (
        {"contacts": [{"kind": "email", "target": "not an address"}]},
        {"contacts": [{"kind": "slack", "target": "#ops", "after": "2d"}]},
        {"quiet_hours": {"start": "22:00", "end": "22:00"}},
        {"quiet_hours": {"start": "22:00", "end": "07:00", "time_zone": "Mars"}},
    ):
        assert (await api.patch("/api/v1/members/ann@example.com", json=wrong)).status_code == 422, wrong
    assert (await api.get("/api/v1/members/nobody@example.com")).status_code == 404


async def test_events_are_listed_as_they_begin_and_by_when_they_begin(api: httpx.AsyncClient) -> None:
    """Pages too, each sort with its own cursors."""
    for day in (3, 1, 5, 2, 4):
        day_of = f"2026-04-0{day}"
        await _make(api, {"title": str(day), "start_time": f"{day_of}T09:00Z", "end_time": f"{day_of}T10:00Z"})

    async def titles(**query: Any) -> str:
        seen = ""
        cursor: dict[str, str] = {}
        while True:
            found = await _get(api, "calendar-events", limit=2, **query, **cursor)
            seen += "".join(one["title"] for one in found["items"])
            if found["next"] is None:
                return seen
            cursor = {"cursor": found["next"]}

    assert await titles() == "42513"
    assert await titles(sort="start_time") == "12345"
    assert await titles(sort="-start_time") == "54321"
    within = {"starts_from": "2026-04-02T09:00:00Z", "starts_before": "2026-04-04T09:00:00Z"}
    assert await titles(sort="start_time", **within) == "23"
    first = await _get(api, "calendar-events", limit=2, sort="start_time")
    for wrong in ({"cursor": first["next"]}, {"cursor": "W10"}, {"sort": "start_time", "cursor": first["next"][:-6]}):
        assert (await api.get("/api/v1/calendar-events", params=wrong)).status_code == 400
    assert (await api.get("/api/v1/calendar-events", params={"sort": "title"})).status_code == 422


async def test_what_conflicts_with_a_time_is_what_takes_place_then(api: httpx.AsyncClient) -> None:
    """By ranges, to the instant: what ends when another begins does not; a whole day is one of its own zone."""
    meeting = {"title": "meeting", "start_time": "2026-04-01T09:00Z", "end_time": "2026-04-01T10:00Z"}
    await _make(api, meeting)
    await _make(api, {**meeting, "title": "daily", "rrule": "FREQ=DAILY"})
    whole = {"title": "day", "all_day": True, "start_time": "2026-04-02T00:00", "end_time": "2026-04-03T00:00"}
    await _make(api, {**whole, "time_zone": "Europe/Berlin"})

    async def conflicts(start: str, end: str) -> set[str]:
        found = await _get(api, "calendar-events", start=start, end=end)
        return {one["title"] for one in found["items"]}

    assert await conflicts("2026-04-01T09:30:00Z", "2026-04-01T11:00:00Z") == {"meeting", "daily"}
    assert await conflicts("2026-04-01T10:00:00Z", "2026-04-01T11:00:00Z") == set()
    # Berlin is two hours ahead: its day begins and ends before UTC's does.
    assert await conflicts("2026-04-01T21:00:00Z", "2026-04-01T22:00:00Z") == set()
    assert await conflicts("2026-04-01T22:00:00Z", "2026-04-01T23:00:00Z") == {"day"}
    assert await conflicts("2026-04-02T09:15:00Z", "2026-04-02T09:20:00Z") == {"daily", "day"}
    assert await conflicts("2026-04-02T22:00:00Z", "2026-04-02T23:00:00Z") == set()
