"""`/settings/retention`: how long what is kept, what would go, and what has gone."""

from fastapi import APIRouter, Request, Response

from monitor.console.forms import Typed, body_of, done, given, tried
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.settings_page import settings_page
from monitor.http.deps import Admin, Deps, Given, Reader
from monitor.http.paging import Cursor
from monitor.principal import Principal
from monitor.retention import routes as retention
from monitor.retention.kinds import Kind, defaults
from monitor.retention.routes import PolicyChange

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["retention"])
_PATH = "/settings/retention"
_RUNS = 20
_FIELDS = ("keep_days", "max_bytes")


@router.get(_PATH)
async def show(
    request: Request, deps: Given, principal: Reader, preview: bool = False, cursor: Cursor = None
) -> Response:
    """Each kind with its policy; with `preview` also what the next pass would remove, which takes counting."""
    return await _show(request, deps, principal, preview=preview, cursor=cursor)


async def _show(
    request: Request, deps: Deps, principal: Principal, typed: Typed | None = None, *, preview: bool = False,
    cursor: str | None = None,
) -> Response:  # fmt: skip
    policies = {policy.kind: policy for policy in await retention.list_policies(deps, principal)}
    runs = await retention.list_runs(deps, principal, limit=_RUNS, cursor=cursor)
    values = {
        "kinds": list(Kind), "policies": policies, "general": defaults(deps.settings), "runs": runs,
        "preview": await retention.preview(deps, principal) if preview else None,
    }  # fmt: skip
    return await settings_page(request, deps, principal, "retention", values, typed)


@router.post(_PATH + "/{kind}")
async def change(request: Request, deps: Given, principal: Admin, kind: Kind) -> Response:
    """Make or replace the policy for a kind."""
    form = await read_own_form(request)

    async def do() -> None:
        values = {**given(form, *_FIELDS), "enabled": "enabled" in form}
        await retention.set_policy(deps, principal, kind, body_of(PolicyChange, values))

    typed = await tried(request, kind.value, form, _FIELDS, do)
    return done(_PATH) if typed is None else await _show(request, deps, principal, typed)


@router.post(_PATH + "/{kind}/remove")
async def remove(request: Request, deps: Given, principal: Admin, kind: Kind) -> Response:
    """Go back to what the installation keeps."""
    await read_own_form(request)
    await retention.delete_policy(deps, principal, kind)
    return done(_PATH)
