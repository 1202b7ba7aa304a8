"""Routes that answer with pages: their errors are pages too, and their forms are read within a limit."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request, Response
from fastapi.routing import APIRoute

from monitor.console.render import page
from monitor.errors import MonitorError, TooLarge, Unauthenticated
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
                first = SESSION_COOKIE not in request.cookies and request.url.path != "/sign-in"
                heading = "You are not signed in" if first else "Sign in again"
                detail = "This page is for people who watch the fleet." if first else f"{error.message.capitalize()}."
                return page("sign_in.html", request, {"heading": heading, "detail": detail}, status=401)
            except MonitorError as error:
                if error.status == 500:
                    raise
                values = {"heading": error.message.capitalize(), "detail": "Nothing was changed."}
                return page("fault.html", request, values, status=error.status)

        return shown


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form, the first of each name. Raises TooLarge for a form over its limit."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            raise TooLarge("the form is too large")
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
