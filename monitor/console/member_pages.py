"""`/settings/members`: who belongs to the tenant and as what."""

from fastapi import APIRouter, BackgroundTasks, Request, Response

from monitor.console.forms import Typed, body_of, done, given, tried
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.settings_page import settings_page
from monitor.http.deps import Admin, Deps, Given, Reader
from monitor.identity import member_routes
from monitor.identity.member_routes import InviteBody, MemberPatch
from monitor.principal import Principal, Role

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["identity"])
_PATH = "/settings/members"


@router.get(_PATH)
async def show(request: Request, deps: Given, principal: Reader) -> Response:
    """Everybody, and a form to invite somebody."""
    return await _show(request, deps, principal)


async def _show(request: Request, deps: Deps, principal: Principal, typed: Typed | None = None) -> Response:
    found = await member_routes.list_members(deps, principal)
    values = {"members": found["items"], "roles": list(Role), "self": principal.user_id}
    return await settings_page(request, deps, principal, "members", values, typed)


@router.post(_PATH)
async def invite(request: Request, deps: Given, principal: Admin, later: BackgroundTasks) -> Response:
    """Invite somebody by mail."""
    form = await read_own_form(request)

    async def do() -> None:
        body = body_of(InviteBody, given(form, "email", "role"))
        await member_routes.invite(deps, principal, body, later)

    typed = await tried(request, "invite", form, ("email", "role"), do)
    return done(_PATH) if typed is None else await _show(request, deps, principal, typed)


@router.post(_PATH + "/{member}")
async def change(request: Request, deps: Given, principal: Admin, member: str) -> Response:
    """Make a member something else."""
    form = await read_own_form(request)

    async def do() -> None:
        body = body_of(MemberPatch, given(form, "role", "status"))
        await member_routes.patch_member(deps, principal, member, body)

    typed = await tried(request, member, form, ("role", "status"), do)
    return done(_PATH) if typed is None else await _show(request, deps, principal, typed)


@router.post(_PATH + "/{member}/remove")
async def remove(request: Request, deps: Given, principal: Admin, member: str) -> Response:
    """Take a member out, or an invitation back."""
    form = await read_own_form(request)

    async def do() -> None:
        await member_routes.remove_member(deps, principal, member)

    typed = await tried(request, member, form, (), do)
    return done(_PATH) if typed is None else await _show(request, deps, principal, typed)
