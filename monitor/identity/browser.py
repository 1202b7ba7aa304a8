"""What signing in sends to a browser and reads from it: cookies, and what ties a form to it."""

import hashlib
import hmac
import re
import secrets
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from monitor.errors import Forbidden
from monitor.http.deps import SESSION_COOKIE
from monitor.identity.sessions import SESSION_SECONDS, NewSession
from monitor.identity.signing import Signing
from monitor.settings import Settings

FORM_COOKIE = "agent_monitor_form"
"""Before anybody is signed in, this ties a form to the browser that asked for it."""
_FORM_SECONDS = 3600
# A path of ours. A second slash, or what browsers take for one, would make a host of what follows.
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


async def _signing(request: Request) -> Signing:
    made: Signing = request.app.state.signing
    return made


Signs = Annotated[Signing, Depends(_signing)]


def local_path(text: str | None) -> str:
    """Where to go after signing in: a path of this console, or its first page for anything else."""
    return text if text is not None and _LOCAL.fullmatch(text) else "/"


def refuse_foreign(request: Request, settings: Settings) -> None:
    """Raise Forbidden for a form or a script of another site: it would sign somebody in as whom it likes.

    Browsers say which site asks. On pages without a referrer they call their origin `null`: then the form's own token
    has to do.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise Forbidden("another site may not do this")
        return
    origin = request.headers.get("origin", "null")
    ours = {request.headers.get("host"), urlsplit(settings.public_url).netloc}
    if origin != "null" and urlsplit(origin).netloc not in ours:
        raise Forbidden("another site may not do this")


def set_session(response: Response, session: NewSession, settings: Settings) -> None:
    """Give the browser its session, and take back what tied the form to it."""
    _set(response, SESSION_COOKIE, session.cookie, settings, seconds=SESSION_SECONDS, samesite="lax")
    response.delete_cookie(FORM_COOKIE)
    response.headers["Cache-Control"] = "no-store"


def _set(response: Response, name: str, value: str, settings: Settings, *, seconds: int, samesite: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        httponly=True,
        samesite=samesite,  # type: ignore[arg-type]
        secure=settings.public_url.startswith("https:"),
    )


def form_cookie(request: Request) -> str:
    """What ties a form to this browser; a new one where it has none yet."""
    return request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)


def set_form_cookie(response: Response, cookie: str, settings: Settings) -> None:
    """Give it to the browser along with the form."""
    _set(response, FORM_COOKIE, cookie, settings, seconds=_FORM_SECONDS, samesite="strict")


def form_token(cookie: str) -> str:
    """What the form carries: made from the cookie, which no other site can read."""
    return hmac.new(cookie.encode(), b"form", hashlib.sha256).hexdigest()


def check_form(request: Request, given: str | None) -> None:
    """Raise Forbidden unless a form came from a page that this browser asked for."""
    cookie = request.cookies.get(FORM_COOKIE, "")
    if not cookie or not hmac.compare_digest((given or "").encode(), form_token(cookie).encode()):
        raise Forbidden("the form is too old: go back, load the page again and repeat")
