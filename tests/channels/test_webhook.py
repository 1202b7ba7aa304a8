"""Webhooks against a real receiver."""

import json
from datetime import timedelta

import pytest

from alerts.channels.answers import retry_after
from alerts.channels.base import Channels
from alerts.channels.webhook import WebhookChannel, payload
from alerts.core.vocabulary import ChannelKind, CloseReason, Severity
from monitor.errors import ChannelError
from tests.channels.messages import NOTIFICATION, NOW, ended, hostile, line, message
from tests.channels.servers import LOOPBACK, Answer, Stub, signed


async def test_it_is_signed_and_recognisable(channels: Channels, receiver: Stub) -> None:
    assert await channels[ChannelKind.WEBHOOK].send(receiver.url + "hook", message(), None) == {}
    ((request, body),) = receiver.requests
    assert request.headers["Idempotency-Key"] == str(NOTIFICATION)
    header = request.headers["X-Agent-Monitor-Signature"]
    assert header.startswith(f"t={int(NOW.timestamp())},v1=")
    assert signed("s" * 32, header, body)
    assert not signed("s" * 32, header, body + b" ")


async def test_without_a_secret_there_is_no_signature(receiver: Stub) -> None:
    channel = WebhookChannel(None, "", now=lambda: NOW, allowed=LOOPBACK)
    await channel.send(receiver.url, message(), None)
    await channel.close()
    assert "X-Agent-Monitor-Signature" not in receiver.requests[0][0].headers


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        *((status, True) for status in (301, 302, 307, 400, 401, 404, 410)),
        *((status, False) for status in (408, 429, 500, 502, 503)),
    ],
)
async def test_which_answers_pass(channels: Channels, receiver: Stub, status: int, permanent: bool) -> None:
    receiver.answers = [Answer(status, "nope", {"Location": receiver.url + "elsewhere", "Retry-After": "12"})]
    with pytest.raises(ChannelError, match=f"answered {status}: nope") as caught:
        await channels[ChannelKind.WEBHOOK].send(receiver.url, message(), None)
    assert caught.value.permanent is permanent
    assert caught.value.retry_after == (None if permanent else 12.0)
    assert len(receiver.calls) == 1


@pytest.mark.parametrize("target", ["", "file:///etc/passwd", "ftp://x/", "https://", "http://a b/", "http://[/"])
async def test_a_target_that_is_no_web_address_is_permanent(channels: Channels, target: str) -> None:
    with pytest.raises(ChannelError, match="not an http") as caught:
        await channels[ChannelKind.WEBHOOK].send(target, message(), None)
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("30", 30.0),
        ((NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90.0),
        ((NOW - timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 0.0),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_as_seconds_or_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, now=NOW) == seconds


def test_the_fingerprint_lasts_as_long_as_the_episode() -> None:
    prints = {
        payload(message(one), "")["alerts"][0]["fingerprint"]
        for one in (line(), line(severity=Severity.INFO, value=9.0), ended(because=CloseReason.BY_HAND))
    }
    assert len(prints) == 1
    assert payload(message(line(labels={"team": "b"})), "")["alerts"][0]["fingerprint"] not in prints


def test_labels_of_ours_cannot_be_overridden_and_hostile_text_is_plain() -> None:
    body = json.dumps(payload(hostile(), ""), ensure_ascii=False).encode()
    labels = json.loads(body)["alerts"][0]["labels"]
    assert labels["agent"].startswith("evil Bcc:")
    assert labels["alertname"].startswith("evil Bcc:")
    assert len(body) < 15_000


def test_more_alerts_than_lines_are_counted() -> None:
    body = payload(message(firing=400), "")
    assert (len(body["alerts"]), body["truncatedAlerts"]) == (1, 399)


async def test_an_address_that_is_not_public_is_refused_for_good(receiver: Stub) -> None:
    channel = WebhookChannel("s" * 32, "", now=lambda: NOW)
    with pytest.raises(ChannelError, match=r"not called: the address is loopback.*WEBHOOK_ALLOW") as caught:
        await channel.send(receiver.url, message(), None)
    await channel.close()
    assert caught.value.permanent
    assert receiver.calls == []


def test_the_payload_has_every_field_of_alertmanagers_version_4() -> None:
    body = payload(message(line(), ended(2)), "https://monitor.example.com")
    assert set(body) == {
        "version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels",
        "commonAnnotations", "externalURL", "alerts",
    }  # fmt: skip
    assert (body["version"], body["status"], body["truncatedAlerts"]) == ("4", "firing", 0)
    assert body["groupLabels"].items() <= body["commonLabels"].items()
    for alert, status in zip(body["alerts"], ("firing", "resolved"), strict=True):
        assert set(alert) == {
            "status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint",
        }  # fmt: skip
        assert alert["status"] == status
        assert len(alert["fingerprint"]) == 16
        assert body["commonLabels"].items() <= alert["labels"].items()
        assert body["commonAnnotations"].items() <= alert["annotations"].items()
        assert all(isinstance(value, str) for value in (*alert["labels"].values(), *alert["annotations"].values()))
    assert payload(message(ended()), "")["status"] == "resolved"
