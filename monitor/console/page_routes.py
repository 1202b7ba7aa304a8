"""Routes that answer with pages: their errors are pages too, and their forms are read within a limit."""

import hmac
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request, Response
from fastapi.routing import APIRoute

from monitor.console.render import csrf_of, page
from monitor.console.sign_in_page import sign_in_page
from monitor.errors import Forbidden, MonitorError, TooLarge, Unauthenticated
from monitor.http import problems
from monitor.http.deps import SESSION_COOKIE

_LARGEST_FORM = 30_000
"""Bytes: the longest comment with twelve of them for a character, as forms write what lies beyond 16 bits."""


class PageRoute(APIRoute):
    """A route whose errors are pages, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with our own errors shown."""
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except Unauthenticated as error:
                first = SESSION_COOKIE not in request.cookies
                detail = "This page is for people who watch the fleet." if first else f"{error.message.capitalize()}."
                return sign_in_page(request, detail=detail, going_to=_asked_for(request), status=401)
            except MonitorError as error:
                if error.status == 500:
                    raise
                await problems.audit_refusal(request, error)
                values = {"heading": error.message.capitalize(), "detail": "Nothing was changed."}
                return page("fault.html", request, values, status=error.status)

        return shown


def _asked_for(request: Request) -> str:
    """Where to go once somebody is signed in; what was sent there is not sent again."""
    if request.method != "GET":
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


async def read_own_form(request: Request) -> dict[str, str]:
    """A form of somebody who is signed in. Raises as `read_form`; Forbidden without the token that its page gave it."""
    form = await read_form(request)
    # As bytes: `compare_digest` refuses other than ASCII text.
    if not hmac.compare_digest(form.get("csrf", "").encode(), csrf_of(request).encode()):
        raise Forbidden("the form is too old: go back, load the page again and repeat")
    return form


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form, the first of each name. Raises TooLarge for a form over its limit."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            raise TooLarge("the form is too large")
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
