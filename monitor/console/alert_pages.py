"""`/alerts`: what is wrong and what was, and one alert with all that happened to it and what can be done about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from alerts import responses, trust_routes
from alerts.alert_routes import by_of
from alerts.core.matchers import Matcher, MatchOp
from alerts.trust_bodies import ExplainAnswer
from monitor.console import store
from monitor.console.agent import path_of
from monitor.console.alert_search import A_PAGE, SEVERITIES, STATUSES, find_alerts, has_rule, search_of
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.render import page
from monitor.console.shell import read_viewer
from monitor.errors import Conflict, InvalidInput, NotFound
from monitor.http.deps import Deps, Given, Reader, Responder
from monitor.http.problems import uuid_of
from monitor.principal import Scope

_LONGEST_COMMENT = 2000
_SPANS = {
    "30 minutes": timedelta(minutes=30),
    "1 hour": timedelta(hours=1),
    "4 hours": timedelta(hours=4),
    "8 hours": timedelta(hours=8),
    "1 day": timedelta(days=1),
    "3 days": timedelta(days=3),
    "1 week": timedelta(days=7),
}
"""How long an alert can be snoozed from its page."""
_PICKED = "alert-"
"""Before an alert's id in the name of its checkbox."""
_DIGITS = 4
_DEEDS = {"acknowledge": "acknowledged", "snooze": "snoozed"}


@dataclass(frozen=True, slots=True)
class _Form:
    """What people say about an alert. `lasts`: one of _SPANS; `ends`: the snooze that there is."""

    comment: str | None
    lasts: str
    ends: bool


router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["alerts"])


@router.get("/alerts")
async def list_alerts(request: Request, deps: Given, principal: Reader, cursor: str | None = None) -> Response:
    """The alerts that pass the filters of the query string."""
    search, now = search_of(request.query_params), deps.clock()
    async with deps.db.tenant(principal.tenant_id) as connection:
        found = await find_alerts(connection, principal.tenant_id, search, now=now, cursor=cursor)
        viewer = await read_viewer(connection, principal)
    values = {
        "found": found, "search": search, "statuses": STATUSES, "severities": SEVERITIES, "spans": list(_SPANS),
        "now": now, "viewer": viewer, "first": search.address() if cursor else None,
        "next": search.address(cursor=found.next) if found.next else None, "may_respond": principal.may(Scope.ALERTS),
        "said": _came_of(request),
    }  # fmt: skip
    return page("alerts.html", request, values)


@router.post("/alerts")
async def respond_to_many(request: Request, deps: Given, principal: Responder) -> Response:
    """Acknowledge or snooze those that are picked, each by itself: one that has ended keeps no other from it."""
    fields = await read_own_form(request)
    deed, form = fields.get("deed", ""), _read(fields)
    if deed not in _DEEDS:
        raise InvalidInput(f"must be one of {', '.join(_DEEDS)}", path="deed")
    named = (uuid_of(name.removeprefix(_PICKED)) for name in fields if name.startswith(_PICKED))
    picked = [one for one in named if one is not None][:A_PAGE]
    count = {"done": 0, "over": 0, "unknown": 0}
    by = by_of(deps, principal)
    until = _until(deps, form) if deed == "snooze" else None
    for alert_id in picked:
        try:
            async with deps.db.tenant(principal.tenant_id) as connection:
                if deed == "snooze":
                    await responses.snooze(connection, by, alert_id, until=until, said=form.comment)
                else:
                    await responses.acknowledge(connection, by, alert_id, said=form.comment)
            count["done"] += 1
        except Conflict:
            count["over"] += 1
        except NotFound:
            count["unknown"] += 1
    back = search_of(dict(parse_qsl(fields.get("back", "").partition("?")[2])))
    said = {name: str(number) for name, number in count.items()}
    return RedirectResponse(back.address(deed=deed, **said), status_code=303)


@router.get("/alerts/{alert_id}")
async def alert(request: Request, deps: Given, principal: Reader, alert_id: UUID) -> Response:
    """One alert with its timeline and messages."""
    tenant_id = principal.tenant_id
    async with deps.db.tenant(tenant_id) as connection:
        row = await responses.get_alert(connection, tenant_id, alert_id)
        values = {
            "alert": await store.get_alert(connection, tenant_id, alert_id),
            "events": await responses.list_events(connection, tenant_id, alert_id),
            "messages": await store.list_messages(connection, tenant_id, limit=20, alert_id=alert_id),
            "viewer": await read_viewer(connection, principal),
            "row": row,
            "has_rule": await has_rule(connection, tenant_id, row.config_id),
        }
    pairs = {"rule": row.rule, **({"agent": row.agent} if row.agent else {})}
    matchers = "\n".join(str(Matcher(name, MatchOp.EQUAL, value)) for name, value in pairs.items())
    known = {
        "now": deps.clock(), "may_respond": principal.may(Scope.ALERTS), "spans": list(_SPANS),
        "agent_path": path_of(row.agent, row.agent_id) if row.agent else None,
        "silence": f"/silences/new?{urlencode({'matchers': matchers})}",
    }  # fmt: skip
    return page("alert.html", request, known | values)


