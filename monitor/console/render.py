"""Pages as HTML: templates, the words in them, and the headers that keep a page from harm."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

import monitor
from alerts.core.wording import is_link
from monitor.console import words
from monitor.console.agent import path_of
from monitor.console.shell import SECTIONS
from monitor.console.store import MessageView
from monitor.http.deps import SESSION_COOKIE

STATIC = Path(__file__).parent / "static"
HEADERS = {
    # Plotly writes style attributes; scripts come from files of ours only.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
PLAIN_HEADERS = HEADERS | {
    "Content-Security-Policy": HEADERS["Content-Security-Policy"].replace(" 'unsafe-inline'", "")
}
_KINDS = {
    "FIRST": "Firing", "REPEAT": "Still firing", "ESCALATED": "Escalated", "RESOLVED": "Resolved",
    "RESPONDED": "Edited", "DIGEST": "Digest", "TEST": "Test",
}  # fmt: skip
_TONES = {"RESOLVED": "resolved", "TEST": "test"}
_EVENTS = {
    "fired": "Fired", "resolved": "Recovered", "acknowledged": "Acknowledged", "comment": "Comment",
    "notified": "Message", "snoozed": "Snoozed", "snooze ended": "Snooze ended",
    "closed": "Closed", "withheld": "Message withheld", "acknowledgement ended": "Acknowledgement ended",
}  # fmt: skip


@cache
def environment() -> Environment:
    """The templates, with everything escaped that is put into them."""
    made = Environment(
        loader=PackageLoader("monitor.console"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "ago": words.ago,
        "agent_path": lambda agent: path_of(agent.external_id, agent.id),
        "since": lambda at, now: f"for {words.span(now - at)}",
        "span": words.span,
        "number": words.number,
        "milliseconds": words.milliseconds,
        "seconds": lambda value: words.span(timedelta(seconds=value)),
        "money": words.money,
        "amount": lambda text: words.money(Decimal(text)),
        "plain_json": words.plain_json,
        "plural": words.plural,
        "clock": words.clock,
        "is_link": is_link,
        "kind": lambda message: _KINDS.get(message.reason, message.reason),
        "tone": lambda message: _TONES.get(message.reason, "firing"),
        "delivery": delivery,
        "told": told,
    }
    made.globals |= {"version": version(), "sections": SECTIONS}
    return made


@cache
def version() -> str:
    """Changes whenever a file of ours does: part of its address, so that browsers may keep it."""
    digest = hashlib.blake2b(monitor.__name__.encode(), digest_size=6)
    for path in sorted(STATIC.glob("*.css")) + sorted(STATIC.glob("*.js")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def delivery(message: MessageView, now: datetime) -> str:
    """What became of a message."""
    match message.status:
        case "sent":
            return f"sent {words.ago(message.sent_at or message.at, now)}"
        case "dead":
            return "given up"
        case "withheld":
            return "withheld"
        case _ if message.attempts:
            return f"trying again, {words.plural(message.attempts, 'attempt')} so far"
        case _:
            return "being sent"


def told(event: Any) -> str:
    """A line of a timeline (a row with kind, actor and details), in words."""
    said = _EVENTS.get(event.kind, event.kind.replace("_", " ").capitalize())
    details: Mapping[str, Any] = event.details
    if "channel" in details and "target" in details:
        reason = _KINDS.get(str(details.get("reason")), "")
        said = f"{said} by {details['channel']} to {details['target']}" + (f" ({reason.lower()})" if reason else "")
    else:
        for name in ("summary", "detail", "reason", "why", "comment"):
            if details.get(name):
                said += f": {details[name]}"
                break
    if details.get("until"):
        said += f", until {words.clock(datetime.fromisoformat(details['until']))}"
    return said if event.actor == "system" else f"{said}, by {event.actor}"


def page(
    name: str, request: Request, values: Mapping[str, Any], *, status: int = 200, charts: bool = False
) -> Response:
    """A template as an answer. `charts`: the page draws some. Whoever is signed in is the `viewer` among its values."""
    known = {"viewer": None, "csrf": csrf_of(request), "path": request.url.path, **values}
    body = environment().get_template(name).render(known)
    headers = HEADERS if charts else PLAIN_HEADERS
    return Response(body, status_code=status, headers=headers, media_type="text/html; charset=utf-8")


def csrf_of(request: Request) -> str:
    """The token that forms carry: made from the session's cookie, which no other site can read."""
    cookie = request.cookies.get(SESSION_COOKIE, "")
    return hmac.new(cookie.encode(), b"csrf", hashlib.sha256).hexdigest()
