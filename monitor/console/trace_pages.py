"""`/traces`: runs that are looked for; and one of them as a waterfall."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response

from monitor.console.agent import WITHIN
from monitor.console.forms import given
from monitor.console.page_routes import PageRoute
from monitor.console.render import page
from monitor.console.shell import read_viewer
from monitor.console.trace import A_PAGE, waterfall
from monitor.errors import InvalidInput, NotFound
from monitor.http.deps import Deps, Given, Reader
from monitor.http.paging import Cursor, Page
from monitor.principal import Principal
from monitor.runs import search, trace_routes
from monitor.runs.trace_routes import TraceBody

router = APIRouter(route_class=PageRoute, include_in_schema=False, tags=["runs"])

_LISTED = 50
_STATUSES = ("running", "completed", "failed")
_AT_LEAST = {"1 s": 1_000, "10 s": 10_000, "1 min": 60_000, "10 min": 600_000}


@dataclass(frozen=True, slots=True)
class RunSearch:
    """Which runs are listed. The empty text: any. `errors`: `on` for those with a task that failed."""

    q: str = ""
    agent: str = ""
    model: str = ""
    status: str = ""
    errors: str = ""
    longer: str = ""
    within: str = "7 days"

    def address(self, **more: str) -> str:
        """The list's address with these filters, and with what is named beside them."""
        said = {name: value for name, value in (asdict(self) | more).items() if value}
        return f"/traces?{urlencode(said)}"


@router.get("/traces")
async def list_runs(request: Request, deps: Given, principal: Reader, cursor: Cursor = None) -> Response:
    """The runs that pass the filters of the query string, the newest first."""
    asked = _asked(request.query_params)
    found, unknown = await _find(deps, principal, asked, cursor)
    async with deps.db.tenant(principal.tenant_id) as connection:
        viewer = await read_viewer(connection, principal)
    values = {
        "runs": found.items, "asked": asked, "now": deps.clock(), "viewer": viewer, "unknown": unknown,
        "statuses": _STATUSES, "lengths": list(_AT_LEAST), "within": list(WITHIN),
        "first": asked.address() if cursor else None, "next": asked.address(cursor=found.next) if found.next else None,
    }  # fmt: skip
    return page("traces.html", request, values)


async def _find(deps: Deps, principal: Principal, asked: RunSearch, cursor: str | None) -> tuple[Page[TraceBody], bool]:
    """A page of runs, and whether nobody knows the agent that was asked for."""
    since = deps.clock() - WITHIN[asked.within]
    try:
        return await trace_routes.list_traces(
            deps, principal, agent=asked.agent or None, model=asked.model or None,
            status=asked.status or None,  # type: ignore[arg-type]  # checked by _asked
            errors=True if asked.errors else None, text=asked.q or None, min_duration=_AT_LEAST.get(asked.longer),
            since=since.isoformat(), limit=_LISTED, cursor=cursor,
        ), False  # fmt: skip
    except NotFound:
        return Page[TraceBody](items=[], next=None), True


def _asked(params: Mapping[str, str]) -> RunSearch:
    """The filters. Raises InvalidInput."""
    words = {name: said[:200] for name, said in given(params, *RunSearch.__dataclass_fields__).items()}
    asked = RunSearch(**words)
    for name, known in (("status", _STATUSES), ("longer", _AT_LEAST), ("within", WITHIN)):
        if getattr(asked, name) not in ("", *known):
            raise InvalidInput(f"must be one of {', '.join(known)}", path=name)
    return asked


@router.get("/traces/{trace_id}")
async def show(
    request: Request, deps: Given, principal: Reader, trace_id: str, step: str = "", start: int = 0
) -> Response:
    """One run: its steps in time, from the one numbered `start` on, and all that is known of one of them."""
    async with deps.db.tenant(principal.tenant_id) as connection:
        found = await search.get_trace(connection, principal.tenant_id, trace_id.lower())
        viewer = await read_viewer(connection, principal)
    whole = waterfall(found)
    start = max(0, min(start, len(whole.lines) - 1))
    chosen = next((line for line in whole.lines if line.key == step), None)
    begun = min((line.started_at for line in whole.lines), default=None)
    last = max((line.after_ms + (line.duration_ms or 0) for line in whole.lines), default=0.0)
    here = f"/traces/{quote(trace_id.lower(), safe='')}"
    values: dict[str, Any] = {
        "trace": found.trace, "trace_id": trace_id.lower(), "cut": found.cut, "fall": whole, "here": here,
        "lines": whole.lines[start : start + A_PAGE], "start": start, "total": len(whole.lines), "chosen": chosen,
        "before": max(0, start - A_PAGE) if start else None,
        "after": start + A_PAGE if start + A_PAGE < len(whole.lines) else None,
        "begun": begun, "lasted": last, "marks": [last * part / 4 for part in range(5)],
        "viewer": viewer, "now": deps.clock(),
    }  # fmt: skip
    return page("trace.html", request, values)
