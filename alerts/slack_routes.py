"""`POST /slack/actions`: buttons in Slack, as requests that Slack signs.

https://docs.slack.dev/authentication/verifying-requests-from-slack: `v0=` and the HMAC-SHA256 of `v0:{time}:{body}`
with the app's signing secret. A request is taken within five minutes of its time, and once.
"""

import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response

from alerts.buttons import Buttons
from monitor.errors import NotFound, TooLarge, Unauthenticated, Unreadable
from monitor.http.deps import Given
from monitor.http.described import PUBLIC, answer

WINDOW = timedelta(minutes=5)
LARGEST = 1 << 20
"""Bytes of a request: an interaction holds the whole message."""

router = APIRouter(tags=["alerts"])


@router.post(
    "/slack/actions",
    response_class=Response,
    openapi_extra=PUBLIC,
    responses={status: answer(status) for status in (400, 401, 404, 409, 413, 422, 503)},
)
async def take_actions(request: Request, deps: Given) -> Response:
    """Buttons that were pressed in Slack: the app's interactivity request URL. Signed by Slack, not with a key."""
    secret, buttons = deps.settings.slack_signing_secret, Buttons.of(deps)
    if not secret or buttons is None:
        raise NotFound("Slack's requests are not set up: AGENT_MONITOR_SLACK_SIGNING_SECRET is empty")
    body = await _read(request)
    signature = request.headers.get("x-slack-signature", "")
    stamp = request.headers.get("x-slack-request-timestamp", "")
    verify(secret, stamp=stamp, body=body, signature=signature, now=deps.clock())
    payload = _payload(body)
    try:
        await buttons.press(payload, identity=f"slack {signature}")
    finally:
        await buttons.close()
    # Slack shows nothing of the answer: the message itself is edited.
    return Response(status_code=200)


def verify(secret: str, *, stamp: str, body: bytes, signature: str, now: datetime) -> None:
    """Raise Unauthenticated unless Slack signed this body with this time, at most five minutes from now."""
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        raise Unauthenticated("this request is not signed by Slack")
    wanted = sign(secret, stamp=stamp, body=body)
    # As bytes: `compare_digest` refuses other than ASCII text.
    if not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "surrogateescape")):
        raise Unauthenticated("this request is not signed by Slack")
    if abs(now.timestamp() - int(stamp)) > WINDOW.total_seconds():
        raise Unauthenticated("this request is too old, or the clock of this machine is wrong")


def sign(secret: str, *, stamp: str, body: bytes) -> str:
    """Slack's signature, version 0."""
    return "v0=" + hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise TooLarge("the request is larger than any of Slack's")
    return bytes(body)


def _payload(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(parse_qs(body.decode(), strict_parsing=True)["payload"][0])
    except (ValueError, KeyError, RecursionError):
        raise Unreadable("a form with a payload in JSON is expected") from None
    if not isinstance(payload, dict):
        raise Unreadable("the payload must be an object")
    return payload
