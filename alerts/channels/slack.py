"""Slack: one message per notification group, edited as things change, with replies in its thread."""

from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from alerts.channels.answers import TIMEOUT, failure, retry_after, unreachable
from alerts.channels.blocks import Ask, blocks, escape, fallback
from alerts.core.covering import hide, unseal
from alerts.core.message import AlertLine, Message, Reference, title
from alerts.core.vocabulary import Action, ChannelKind, Reason
from alerts.core.wording import is_link, one_line
from alerts.offers import Offer, Offers
from monitor.clock import Clock
from monitor.errors import ChannelError
from monitor.http.outbound import NOTHING, Allowed, Outbound

_PERMANENT = frozenset(
    [
        "access_denied",
        "account_inactive",
        "action_prohibited",
        "as_user_not_supported",
        "cannot_reply_to_message",
        "channel_is_archived",
        "channel_not_found",
        "ekm_access_denied",
        "invalid_arg_name",
        "invalid_arguments",
        "invalid_auth",
        "invalid_token",
        "is_archived",
        "is_inactive",
        "method_deprecated",
        "missing_scope",
        "no_active_hooks",
        "no_permission",
        "no_service",
        "no_team",
        "not_allowed_token_type",
        "not_authed",
        "not_in_channel",
        "org_login_required",
        "posting_to_general_channel_denied",
        "restricted_action",
        "team_access_not_granted",
        "team_not_found",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
        "user_not_found",
    ]
)
_CANNOT_EDIT = frozenset(
    ["cant_update_message", "cant_update", "edit_window_closed", "message_not_found", "update_failed"]
)
_TOO_RICH = frozenset(["invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"])


class SlackChannel:
    """The target is `#channel`, a channel id, or the URL of an incoming webhook."""

    kind = ChannelKind.SLACK

    def __init__(
        self, token: str | None, api_url: str, *, now: Clock, allowed: Allowed = NOTHING, offers: Offers | None = None
    ) -> None:
        """`token` is the bot's; without one only incoming webhooks work, whose addresses `allowed` may widen.

        `offers`: with it messages have buttons; None where nobody would hear them.
        """
        self._token = token
        self._offers = offers
        self._api_url = api_url
        self._now = now
        self._session: aiohttp.ClientSession | None = None
        # Only the addresses of incoming webhooks come from callers.
        self._hooks = Outbound(allowed, seconds=TIMEOUT)

    async def send(self, target: str, message: Message, previous: Reference | None) -> Reference:
        """Post, or edit what was posted before. Returns where the group's message is: {"channel", "ts"}.

        An incoming webhook cannot edit and does not say where its message went: {}, and it posts each time.
        Raises ChannelError.
        """
        try:
            if target.startswith(("https://", "http://")):
                # It cannot edit, and a response is no news that would be posted anew.
                url, _ = unseal(target, message.secret)
                return {} if message.reason is Reason.RESPONDED else await self._send_to_hook(url, message)
            if not self._token:
                raise ChannelError("Slack is not set up: AGENT_MONITOR_SLACK_BOT_TOKEN is empty", permanent=True)
            client, ask = self._client(), self._asking(target, message)
            root = previous if previous is not None else message.thread_root
            if root and root.get("channel") and root.get("ts"):
                where = {"channel": root["channel"], "ts": root["ts"]}
                if await _edit(client, where, message, ask):
                    return where
            if message.reason is Reason.RESPONDED:
                return root or {}
            answer = await _write(client, "chat.postMessage", {"channel": target}, message, ask)
        except SlackApiError as error:
            raise self._translate(error) from error
        except (aiohttp.ClientError, TimeoutError, OSError, JSONDecodeError) as error:
            # JSONDecodeError: an answer that claims to be JSON and is not, as from a proxy in between.
            raise unreachable("Slack", error) from error
        return {"channel": str(answer.get("channel") or target), "ts": str(answer.get("ts") or "")}

    def _asking(self, target: str, message: Message) -> Ask | None:
        if self._offers is None or message.tenant_id is None:
            return None
        offers, tenant_id = self._offers, message.tenant_id

        def ask(line: AlertLine, action: Action) -> str:
            return offers.token(Offer(tenant_id, line.alert_id, action, ChannelKind.SLACK, target))

        return ask

    async def close(self) -> None:
        """Close idle connections."""
        await self._hooks.close()
        if self._session is not None:
            await self._session.close()

    async def _send_to_hook(self, url: str, message: Message) -> Reference:
        if not is_link(url):
            raise ChannelError("the Slack target is not a usable URL", permanent=True)
        hook = AsyncWebhookClient(url, timeout=int(TIMEOUT), session=self._hooks.session, retry_handlers=[])
        answer = await hook.send(text=escape(title(message), 3000), blocks=blocks(message), unfurl_links=False)
        if answer.status_code == 400 and answer.body.strip() in _TOO_RICH:
            answer = await hook.send(text=fallback(message), unfurl_links=False)
        if not 200 <= answer.status_code < 300:
            raise failure(
                "Slack", answer.status_code, said=hide(url, answer.body), headers=answer.headers, now=self._now()
            )
        return {}

    def _client(self) -> AsyncWebClient:
        return AsyncWebClient(
            token=self._token,
            base_url=self._api_url,
            timeout=int(TIMEOUT),
            session=self._open(),
            retry_handlers=[],  # the outbox retries
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT))
        return self._session

    def _translate(self, error: SlackApiError) -> ChannelError:
        answer, code = error.response, one_line(_code(error), 100)
        # What is not JSON (a proxy's page) comes as aiohttp's own response.
        status = answer.status_code if isinstance(answer, AsyncSlackResponse) else answer.status
        wait = retry_after(_header(answer.headers, "Retry-After"), now=self._now())
        if status >= 500 or status == 429 or not code:
            return ChannelError(f"Slack answered {status} {code}".rstrip(), retry_after=wait)
        return ChannelError(f"Slack refused: {code}", permanent=code in _PERMANENT, retry_after=wait)


