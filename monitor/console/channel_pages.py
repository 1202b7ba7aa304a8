"""`/settings/channels`: named channels, each with a test and what came of it, and the fallback."""

from fastapi import APIRouter, Request, Response

from alerts import channel_routes
from alerts.bodies import ChannelBody, ChannelPatch
from alerts.core.vocabulary import ChannelKind
from monitor.console import store
from monitor.console.forms import Typed, body_of, done, given, tried
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.settings_page import settings_page
from monitor.http.deps import Deps, Given, Reader, Writer
from monitor.http.paging import Cursor
from monitor.principal import Principal

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["alerts"])
_PATH = "/settings/channels"
_TESTS = 5
_NAMED = "channel"
"""The kind that a fallback has which goes where a named channel goes."""


@router.get(_PATH)
async def show(request: Request, deps: Given, principal: Reader, cursor: Cursor = None) -> Response:
    """The channels, the fallback, and the latest tests."""
    return await _show(request, deps, principal, cursor=cursor)


async def _show(
    request: Request, deps: Deps, principal: Principal, typed: Typed | None = None, *, cursor: str | None = None
) -> Response:
    found = await channel_routes.list_channels(deps, principal, limit=100, cursor=cursor)
    fallback = await channel_routes.get_fallback(deps, principal)
    async with deps.db.tenant(principal.tenant_id) as connection:
        tests = await store.list_messages(connection, principal.tenant_id, limit=_TESTS, reason="TEST")
    values = {
        "channels": found.items, "next": found.next, "fallback": fallback, "tests": tests,
        "kinds": list(ChannelKind), "ways": [*ChannelKind, _NAMED],
    }  # fmt: skip
    return await settings_page(request, deps, principal, "channels", values, typed)


@router.post(_PATH)
async def create(request: Request, deps: Given, principal: Writer) -> Response:
    """Name a channel."""
    form, fields = await read_own_form(request), ("name", "kind", "target", "secret")

    async def do() -> None:
        await channel_routes.create_channel(deps, principal, body_of(ChannelBody, given(form, *fields)))

    typed = await tried(request, "channel", form, fields, do)
    return done(_PATH) if typed is None else await _show(request, deps, principal, typed)


@router.post(_PATH + "/fallback")
async def set_fallback(request: Request, deps: Given, principal: Writer) -> Response:
    """Say where messages go that have nowhere else to go."""
    form = await read_own_form(request)

    async def do() -> None:
        await channel_routes.put_fallback(deps, principal, {form.get("kind", ""): form.get("target", "").strip()})

    typed = await tried(request, "fallback", form, ("target",), do)
    return done(_PATH) if typed is None else await _show(request, deps, principal, typed)


@router.post(_PATH + "/{channel}")
async def change(request: Request, deps: Given, principal: Writer, channel: str) -> Response:
    """Change a channel's name or where it leads."""
    form, fields = await read_own_form(request), ("name", "target")

    async def do() -> None:
        await channel_routes.patch_channel(deps, principal, channel, body_of(ChannelPatch, given(form, *fields)))

    typed = await tried(request, channel, form, fields, do)
    return done(_PATH) if typed is None else await _show(request, deps, principal, typed)


@router.post(_PATH + "/{channel}/test")
async def test(request: Request, deps: Given, principal: Writer, channel: str) -> Response:
    """Send a message through it, then show what comes of that."""
    await read_own_form(request)
    await channel_routes.test_channel(deps, principal, channel)
    return done(f"{_PATH}#tests")


@router.post(_PATH + "/{channel}/delete")
async def delete(request: Request, deps: Given, principal: Writer, channel: str) -> Response:
    """Delete a channel that nothing names."""
    form = await read_own_form(request)

    async def do() -> None:
        await channel_routes.delete_channel(deps, principal, channel)

    typed = await tried(request, channel, given(form, "name"), (), do)
    return done(_PATH) if typed is None else await _show(request, deps, principal, typed)
