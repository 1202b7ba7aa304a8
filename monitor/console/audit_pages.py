"""`/settings/audit`: who changed what, and who was refused."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from monitor.audit import routes as audit
from monitor.audit.bodies import EntryBody, Outcome
from monitor.audit.store import Wanted
from monitor.console.forms import given
from monitor.console.page_routes import PageRoute
from monitor.console.settings_page import settings_page
from monitor.errors import InvalidInput
from monitor.http.deps import Admin, Given
from monitor.http.paging import Cursor

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["audit"])
_WORDS = ("actor", "action", "resource_type", "resource_id")
_ROWS = 50


@router.get("/settings/audit")
async def show(request: Request, deps: Given, principal: Admin, cursor: Cursor = None) -> Response:
    """The trail, newest first, with filters of the address."""
    asked = given(request.query_params, *_WORDS, "status", "since", "until")
    wanted = _wanted(asked)
    found = await audit.list_entries(deps, principal, wanted, limit=_ROWS, cursor=cursor)
    values = {
        "entries": [(entry, changes(entry)) for entry in found.items], "next": found.next, "asked": asked,
        "query": urlencode(asked), "export": urlencode(_exported(wanted)), "outcomes": list(Outcome),
    }  # fmt: skip
    return await settings_page(request, deps, principal, "audit", values)


def changes(entry: EntryBody) -> list[tuple[str, Any, Any]]:
    """Each value that differs, with what it was before and is after; None where there is none."""
    old, new = entry.old_values or {}, entry.new_values or {}
    names = dict.fromkeys([*old, *new])
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name) or not old]


def _wanted(asked: Mapping[str, str]) -> Wanted:
    """What the filters say; both days are among what they ask for, as days of UTC."""
    words: dict[str, Any] = {name: asked[name][:200] for name in _WORDS if name in asked}
    if asked.get("status") in set(Outcome):
        words["status"] = asked["status"]
    until = _day(asked, "until")
    return Wanted(**words, since=_day(asked, "since"), until=None if until is None else until + timedelta(days=1))


def _exported(wanted: Wanted) -> dict[str, str]:
    """The same, as the API's export takes it."""
    said = {name: getattr(wanted, name) for name in (*_WORDS, "status")}
    times = {name: at.isoformat() for name in ("since", "until") if (at := getattr(wanted, name)) is not None}
    return {"format": "csv", **{name: str(value) for name, value in said.items() if value}, **times}


def _day(asked: Mapping[str, str], name: str) -> datetime | None:
    if name not in asked:
        return None
    try:
        return datetime.combine(date.fromisoformat(asked[name]), time(), UTC)
    except (ValueError, OverflowError):
        raise InvalidInput("a day is expected, such as 2026-03-31", path=name) from None
