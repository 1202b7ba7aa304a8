"""Slack against a stub of its Web API."""

import json
import socket
from uuid import UUID

import pytest

from alerts.channels.base import Channels
from alerts.channels.blocks import escape
from alerts.channels.slack import SlackChannel
from alerts.core.message import Message, Reference
from alerts.core.vocabulary import ChannelKind, Reason
from monitor.errors import ChannelError
from tests.channels.messages import NOW, crowd, ended, hostile, line, message
from tests.channels.servers import Answer, Stub


async def send(channels: Channels, given: Message, previous: Reference | None = None, to: str = "#alerts") -> Reference:
    return await channels[ChannelKind.SLACK].send(to, given, previous)


async def test_one_message_that_resolving_edits(channels: Channels, slack: Stub) -> None:
    posted = await send(channels, message())
    assert posted == {"channel": "C024BE91L", "ts": "1763836533.000001"}
    assert await send(channels, message(ended()), posted) == posted
    assert slack.methods == ["chat.postMessage", "chat.update"]
    request, _ = slack.requests[0]
    assert request.headers["Authorization"] == "Bearer xoxb-test"
    update = slack.calls[1][1]
    assert (update["channel"], update["ts"]) == (posted["channel"], posted["ts"])
    assert update["text"].startswith("[RESOLVED]")
    assert update["metadata"]["event_payload"]["reason"] == "RESOLVED"


@pytest.mark.parametrize(
    ("reason", "everyone"), [(Reason.REPEAT, False), (Reason.ESCALATED, True), (Reason.FIRST, True)]
)
async def test_what_must_ring_is_a_reply_in_the_thread(
    channels: Channels, slack: Stub, reason: Reason, everyone: bool
) -> None:
    root = {"channel": "C1", "ts": "1.2"}
    assert await send(channels, message(reason=reason), root) == root
    assert slack.methods == ["chat.update", "chat.postMessage"]
    reply = slack.calls[1][1]
    assert (reply["channel"], reply["thread_ts"], reply["reply_broadcast"]) == ("C1", "1.2", everyone)


@pytest.mark.parametrize("code", ["message_not_found", "cant_update_message", "edit_window_closed"])
async def test_a_message_that_is_gone_is_posted_anew(channels: Channels, slack: Stub, code: str) -> None:
    slack.answers = [Answer(body={"ok": False, "error": code})]
    sent = await send(channels, message(ended(), thread_root={"channel": "C1", "ts": "1.2"}))
    assert slack.methods == ["chat.update", "chat.postMessage"]
    assert sent["ts"] == "1763836533.000002"


@pytest.mark.parametrize(
    ("status", "body", "permanent"),
    [
        (200, {"ok": False, "error": "channel_not_found"}, True),
        (200, {"ok": False, "error": "not_in_channel"}, True),
        (200, {"ok": False, "error": "invalid_auth"}, True),
        (200, {"ok": False, "error": "account_inactive"}, True),
        (200, {"ok": False, "error": "is_archived"}, True),
        (200, {"ok": False, "error": "missing_scope"}, True),
        (200, {"ok": False, "error": "internal_error"}, False),
        (200, {"ok": False, "error": "something_new"}, False),
        (500, {"ok": False, "error": "fatal_error"}, False),
        (503, "upstream is down", False),
        (502, "<html>bad gateway</html>", False),
        (429, {"ok": False, "error": "ratelimited"}, False),
    ],
)
async def test_which_errors_pass(channels: Channels, slack: Stub, status: int, body: object, permanent: bool) -> None:
    slack.answers = [Answer(status, body)]
    with pytest.raises(ChannelError) as caught:
        await send(channels, message())
    assert caught.value.permanent is permanent
    assert len(slack.calls) == 1


async def test_retry_after_is_handed_on(channels: Channels, slack: Stub) -> None:
    slack.answers = [Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "30"})]
    with pytest.raises(ChannelError) as caught:
        await send(channels, message())
    assert caught.value.retry_after == 30.0


async def test_an_answer_that_is_no_json_passes(channels: Channels, slack: Stub) -> None:
    slack.answers = [Answer(200, "{", {"Content-Type": "application/json"})]
    with pytest.raises(ChannelError) as caught:
        await send(channels, message())
    assert not caught.value.permanent


