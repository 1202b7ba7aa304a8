"""What each channel sends, to the letter. `UPDATE_GOLDEN=1` writes the files anew: then read the difference."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

import alerts.channels
from alerts.channels.apprise import KINDS
from alerts.channels.base import Channels
from alerts.core.message import Message
from alerts.core.vocabulary import ChannelKind, CloseReason, Reason
from tests.channels.internet import DISCORD, TELEGRAM, WORKFLOW, Service
from tests.channels.messages import crowd, ended, line, message
from tests.channels.servers import Mailbox, Stub

GOLDEN = Path(__file__).with_name("golden")

CASES = {
    "firing": message(),
    "resolved": message(ended()),
    "closed": message(ended(because=CloseReason.RULE_DISABLED)),
    "group": message(line(1), line(2, labels={}, runbook=None, owner=None, cost_usd=None), ended(3)),
    "test": message(reason=Reason.TEST, test=True, why="someone asked for a test message"),
}


def same(name: str, made: str) -> bool:
    """Compare with the file, or write it."""
    path, made = GOLDEN / name, made.replace("\r\n", "\n")
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(made)
    return made == path.read_text()


@pytest.mark.parametrize("case", CASES)
async def test_email(case: str, channels: Channels, mailbox: Mailbox) -> None:
    await channels[ChannelKind.EMAIL].send("ops@example.com", CASES[case], None)
    (mail,) = mailbox.mails
    headers = "".join(f"{name}: {value}\n" for name, value in mail.items() if name != "X-Peer")
    plain, html = (part for part in mail.iter_parts())
    assert same(f"email.{case}.txt", f"{headers}\n{plain.get_content()}")
    assert same(f"email.{case}.html", html.get_content())


@pytest.mark.parametrize("case", CASES)
async def test_slack(case: str, channels: Channels, slack: Stub) -> None:
    await channels[ChannelKind.SLACK].send("#alerts", CASES[case], None)
    assert same(f"slack.{case}.json", pretty(slack.calls[0][1]))


@pytest.mark.parametrize("case", CASES)
async def test_webhook(case: str, channels: Channels, receiver: Stub) -> None:
    await channels[ChannelKind.WEBHOOK].send(receiver.url, CASES[case], None)
    assert same(f"webhook.{case}.json", pretty(receiver.calls[0][1]))


@pytest.mark.parametrize("case", CASES)
async def test_pagerduty(case: str, channels: Channels, pagerduty: Stub) -> None:
    await channels[ChannelKind.PAGERDUTY].send("…", replace(CASES[case], secret="0" * 32), None)
    assert same(f"pagerduty.{case}.json", pretty([body for _, body in pagerduty.calls]))


SERVICES = {
    ChannelKind.TEAMS: WORKFLOW,
    ChannelKind.DISCORD: DISCORD,
    ChannelKind.TELEGRAM: TELEGRAM,
    ChannelKind.NTFY: "https://ntfy.sh/topic",
    ChannelKind.APPRISE: "discord://" + DISCORD.partition("webhooks/")[2],
}


@pytest.mark.parametrize("kind", SERVICES)
@pytest.mark.parametrize("case", CASES)
async def test_what_apprise_sends(case: str, kind: ChannelKind, channels: Channels, internet: Service) -> None:
    await channels[kind].send("…", replace(CASES[case], secret=SERVICES[kind]), None)
    assert same(f"{kind}.{case}.json", pretty([body for _, body in internet.calls]))


def test_every_channel_has_its_file_its_line_and_its_golden_files(channels: Channels) -> None:
    folder = Path(alerts.channels.__file__).parent
    assert set(channels) == set(ChannelKind)
    for kind in ChannelKind:
        assert kind in KINDS or (folder / f"{kind}.py").is_file()
        assert channels[kind].kind is kind
        for case in CASES:
            assert list(GOLDEN.glob(f"{kind}.{case}.*")), f"{kind} lacks a golden file for {case}"
    assert {path.name.partition(".")[0] for path in GOLDEN.iterdir()} == {str(kind) for kind in ChannelKind}


@pytest.mark.parametrize("size", [51, 500, 5000])
async def test_a_large_group_is_one_message_that_leaves_nobody_out_in_silence(
    size: int, channels: Channels, mailbox: Mailbox, slack: Stub, receiver: Stub
) -> None:
    group: Message = crowd(size)
    await channels[ChannelKind.EMAIL].send("ops@example.com", group, None)
    await channels[ChannelKind.SLACK].send("#alerts", group, None)
    await channels[ChannelKind.WEBHOOK].send(receiver.url, group, None)
    (mail,) = mailbox.mails
    for part in mail.iter_parts():
        shown = part.get_content()
        assert len(shown.encode()) < 102_000
        counted(shown, size)
    blocks = slack.calls[0][1]["blocks"]
    assert len(blocks) <= 50
    assert all(len(block["text"]["text"]) <= 3000 for block in blocks if block["type"] == "section")
    assert len(json.dumps(blocks, ensure_ascii=False)) < 16_000
    counted("\n".join(block["text"]["text"] for block in blocks if "text" in block), size)
    assert len(receiver.calls[0][1]["alerts"]) == min(size, 1000)
    assert receiver.calls[0][1]["truncatedAlerts"] == max(0, size - 1000)


def counted(shown: str, size: int) -> None:
    """Every alert is named or counted."""
    named = sum(f"akira-{number:03}" in shown for number in range(1, size + 1))
    left = re.search(r"and (\d+) more", shown)
    assert named + (int(left[1]) if left else 0) == size


def pretty(body: object) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
