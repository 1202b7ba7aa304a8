"""`/rules`: what is looked for, switched on and off; and the editor, which tries a rule before it is saved."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response

from alerts import rule_routes, trust_routes
from alerts.bodies import RuleAnswer, RuleBody, RulePatch
from alerts.rule_routes import Edits
from alerts.trust_bodies import PreviewAnswer, PreviewBody
from monitor.console import rule_editor
from monitor.console.forms import Typed, done, tried
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.render import page
from monitor.console.shell import read_viewer
from monitor.errors import InvalidInput, NotFound, PreconditionFailed
from monitor.http.deps import Deps, Given, Reader, Writer
from monitor.principal import Principal, Scope

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["alerts"])

_A_PAGE = 100
_FORM = "rule"
_DONE = {"made": "The rule is made.", "saved": "Saved.", "restored": "Restored, as a new version."}


@router.get("/rules")
async def list_rules(
    request: Request, deps: Given, principal: Reader, agent: str = "", enabled: str = "", cursor: str | None = None
) -> Response:
    """All rules, those of an agent, or those that are on or off."""
    if enabled not in ("", "yes", "no"):
        raise InvalidInput("must be yes or no", path="enabled")
    agent, state = agent.strip()[:200], None if not enabled else enabled == "yes"
    found = await rule_routes.list_rules(deps, principal, _A_PAGE, cursor, agent or None, state)
    async with deps.db.tenant(principal.tenant_id) as connection:
        firing = await rule_editor.firing_now(connection, principal.tenant_id, [one.id for one in found.items])
    here = {name: said for name, said in (("agent", agent), ("enabled", enabled)) if said}
    values = {
        "rules": found.items, "firing": firing, "agent": agent, "enabled": enabled,
        "first": f"/rules?{urlencode(here)}" if cursor else None,
        "next": f"/rules?{urlencode(here | {'cursor': found.next})}" if found.next else None,
    }  # fmt: skip
    return await _page("rules.html", request, deps, principal, values)


@router.get("/rules/new")
async def new_rule(request: Request, deps: Given, principal: Reader, agent: str = "") -> Response:
    """The editor of a new rule; `agent`: which one it is for."""
    fresh = dict(rule_editor.FRESH) | ({"agent": agent[:200]} if agent else {})
    return await _editor(request, deps, principal, {"rule": rule_editor.written(fresh)})


@router.post("/rules/new")
async def create_rule(request: Request, deps: Given, principal: Writer) -> Response:
    """Save it, then show it."""
    form = _drafted(await read_own_form(request))
    made: list[RuleAnswer] = []

    async def make() -> None:
        made.append(await Edits(deps).create(principal, rule_editor.read(RuleBody, form["rule"])))

    wrong = await tried(request, _FORM, form, _fields(), make)
    return await _editor(request, deps, principal, form, wrong) if wrong else done(f"/rules/{made[0].id}?done=made")


@router.post("/rules/preview")
async def preview(request: Request, deps: Given, principal: Reader) -> Response:
    """What the rule in the editor reads now, and what it would have done."""
    form = _drafted(await read_own_form(request))
    found: list[PreviewAnswer] = []

    async def ask() -> None:
        since, zone = form.get("since", "-7d"), form.get("time_zone", "").strip() or "UTC"
        body = rule_editor.read(PreviewBody, form["rule"], since=since, time_zone=zone)
        found.append(await trust_routes.preview(deps, principal, body))

    wrong = await tried(request, _FORM, form, _fields(), ask)
    return await _editor(request, deps, principal, form, wrong, told=found[0] if found else None)


@router.get("/rules/{rule_id}")
async def show_rule(request: Request, deps: Given, principal: Reader, rule_id: UUID) -> Response:
    """The editor of a rule."""
    return await _editor(request, deps, principal, {"id": str(rule_id)})


@router.post("/rules/{rule_id}")
async def save_rule(request: Request, deps: Given, principal: Writer, rule_id: UUID) -> Response:
    """Save it, unless somebody else did since it was shown."""
    form = _drafted(await read_own_form(request)) | {"id": str(rule_id)}
    return await _save(request, deps, principal, rule_id, form, "saved")


@router.post("/rules/{rule_id}/restore")
async def restore(request: Request, deps: Given, principal: Writer, rule_id: UUID) -> Response:
    """Make it what it was at a version: as a new version."""
    form = await read_own_form(request)
    versions = (await rule_routes.list_versions(deps, principal, rule_id))["items"]
    wanted = next((one for one in versions if str(one.version) == form.get("version")), None)
    if wanted is None:
        raise NotFound("there is no such version")
    restored = {**form, "id": str(rule_id), "rule": rule_editor.written(wanted.rule)}
    return await _save(request, deps, principal, rule_id, restored, "restored")


@router.post("/rules/{rule_id}/enabled")
async def enable(request: Request, deps: Given, principal: Writer, rule_id: UUID) -> Response:
    """Switch it on or off, then show the list."""
    form = await read_own_form(request)
    await Edits(deps).change(principal, rule_id, RulePatch(enabled=form.get("enabled") == "yes"), whole=False)
    return done("/rules")


@router.post("/rules/{rule_id}/test")
async def send_test(request: Request, deps: Given, principal: Writer, rule_id: UUID) -> Response:
    """Send a message marked TEST to everybody that the rule names as it is saved."""
    form = await read_own_form(request) | {"id": str(rule_id)}
    sent: list[int] = []

    async def send() -> None:
        sent.append(len((await rule_routes.test_rule(deps, principal, rule_id)).targets))

    wrong = await tried(request, _FORM, form, (), send)
    if wrong:
        return await _editor(request, deps, principal, {"id": str(rule_id)}, wrong)
    return done(f"/rules/{rule_id}?done=tested&to={sent[0]}")


@router.post("/rules/{rule_id}/delete")
async def delete(request: Request, deps: Given, principal: Writer, rule_id: UUID) -> Response:
    """Delete it, then show the list."""
    form = await read_own_form(request)
    await Edits(deps).delete(principal, rule_id, match=form.get("match") or None)
    return done("/rules")


async def _save(
    request: Request, deps: Deps, principal: Principal, rule_id: UUID, form: dict[str, str], said: str
) -> Response:
    async def save() -> None:
        body = rule_editor.read(RuleBody, form["rule"])
        try:
            await Edits(deps).change(principal, rule_id, body, whole=True, match=form.get("match") or None)
        except PreconditionFailed:
            raise InvalidInput("somebody else changed it since: look at the versions, then save again") from None

    wrong = await tried(request, _FORM, form, _fields(), save)
    if wrong:
        # What is saved next is saved over what is there now, which was said.
        return await _editor(request, deps, principal, {**form, "match": ""}, wrong)
    return done(f"/rules/{rule_id}?done={said}")


def _drafted(form: Mapping[str, str]) -> dict[str, str]:
    return {**form, "rule": rule_editor.drafted(form)}


def _fields() -> tuple[str, ...]:
    return ("rule", *rule_editor.PLAIN)


async def _editor(
    request: Request,
    deps: Deps,
    principal: Principal,
    form: Mapping[str, str],
    wrong: Typed | None = None,
    *,
    told: PreviewAnswer | None = None,
) -> Response:
    """The editor with what was typed; of a stored rule (`id`), with its versions."""
    stored: RuleAnswer | None = None
    answer, versions = Response(), []
    if form.get("id"):
        rule_id = _id(form["id"])
        stored = await rule_routes.get_rule(deps, principal, rule_id, answer)
        versions = (await rule_routes.list_versions(deps, principal, rule_id))["items"]
    text = form["rule"] if "rule" in form else rule_editor.of_answer(stored) if stored else ""
    values: dict[str, Any] = {
        "stored": stored, "versions": versions, "told": told, "said": None if wrong else _said(request), "of": _FORM,
        "typed": Typed(_FORM, rule_editor.plain(text) | {"rule": text}, *((wrong.path, wrong.wrong) if wrong else ())),
        # What was typed goes with the version that it was typed over, until it is saved.
        "match": form.get("match") or answer.headers.get("etag", ""), "kinds": rule_editor.KINDS, "text": text,
        "severities": rule_editor.SEVERITIES, "spans": rule_editor.SPANS, "since": form.get("since", "-7d"),
        "zone": form.get("time_zone", ""), "drawn": rule_editor.drawn(told) if told else "",
        "verdict": rule_editor.verdict(told) if told else "",
    }  # fmt: skip
    return await _page("rule.html", request, deps, principal, values, status=wrong.status if wrong else 200)


def _said(request: Request) -> str | None:
    what, to = request.query_params.get("done", ""), request.query_params.get("to", "")
    return f"A test message is on its way to {to}." if what == "tested" and to.isdecimal() else _DONE.get(what)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("there is no such rule") from None


async def _page(
    name: str, request: Request, deps: Deps, principal: Principal, values: dict[str, Any], *, status: int = 200
) -> Response:
    async with deps.db.tenant(principal.tenant_id) as connection:
        viewer = await read_viewer(connection, principal)
    known = {"viewer": viewer, "now": deps.clock(), "may_write": principal.may(Scope.WRITE, "alerts:write")}
    return page(name, request, known | values, status=status, charts=name == "rule.html")
