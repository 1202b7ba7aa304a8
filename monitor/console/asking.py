"""A page that asks one thing, and does nothing before its form is sent: where links lead.

Programs that open every link of a mail or a chat change nothing: only the form acts, with what ties it to the browser
it is in. The form goes to the address that the page is at.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

from monitor.console.page_routes import read_form
from monitor.console.render import page
from monitor.errors import InvalidInput
from monitor.http.deps import Deps
from monitor.identity.browser import check_form, form_cookie, form_token, refuse_foreign, set_form_cookie
from monitor.identity.passwords import LONGEST, SHORTEST


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page asks. `asks`: `login` or `password`, for a field; None: a button is all there is."""

    heading: str
    button: str
    asks: str | None = None
    detail: str | None = None


def ask_page(request: Request, deps: Deps, asked: Asked, *, wrong: InvalidInput | None = None) -> Response:
    """The page; with what was `wrong` with the answer before."""
    cookie = form_cookie(request)
    fault = None if wrong is None else wrong.message.partition(": ")[2] or wrong.message
    values: dict[str, Any] = {name: getattr(asked, name) for name in ("heading", "button", "asks", "detail")}
    values |= {"wrong": fault, "form_token": form_token(cookie), "shortest": SHORTEST, "longest": LONGEST}
    answer = page("account.html", request, values, status=200 if wrong is None else wrong.status)
    set_form_cookie(answer, cookie, deps.settings)
    return answer


def done_page(request: Request, heading: str, detail: str) -> Response:
    """What came of it."""
    return page("account.html", request, {"heading": heading, "detail": detail, "button": None})


async def read_answer(request: Request, deps: Deps) -> dict[str, str]:
    """The fields of a form of ours. Raises Forbidden for one of another site, or from another browser."""
    refuse_foreign(request, deps.settings)
    form = await read_form(request)
    check_form(request, form.get("form"))
    return form
