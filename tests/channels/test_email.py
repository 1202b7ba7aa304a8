"""Email against a real SMTP server."""

import socket
from pathlib import Path
from uuid import UUID

import pytest

from alerts.channels.base import Channels
from alerts.channels.email import EmailChannel, Server
from alerts.core.message import Message
from alerts.core.vocabulary import ChannelKind, Reason
from monitor.errors import ChannelError, ConfigError
from tests.channels.messages import NOTIFICATION, ended, hostile, message
from tests.channels.servers import Mailbox

SENDER = "Agent Monitor <monitor@example.com>"


async def send(channels: Channels, to: str, given: Message, previous: dict[str, str] | None = None) -> dict[str, str]:
    return dict(await channels[ChannelKind.EMAIL].send(to, given, previous))


async def test_a_group_is_one_thread(channels: Channels, mailbox: Mailbox) -> None:
    first = await send(channels, "ops@example.com", message())
    assert first["message_id"] == f"<{NOTIFICATION}@example.com>"
    repeat = await send(channels, "ops@example.com", message(notification_id=UUID(int=8), reason=Reason.REPEAT), first)
    # Whichever mail's reference is kept, the thread's root is found.
    await send(channels, "ops@example.com", message(ended(), notification_id=UUID(int=9)), repeat)
    await send(channels, "ops@example.com", message(ended(), notification_id=UUID(int=10), thread_root=first))
    root, *others = mailbox.mails
    assert root["References"] is None
    assert root["Auto-Submitted"] == "auto-generated"
    assert root["X-Agent-Monitor-Alert"] == str(UUID(int=1))
    assert [mail["References"] for mail in others] == [root["Message-ID"]] * 3
    assert [mail["In-Reply-To"] for mail in others] == [root["Message-ID"]] * 3
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 4


async def test_hostile_text_stays_inside(channels: Channels, mailbox: Mailbox) -> None:
    await send(channels, "ops@example.com", hostile())
    ((recipients, raw),) = mailbox.envelopes
    (mail,) = mailbox.mails
    assert recipients == ["ops@example.com"]
    assert mail["Bcc"] is None
    assert "\n" not in mail["Subject"]
    assert len(mail["Subject"]) < 260
    assert len(raw) < 60_000
    plain, html = (part.get_content() for part in mail.iter_parts())
    for shown in (plain, html, mail["Subject"]):
        assert not {"\u202e", "\x00", "\ud800"} & set(shown)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert 'href="javascript' not in html
    assert "http://" not in html
    assert "src=" not in html


async def test_all_of_several_recipients_get_it_once(channels: Channels, mailbox: Mailbox) -> None:
    await send(channels, "a@example.com, Bea <b@example.com>,a@example.com", message())
    assert [to for to, _ in mailbox.envelopes] == [["a@example.com"], ["b@example.com"]]
    # All can see who else has it, and their programs keep it in one thread.
    assert {mail["To"] for mail in mailbox.mails} == {"a@example.com, b@example.com"}
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1


async def test_a_refused_recipient_does_not_cost_the_others(channels: Channels, mailbox: Mailbox) -> None:
    mailbox.refuse = {"gone@example.com": "550 no such user"}
    sent = await send(channels, "gone@example.com, here@example.com, nonsense", message())
    assert mailbox.envelopes[0][0] == ["here@example.com"]
    assert "gone@example.com: 550 no such user" in sent["refused"]
    assert "nonsense" in sent["refused"]


async def test_a_recipient_put_off_is_tried_again_and_the_others_are_spared(
    channels: Channels, mailbox: Mailbox
) -> None:
    mailbox.refuse = {"later@example.com": "450 greylisted"}
    with pytest.raises(ChannelError, match=r"put off later@example\.com") as caught:
        await send(channels, "later@example.com, here@example.com", message())
    assert not caught.value.permanent
    mailbox.refuse = {}
    await send(channels, "later@example.com, here@example.com", message())
    assert [to for to, _ in mailbox.envelopes] == [["here@example.com"], ["later@example.com"]]


