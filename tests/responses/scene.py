"""One alert that was told by mail and in Slack, and what people do about it from there."""

import contextlib
import html
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from prometheus_client import CollectorRegistry

from alerts.channels.base import open_channels
from alerts.deliver import Deliverer
from alerts.meters import Meters
from alerts.slack_routes import sign
from monitor.db import Database
from monitor.settings import Settings
from tests.alerts.timeline import PUBLIC_URL, Timeline, timeline
from tests.channels.servers import LOOPBACK, Mailbox, Stub, serving
from tests.conftest import SettableClock

SECRET = "Slack's signing secret"
KEYS = ("the newest of the secret keys", "the key that was before it")
READERS = ("ann@example.com", "bob@example.com")


@dataclass(slots=True)
class Scene:
    """The timeline `t` with its alert, and the servers that its messages reached."""

    t: Timeline
    slack: Stub
    mailbox: Mailbox

    async def alert(self) -> dict[str, Any]:
        """The alert, as the API tells it."""
        (alert,) = await self.t.alerts()
        return alert

    async def timeline(self) -> list[tuple[str, str]]:
        """What people did, with who did it."""
        events = (await self.t.request("GET", f"alerts/{(await self.alert())['id']}/timeline"))["items"]
        return [(event["kind"], event["actor"]) for event in events if event["actor"] != "system"]

    async def audit(self) -> list[tuple[str, str]]:
        """What the audit trail says was done about alerts, with who did it."""
        query = "SELECT action, actor FROM audit_logs WHERE resource_type = 'alert' ORDER BY id"
        return [(row["action"], row["actor"]) for row in await self.t.rows(query)]

    def button(self, action: str) -> str:
        """The value of a button in the newest state of Slack's message."""
        (message,) = [body for _, body in self.slack.calls if "blocks" in body][-1:]
        elements = [one for block in message["blocks"] if block["type"] == "actions" for one in block["elements"]]
        (value,) = [one["value"] for one in elements if one["action_id"] == action]
        return str(value)

    def pressed(self, value: str, **changes: Any) -> dict[str, Any]:
        """The interaction that Slack makes of a press."""
        action = {"type": "button", "action_id": "acknowledge", "block_id": "b", "value": value, "action_ts": "1.2"}
        user = {"id": "U024BE7LH", "username": "alice", "name": "alice", "team_id": "T1"}
        reply = self.slack.url + "reply"
        return {"type": "block_actions", "user": user, "actions": [action], "response_url": reply} | changes

    async def press(
        self, payload: Any, *, secret: str = SECRET, late: float = 0.0, sent: bytes = b""
    ) -> httpx.Response:
        """POST an interaction as Slack does. `late`: seconds since it was signed; `sent`: another body than signed."""
        body = urlencode({"payload": json.dumps(payload)}).encode()
        stamp = str(int(self.t.clock.time.timestamp() - late))
        headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": sign(secret, stamp=stamp, body=body)}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return await self.t.client.post("/slack/actions", content=sent or body, headers=headers)

    def link(self, label: str, reader: str = READERS[0]) -> str:
        """The path of a link in the newest mail to this reader."""
        raw = [mail for (to, _), mail in zip(self.mailbox.envelopes, self.mailbox.mails, strict=True) if to == [reader]]
        plain, page = (part.get_content() for part in raw[-1].iter_parts())
        (url,) = re.findall(rf"{label}[^\n:]*:\s+(\S+)", plain)
        assert url in html.unescape(page)
        assert url.startswith(f"{PUBLIC_URL}/respond/")
        return str(urlsplit(url).path)

    async def confirm(self, path: str) -> httpx.Response:
        """Open a link as a person does, and press the button of its page."""
        shown = await self.t.client.get(path)
        assert shown.status_code == 200, shown.text
        (confirm,) = re.findall(r'name="confirm" value="(\w+)"', shown.text)
        return await self.t.client.post(path, data={"confirm": confirm})


@contextlib.asynccontextmanager
async def scene(db: Database, clock: SettableClock) -> AsyncIterator[Scene]:
    """Two failures and a third, told."""
    settings = Settings(
        public_url=PUBLIC_URL, secret_keys=KEYS, slack_signing_secret=SECRET, webhook_allow=("127.0.0.0/8",)
    )
    box = Mailbox()
    box.controller.start()
    try:
        async with timeline(db, clock, settings) as t, serving(Stub()) as slack, opened(t, box, slack):
            await t.rule(
                {"status": "error", "consecutive_failures": 3},
                channels={"email": list(READERS), "slack": "#alerts"},
            )
            for second in range(3):
                await t.log("akira-001", "error", f"{second}s", message="Traceback: <b>it</b> failed")
            await t.tick("10s")
            yield Scene(t, slack, box)
    finally:
        box.controller.stop()


@contextlib.asynccontextmanager
async def opened(t: Timeline, box: Mailbox, slack: Stub) -> AsyncIterator[None]:
    """The timeline sends through real channels."""
    async with open_channels(
        now=t.clock,
        smtp_url=box.url,
        mail_from="Agent Monitor <monitor@example.com>",
        slack_bot_token="xoxb-test",
        slack_api_url=slack.url + "api",
        public_url=PUBLIC_URL,
        allowed=LOOPBACK,
        secret_keys=KEYS,
        slack_buttons=True,
    ) as channels:
        meters = Meters(CollectorRegistry())
        t.deliverer = Deliverer(
            t.db, channels, holder="a", clock=t.clock, rng=Random(1), public_url=PUBLIC_URL, meters=meters
        )
        yield