@router.get("/alerts/{alert_id}/why")
async def why(request: Request, deps: Given, principal: Reader, alert_id: UUID, at: str = "") -> Response:
    """Why its rule paged, or does not: when it fired, or now (`at=now`)."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        row = await responses.get_alert(connection, principal.tenant_id, alert_id)
        viewer = await read_viewer(connection, principal)
    moment = None if at == "now" else row.triggered_at.isoformat()
    told, fault = None, None
    if row.config_id is None or row.agent is None:
        fault = "No rule of yours judges this: Agent Monitor itself reports it, or somebody sent it."
    else:
        try:
            told = await trust_routes.explain(deps, principal, row.config_id, agent=row.agent, at=moment)
        except (Conflict, NotFound, InvalidInput) as error:
            fault = f"{error.message.capitalize()}."
    own = None if told is None else _own(told, row.labels)
    values = {"alert": row, "told": own, "fault": fault, "viewer": viewer, "is_now": at == "now", "now": deps.clock()}
    return page("why.html", request, values)


@router.post("/alerts/{alert_id}/acknowledge")
async def acknowledge(request: Request, deps: Given, principal: Responder, alert_id: UUID) -> Response:
    """Say that somebody has it, then show the alert."""
    form = _read(await read_own_form(request))
    async with deps.db.tenant(principal.tenant_id) as connection:
        await responses.acknowledge(connection, by_of(deps, principal), alert_id, said=form.comment)
    return RedirectResponse(f"/alerts/{alert_id}", status_code=303)


@router.post("/alerts/{alert_id}/snooze")
async def snooze(request: Request, deps: Given, principal: Responder, alert_id: UUID) -> Response:
    """Say nothing about an alert for a while, or end that, then show it."""
    form = _read(await read_own_form(request))
    until = None if form.ends else _until(deps, form)
    async with deps.db.tenant(principal.tenant_id) as connection:
        await responses.snooze(connection, by_of(deps, principal), alert_id, until=until, said=form.comment)
    return RedirectResponse(f"/alerts/{alert_id}", status_code=303)


@router.post("/alerts/{alert_id}/comment")
async def comment(request: Request, deps: Given, principal: Responder, alert_id: UUID) -> Response:
    """Say something about an alert, then show it."""
    form = _read(await read_own_form(request))
    if form.comment is not None:
        async with deps.db.tenant(principal.tenant_id) as connection:
            await responses.comment(connection, by_of(deps, principal), alert_id, form.comment)
    return RedirectResponse(f"/alerts/{alert_id}", status_code=303)


@router.post("/alerts/{alert_id}/resolve")
async def resolve(request: Request, deps: Given, principal: Responder, alert_id: UUID) -> Response:
    """Close an alert by hand, then show it."""
    form = _read(await read_own_form(request))
    async with deps.db.tenant(principal.tenant_id) as connection:
        await responses.resolve(connection, by_of(deps, principal), alert_id, said=form.comment)
    return RedirectResponse(f"/alerts/{alert_id}", status_code=303)


def _own(told: ExplainAnswer, labels: dict[str, str]) -> ExplainAnswer:
    """What was read for the labels of an alert; of several that it has all of, the one that says most."""
    fitting = [one for one in (told, *told.others) if one.labels.items() <= labels.items()]
    return max(fitting or [told], key=lambda one: len(one.labels))


def _until(deps: Deps, form: _Form) -> datetime:
    if form.lasts not in _SPANS:
        raise InvalidInput(f"must be one of {', '.join(_SPANS)}", path="for")
    return deps.clock() + _SPANS[form.lasts]


def _read(form: dict[str, str]) -> _Form:
    """What a form says. Raises InvalidInput."""
    said = form.get("comment", "").strip().replace("\x00", "\ufffd")
    if len(said) > _LONGEST_COMMENT:
        raise InvalidInput(f"must have at most {_LONGEST_COMMENT} characters", path="comment")
    return _Form(said or None, form.get("for", ""), ends="end" in form)


def _came_of(request: Request) -> str | None:
    """What the buttons over the list did."""
    deed, *counts = (request.query_params.get(name, "") for name in ("deed", "done", "over", "unknown"))
    if deed not in _DEEDS or not all(one.isdecimal() and len(one) < _DIGITS for one in counts):
        return None
    if not any(map(int, counts)):
        return "None was picked."
    words = (_DEEDS[deed], "had ended already", "not found")
    return "; ".join(f"{count} {said}" for count, said in zip(counts, words, strict=True) if int(count)) + "."
