"""What all pages of the settings share: their frame, and who sees which of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

from monitor.console.forms import NOTHING, Typed
from monitor.console.render import page
from monitor.console.shell import read_viewer
from monitor.http.deps import Deps
from monitor.principal import Principal, Scope


@dataclass(frozen=True, slots=True)
class Tab:
    """One page of the settings. `needs`: the scope that looking takes."""

    name: str
    label: str
    needs: Scope

    @property
    def path(self) -> str:
        """Its address."""
        return f"/settings/{self.name}"


TABS = (
    Tab("members", "Members", Scope.READ),
    Tab("keys", "API keys", Scope.ADMIN),
    Tab("channels", "Channels", Scope.READ),
    Tab("retention", "Retention", Scope.READ),
    Tab("prices", "Prices", Scope.READ),
    Tab("names", "Unmapped names", Scope.READ),
    Tab("audit", "Audit log", Scope.ADMIN),
)


async def settings_page(
    request: Request, deps: Deps, principal: Principal, tab: str, values: Mapping[str, Any], typed: Typed | None = None
) -> Response:
    """A page of the settings, with what was typed into a form of it and was wrong."""
    shown = typed or NOTHING
    async with deps.db.tenant(principal.tenant_id) as connection:
        viewer = await read_viewer(connection, principal)
    known = {
        "viewer": viewer, "now": deps.clock(), "typed": shown, "tab": tab,
        "tabs": [one for one in TABS if principal.may(one.needs)],
        "may_write": principal.may(Scope.WRITE), "may_admin": principal.may(Scope.ADMIN),
    }  # fmt: skip
    return page(f"settings_{tab}.html", request, known | dict(values), status=shown.status)
