"""`/settings/keys`: API keys, made and shown once, replaced, revoked."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from monitor.console.forms import Typed, body_of, done, given, tried
from monitor.console.page_routes import PageRoute, read_own_form
from monitor.console.settings_page import settings_page
from monitor.http.deps import Admin, Deps, Given
from monitor.identity import key_routes
from monitor.identity.key_routes import NewKeyBody, RotateBody, ShownKeyBody
from monitor.principal import Principal, Scope

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["identity"])
_PATH = "/settings/keys"
_LIVES = {"never": None, "7 days": timedelta(days=7), "30 days": timedelta(days=30), "90 days": timedelta(days=90),
          "1 year": timedelta(days=365)}  # fmt: skip
_GRACES = {"at once": "0s", "after 1 hour": "1h", "after 1 day": "24h", "after 7 days": "7d"}
_SCOPES = {
    Scope.INGEST: "send: logs, metrics, traces, runs", Scope.READ: "look at everything",
    Scope.WRITE: "change rules, budgets, channels", Scope.ALERTS: "acknowledge, snooze, silence",
    Scope.ADMIN: "everything, keys and members included",
}  # fmt: skip


@router.get(_PATH)
async def show(request: Request, deps: Given, principal: Admin) -> Response:
    """All keys, and a form for another."""
    return await _show(request, deps, principal)


async def _show(
    request: Request, deps: Deps, principal: Principal, typed: Typed | None = None, made: ShownKeyBody | None = None
) -> Response:
    found = await key_routes.list_keys(deps, principal)
    values = {"keys": found["items"], "made": made, "lives": list(_LIVES), "graces": list(_GRACES), "scopes": _SCOPES}
    return await settings_page(request, deps, principal, "keys", values, typed)


@router.post(_PATH)
async def create(request: Request, deps: Given, principal: Admin) -> Response:
    """Make a key: this answer shows it, and no other."""
    form = await read_own_form(request)
    made: list[ShownKeyBody] = []

    async def do() -> None:
        made.append(await key_routes.create_key(deps, principal, new_key(form, deps.clock())))

    typed = await tried(request, "key", form, ("name", "scopes"), do)
    return await _show(request, deps, principal, typed, made[0] if made else None)


def new_key(form: Mapping[str, str], now: datetime) -> NewKeyBody:
    """What a form says of a key. Raises InvalidInput."""
    values: dict[str, Any] = {
        "name": form.get("name", "").strip(), "scopes": [scope for scope in Scope if f"scope_{scope}" in form]
    }  # fmt: skip
    lasts = _LIVES.get(form.get("lasts", "never"))
    return body_of(NewKeyBody, values | {"expires_at": None if lasts is None else now + lasts})


@router.post(_PATH + "/{key_id}/rotate")
async def rotate(request: Request, deps: Given, principal: Admin, key_id: UUID) -> Response:
    """Make a key in the place of another: this answer shows it, and no other."""
    form = await read_own_form(request)
    made: list[ShownKeyBody] = []

    async def do() -> None:
        grace = _GRACES.get(form.get("ends", ""), RotateBody().grace)
        made.append(await key_routes.rotate_key(deps, principal, key_id, RotateBody(grace=grace)))

    typed = await tried(request, str(key_id), form, (), do)
    return await _show(request, deps, principal, typed, made[0] if made else None)


@router.post(_PATH + "/{key_id}/revoke")
async def revoke(request: Request, deps: Given, principal: Admin, key_id: UUID) -> Response:
    """Revoke a key, for good."""
    form = await read_own_form(request)

    async def do() -> None:
        await key_routes.revoke_key(deps, principal, key_id)

    typed = await tried(request, str(key_id), given(form), (), do)
    return done(_PATH) if typed is None else await _show(request, deps, principal, typed)
