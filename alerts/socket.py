"""Slack's Socket Mode: buttons heard over a websocket that is opened from here, for those without a public address.

https://docs.slack.dev/apis/events-api/using-socket-mode. One alerter at a time listens, by a lease.
"""

import asyncio
import json
from datetime import datetime, timedelta

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from alerts import leases
from alerts.buttons import Buttons
from alerts.core.wording import one_line
from monitor.db import Database
from monitor.errors import Gone, Unavailable
from monitor.http.deps import Deps

_log = structlog.get_logger(__name__)

LEASE = "slack socket"
EVERY = timedelta(seconds=5)
LASTS = timedelta(seconds=30)
CONNECT_SECONDS = 10.0
PING_SECONDS = 5.0


class Socket:
    """Listens while it holds the lease. Any number may run against one database."""

    def __init__(self, db: Database, buttons: Buttons, *, app_token: str, api_url: str, holder: str) -> None:
        """`holder` names this process in the lease; `api_url` is the base address of Slack's Web API."""
        self._db = db
        self._buttons = buttons
        self._app_token = app_token
        self._api_url = api_url
        self._holder = holder
        self._client: SocketModeClient | None = None

    @classmethod
    def of(cls, deps: Deps, holder: str) -> "Socket | None":
        """With what routes are made with; None where no app token is set."""
        token, buttons = deps.settings.slack_app_token, Buttons.of(deps)
        if not token or buttons is None:
            return None
        return cls(deps.db, buttons, app_token=token, api_url=deps.settings.slack_api_url, holder=holder)

    async def run_once(self, now: datetime) -> bool:
        """Take or renew the lease, and see to the connection; returns whether this process listens."""
        async with self._db.alerter() as connection:
            held = await leases.take_one(connection, LEASE, holder=self._holder, now=now, lasts=LASTS)
        if not held:
            await self._hang_up()
            return False
        if self._client is None:
            # Made on the running loop: it starts a task.
            web = AsyncWebClient(base_url=self._api_url)
            self._client = SocketModeClient(self._app_token, web_client=web, ping_interval=PING_SECONDS)
            self._client.socket_mode_request_listeners.append(self._take)
        return await self._connect(self._client)

    async def close(self) -> None:
        """Hang up, and let another alerter listen at once."""
        await self._hang_up()
        await self._buttons.close()
        try:
            async with self._db.alerter() as connection:
                await leases.give_up_one(connection, LEASE, holder=self._holder)
        except Unavailable as error:
            _log.warning("the lease was not given up; it expires by itself", error=error.message)

    async def _connect(self, client: SocketModeClient) -> bool:
        if await client.is_connected():
            return True
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await client.connect_to_new_endpoint()
        except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError, json.JSONDecodeError) as error:
            _log.warning("Slack's socket could not be opened", error=one_line(str(error), 200))
        return await client.is_connected()

    async def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call]

    async def _take(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.type == "interactive":
            try:
                await self._buttons.press(request.payload, identity=f"envelope {request.envelope_id}")
            except Gone:
                _log.info("Slack sent a press again", envelope=request.envelope_id)
            except Unavailable as error:
                # Not acknowledged: Slack tells the one who pressed that it did not work.
                _log.warning("a press was not taken", error=error.message)
                return
        await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