@pytest.mark.parametrize(
    ("where", "answer", "permanent"),
    [
        ("ops@example.com", "550 no such user", True),
        ("ops@example.com", "450 greylisted", False),
        ("DATA", "554 spam", True),
        ("DATA", "451 try again", False),
        ("DATA", "421 shutting down", False),
    ],
)
async def test_4xx_passes_and_5xx_is_permanent(
    channels: Channels, mailbox: Mailbox, where: str, answer: str, permanent: bool
) -> None:
    mailbox.refuse = {where: answer}
    with pytest.raises(ChannelError) as caught:
        await send(channels, "ops@example.com", message())
    assert caught.value.permanent is permanent
    assert answer[:3] in caught.value.message or "put off" in caught.value.message


@pytest.mark.parametrize("target", ["", "nonsense", "a@b@c, ,", "a\r\nRCPT TO:<x>", "<>", "ü@example.com"])
async def test_a_target_without_an_address_is_permanent(channels: Channels, target: str) -> None:
    with pytest.raises(ChannelError, match="no usable address") as caught:
        await send(channels, target, message())
    assert caught.value.permanent


async def test_a_server_that_is_not_there_passes() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        channel = EmailChannel(f"smtp://127.0.0.1:{free.getsockname()[1]}", SENDER)
        with pytest.raises(ChannelError, match="cannot be reached") as caught:
            await channel.send("ops@example.com", message(), None)
    assert not caught.value.permanent


async def test_where_tls_is_demanded_nothing_travels_without(mailbox: Mailbox) -> None:
    channel = EmailChannel(mailbox.url.replace("smtp://", "smtp+starttls://"), SENDER)
    with pytest.raises(ChannelError, match="STARTTLS"):
        await channel.send("ops@example.com", message(), None)
    assert mailbox.envelopes == []


async def test_without_a_server_it_says_which_setting_is_missing() -> None:
    with pytest.raises(ChannelError, match="AGENT_MONITOR_SMTP_URL") as caught:
        await EmailChannel(None, SENDER).send("ops@example.com", message(), None)
    assert caught.value.permanent


async def test_a_maildir_gets_the_same_mail_and_a_retry_overwrites_it(tmp_path: Path) -> None:
    channel = EmailChannel(f"maildir://{tmp_path}/mail%20box", SENDER)
    for _ in range(2):
        await channel.send("ops@example.com", message(), None)
    (stored,) = (tmp_path / "mail box" / "new").iterdir()
    assert b"Message-ID: <" + str(NOTIFICATION).encode() in stored.read_bytes()
    assert list((tmp_path / "mail box" / "tmp").iterdir()) == []


async def test_a_maildir_that_cannot_be_written_passes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ChannelError, match="cannot be written") as caught:
        await EmailChannel(f"maildir://{tmp_path}/file", SENDER).send("ops@example.com", message(), None)
    assert not caught.value.permanent


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail", Server("mail", 25, None, None, False, None)),
        ("smtps://u%40x:p%2Fw@mail", Server("mail", 465, "u@x", "p/w", True, False)),
        ("smtp+starttls://u:p@mail:2525", Server("mail", 2525, "u", "p", False, True)),
    ],
)
def test_server_urls(url: str, server: Server) -> None:
    assert Server.parse(url) == server


@pytest.mark.parametrize("url", ["http://mail", "smtp://mail:port", "mail"])
def test_wrong_server_urls_stop_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match="AGENT_MONITOR_SMTP_URL"):
        EmailChannel(url, SENDER)


@pytest.mark.parametrize("sender", ["", "nobody", "Ü <ü@example.com>"])
def test_wrong_senders_stop_the_start(sender: str) -> None:
    with pytest.raises(ConfigError, match="AGENT_MONITOR_MAIL_FROM"):
        EmailChannel(None, sender)


@pytest.mark.parametrize(("at", "bounced"), [("ops@example.com", True), ("DATA", False)])
async def test_only_an_address_that_is_refused_has_bounced(
    channels: Channels, mailbox: Mailbox, at: str, bounced: bool
) -> None:
    mailbox.refuse[at] = "550 5.1.1 no"
    with pytest.raises(ChannelError, match="550") as caught:
        await channels[ChannelKind.EMAIL].send("ops@example.com", message(), None)
    assert (caught.value.permanent, caught.value.bounced) == (True, bounced)