async def test_blocks_that_slack_finds_too_long_become_text(channels: Channels, slack: Stub) -> None:
    slack.answers = [Answer(body={"ok": False, "error": "msg_blocks_too_long"})]
    await send(channels, crowd())
    first, second = (body for _, body in slack.calls)
    assert first["blocks"]
    assert second["blocks"] == []
    assert "akira-001" in second["text"]
    assert " more: https://monitor.example.com/alerts" in second["text"]


async def test_hostile_text_stays_inside(channels: Channels, slack: Stub) -> None:
    await send(channels, hostile())
    body = slack.calls[0][1]
    shown = json.dumps(body, ensure_ascii=False)
    assert "<!channel>" not in shown.replace(body["blocks"][0]["text"]["text"], "")
    assert "&lt;!channel&gt;" in shown
    assert "javascript:alert(1)>" not in shown
    assert not {"\u202e", "\x00"} & set(shown)
    header, *rest = body["blocks"]
    assert header["text"]["type"] == "plain_text"
    assert len(header["text"]["text"]) <= 150
    texts = [block["text"] for block in rest if block["type"] == "section"]
    assert all(len(text["text"]) <= 3000 and text["verbatim"] for text in texts)
    assert texts[0]["text"].count("```") == 2


async def test_worst_case_addresses_still_fit(channels: Channels, slack: Stub) -> None:
    far = "https://monitor.example.com/" + "&" * 1900
    await send(channels, message(line(url=far, runbook=far)))
    texts = [block["text"]["text"] for block in slack.calls[0][1]["blocks"] if block["type"] == "section"]
    assert all(len(text) <= 3000 for text in texts)
    assert "akira-001" in texts[0]


def test_escaping_never_cuts_an_entity() -> None:
    for limit in range(1, 60):
        cut = escape("a<b>&" * 20, limit)
        assert len(cut) <= limit
        assert cut.count("&") == cut.count(";")
    assert escape("a<b>&c", 100) == "a&lt;b&gt;&amp;c"


async def test_an_incoming_webhook(channels: Channels, slack: Stub) -> None:
    hook = slack.url + "services/T0/B0/secret"
    slack.answers = [Answer(body="ok"), Answer(body="ok")]
    posted = await send(channels, message(), to=hook)
    assert posted == {}
    await send(channels, message(ended(), notification_id=UUID(int=3)), posted, to=hook)
    assert [body["text"].split()[0] for _, body in slack.calls] == ["[FIRING]", "[RESOLVED]"]


@pytest.mark.parametrize(("status", "permanent"), [(404, True), (403, True), (410, True), (429, False), (500, False)])
async def test_an_incoming_webhook_that_refuses(channels: Channels, slack: Stub, status: int, permanent: bool) -> None:
    slack.answers = [Answer(status, "no_service", {"Retry-After": "7"})]
    with pytest.raises(ChannelError, match=f"Slack answered {status}: no_service") as caught:
        await send(channels, message(), to=slack.url + "services/x")
    assert caught.value.permanent is permanent
    assert caught.value.retry_after == (None if permanent else 7.0)
    assert "services" not in caught.value.message


async def test_slack_that_is_not_there_passes() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        channel = SlackChannel("t", f"http://127.0.0.1:{free.getsockname()[1]}/api/", now=lambda: NOW)
        with pytest.raises(ChannelError, match="cannot be reached") as caught:
            await channel.send("#alerts", message(), None)
        await channel.close()
    assert not caught.value.permanent


async def test_without_a_token_it_says_which_setting_is_missing() -> None:
    with pytest.raises(ChannelError, match="AGENT_MONITOR_SLACK_BOT_TOKEN") as caught:
        await SlackChannel(None, "https://slack.example.com/", now=lambda: NOW).send("#a", message(), None)
    assert caught.value.permanent


async def test_an_incoming_webhook_meets_the_same_guard_wherever_it_leads(channels: Channels, slack: Stub) -> None:
    unguarded = SlackChannel(None, "https://slack.example.com/", now=lambda: NOW)
    with pytest.raises(ChannelError, match="not called: the address is loopback") as caught:
        await unguarded.send(slack.url + "services/x", message(), None)
    await unguarded.close()
    assert caught.value.permanent
    slack.answers = [Answer(307, "", {"Location": "http://169.254.169.254/latest/meta-data"})]
    with pytest.raises(ChannelError, match="not called: the address is a cloud's metadata service"):
        await send(channels, message(), to=slack.url + "services/x")