async def _edit(client: AsyncWebClient, where: Mapping[str, str], message: Message, ask: Ask | None) -> bool:
    """Edit the group's message, and reply to it where an edit alone would ring nobody. False: it is gone."""
    try:
        await _write(client, "chat.update", where, message, ask)
    except SlackApiError as error:
        if _code(error) in _CANNOT_EDIT:
            return False
        raise
    if message.reason in (Reason.FIRST, Reason.REPEAT, Reason.ESCALATED, Reason.RESPONDED):
        reply = {
            "channel": where["channel"],
            "thread_ts": where["ts"],
            "text": f"*{escape(title(message), 1000)}*\n{escape(one_line(message.why, 500), 2000)}",
            # A repeat reminds those who follow the thread, who responded is for them; news is for the whole channel.
            "reply_broadcast": message.reason in (Reason.FIRST, Reason.ESCALATED),
        }
        await client.api_call("chat.postMessage", json=reply)
    return True


async def _write(
    client: AsyncWebClient, method: str, where: Mapping[str, str], message: Message, ask: Ask | None
) -> AsyncSlackResponse:
    """Post or update with blocks; where Slack finds them too long, with plain text instead."""
    body: dict[str, Any] = {**where, "metadata": _metadata(message)}
    if method == "chat.postMessage":
        body |= {"unfurl_links": False, "unfurl_media": False}
    try:
        rich = {"text": escape(title(message), 3000), "blocks": blocks(message, ask)}
        return await client.api_call(method, json=body | rich)
    except SlackApiError as error:
        if _code(error) not in _TOO_RICH:
            raise
    return await client.api_call(method, json=body | {"text": fallback(message), "blocks": []})


def _metadata(message: Message) -> dict[str, Any]:
    payload = {"notification_id": str(message.notification_id), "group_id": str(message.group_id)}
    return {"event_type": "agent_monitor_alert", "event_payload": payload | {"reason": str(message.reason)}}


def _code(error: SlackApiError) -> str:
    data = error.response.data if isinstance(error.response, AsyncSlackResponse) else None
    return str(data.get("error", "")) if isinstance(data, dict) else ""


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)
