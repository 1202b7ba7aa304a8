"""What Apprise speaks, against servers at the services' own addresses: what they are sent, what answers mean."""

from dataclasses import replace

import pytest

from alerts.channels.apprise import AppriseChannel, check_services
from alerts.channels.base import Channels
from alerts.core.condition import ConditionError
from alerts.core.covering import cover
from alerts.core.message import Message
from alerts.core.targets import Target
from alerts.core.vocabulary import ChannelKind, Reason, Severity
from monitor.errors import ChannelError
from monitor.http.outbound import NOTHING, Allowed
from tests.channels.internet import DISCORD, TELEGRAM, WORKFLOW, Service
from tests.channels.messages import crowd, ended, hostile, line, message
from tests.channels.servers import LOOPBACK, Answer, Stub

URLS = {ChannelKind.DISCORD: DISCORD, ChannelKind.TELEGRAM: TELEGRAM, ChannelKind.TEAMS: WORKFLOW}


async def send(channels: Channels, kind: ChannelKind, url: str, given: Message) -> None:
    assert await channels[kind].send(cover(url), replace(given, secret=url), None) == {}


async def test_discord_gets_its_execute_webhook(channels: Channels, internet: Service) -> None:
    await send(channels, ChannelKind.DISCORD, DISCORD, message())
    ((request, _),) = internet.requests
    assert internet.hosts == ["discord.com:443"]
    assert request.path == f"/api/webhooks/1234567890/{'a' * 60}"
    body = internet.calls[0][1]
    said = str(body)
    assert "[FIRING] critical: Akira fails" in said
    assert "3 consecutive failures, threshold 3" in said
    assert "https://monitor.example.com/alerts/1" in said


async def test_telegram_gets_its_send_message(channels: Channels, internet: Service) -> None:
    await send(channels, ChannelKind.TELEGRAM, TELEGRAM, message())
    sent = [(request.path, call[1]) for (request, _), call in zip(internet.requests, internet.calls, strict=True)]
    (path, body) = sent[-1]
    assert set(internet.hosts) == {"api.telegram.org:443"}
    assert path == f"/bot123456789:{'a' * 35}/sendMessage"
    assert body["chat_id"] == -100200300
    assert "Akira fails" in body["text"]


async def test_teams_gets_an_adaptive_card(channels: Channels, internet: Service) -> None:
    await send(channels, ChannelKind.TEAMS, WORKFLOW, message())
    ((request, _),) = internet.requests
    assert internet.hosts == ["prod-01.westeurope.logic.azure.com:443"]
    assert request.path == f"/workflows/{'a' * 32}/triggers/manual/paths/invoke"
    assert request.query["sig"] == "b" * 40
    body = internet.calls[0][1]
    assert body["type"] == "message"
    (card,) = body["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["content"]["type"] == "AdaptiveCard"
    assert "Akira fails" in str(card)
    assert "Sent because" in str(card)


async def test_ntfy_in_the_cloud_and_on_a_server_of_ones_own(
    channels: Channels, internet: Service, receiver: Stub
) -> None:
    await send(channels, ChannelKind.NTFY, "https://ntfy.sh/fleet-topic", message())
    assert internet.hosts == ["ntfy.sh:443"]
    own = receiver.url.replace("http://", "ntfy://") + "fleet-topic"
    await send(channels, ChannelKind.NTFY, own, message(ended()))
    for stub, state in ((internet, "[FIRING]"), (receiver, "[RESOLVED]")):
        body = stub.calls[0][1]
        assert body["topic"] == "fleet-topic"
        assert body["title"].startswith(state)
        assert "Akira fails" in body["title"]
        assert "Sent because" in body["message"]


async def test_any_service_of_apprise_by_its_url(channels: Channels, receiver: Stub) -> None:
    await send(channels, ChannelKind.APPRISE, receiver.url.replace("http://", "json://") + "hook", message())
    body = receiver.calls[0][1]
    assert (body["type"], body["title"]) == ("failure", "[FIRING] critical: Akira fails — akira-001 (team=platform)")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (message(), "failure"),
        (message(line(severity=Severity.WARNING)), "warning"),
        (message(line(severity=Severity.INFO)), "info"),
        (message(ended()), "success"),
        (message(line(severity=Severity.INFO), line(2), ended(3)), "failure"),
    ],
)
async def test_the_kind_of_note_is_the_worst_that_fires(
    channels: Channels, receiver: Stub, given: Message, kind: str
) -> None:
    await send(channels, ChannelKind.APPRISE, receiver.url.replace("http://", "json://"), given)
    assert receiver.calls[0][1]["type"] == kind


@pytest.mark.parametrize(
    ("status", "permanent"), [(400, True), (401, True), (404, True), (429, False), (500, False), (503, False)]
)
async def test_which_answers_pass(channels: Channels, internet: Service, status: int, permanent: bool) -> None:
    for kind, url in URLS.items():
        internet.answers = [Answer(status, {"ok": False}) for _ in range(9)]
        with pytest.raises(ChannelError, match=f"{kind} answered {status}") as caught:
            await send(channels, kind, url, message())
        assert caught.value.permanent is permanent


async def test_a_redirect_is_not_followed(channels: Channels, receiver: Stub) -> None:
    receiver.answers = [Answer(307, "elsewhere", {"Location": receiver.url + "elsewhere"})]
    with pytest.raises(ChannelError, match="answered 307") as caught:
        await send(channels, ChannelKind.APPRISE, receiver.url.replace("http://", "json://"), message())
    assert caught.value.permanent
    assert len(receiver.calls) == 1


async def test_nobody_there_passes(channels: Channels, receiver: Stub) -> None:
    with pytest.raises(ChannelError, match="ntfy cannot be reached") as caught:
        await send(channels, ChannelKind.NTFY, "ntfy://127.0.0.1:1/topic", message())
    assert not caught.value.permanent


@pytest.mark.parametrize("allowed", [NOTHING, Allowed.of(["10.0.0.0/8", "another.example"])])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_address_that_is_not_public_is_refused_for_good(receiver: Stub, allowed: Allowed, host: str) -> None:
    channel = AppriseChannel(ChannelKind.NTFY, "", allowed=allowed)
    url = receiver.url.replace("http://127.0.0.1", f"ntfy://{host}") + "topic"
    with pytest.raises(ChannelError, match=r"not called: the address is loopback.*WEBHOOK_ALLOW") as caught:
        await channel.send("x", message(secret=url), None)
    assert caught.value.permanent
    assert receiver.calls == []


async def test_a_name_may_be_allowed_whatever_it_resolves_to(receiver: Stub) -> None:
    channel = AppriseChannel(ChannelKind.NTFY, "", allowed=Allowed.of(["localhost"]))
    url = receiver.url.replace("http://127.0.0.1", "ntfy://localhost") + "topic"
    await channel.send("x", message(secret=url), None)
    assert len(receiver.calls) == 1


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        (ChannelKind.APPRISE, "dbus://"),
        (ChannelKind.APPRISE, "syslog://local"),
        (ChannelKind.APPRISE, "windows://x"),
        (ChannelKind.APPRISE, "nonsense://x/y"),
        (ChannelKind.APPRISE, DISCORD.replace("https://", "workflows://") + "?template=/etc/passwd"),
        (ChannelKind.APPRISE, "fcm://project@apikey/device?keyfile=/etc/passwd"),
        (ChannelKind.DISCORD, "https://example.com/hook"),
        (ChannelKind.TEAMS, DISCORD),
        (ChannelKind.TELEGRAM, "tgram://nothing"),
    ],
)
async def test_what_is_no_address_of_its_kind_or_acts_on_this_machine_is_refused(kind: ChannelKind, url: str) -> None:
    with pytest.raises(ConditionError, match="must be"):
        await check_services([Target(kind, "x", url)])
    with pytest.raises(ChannelError, match="the address is none of") as caught:
        await AppriseChannel(kind, "", allowed=LOOPBACK).send("x", message(secret=url), None)
    assert caught.value.permanent


async def test_the_addresses_that_are_documented_are_good() -> None:
    await check_services([Target(kind, "x", url) for kind, url in URLS.items()])
    for url in ("https://ntfy.example.com/topic", "ntfys://user:pass@host/topic", "ntfy://127.0.0.1:80/topic"):
        await check_services([Target(ChannelKind.NTFY, "x", url)])
    await check_services([Target(ChannelKind.APPRISE, "x", "gotifys://host/" + "a" * 15)])


async def test_a_large_group_fits_and_counts_what_it_leaves_out(channels: Channels, internet: Service) -> None:
    limits = {ChannelKind.DISCORD: 2000, ChannelKind.TELEGRAM: 4096, ChannelKind.TEAMS: 1000}
    for kind, url in URLS.items():
        await send(channels, kind, url, crowd(500))
        said = str(internet.calls[-1][1])
        assert "akira-001" in said
        assert " more: https://monitor.example.com/alerts" in said
        assert "Sent because" in said
        assert len(said) < limits[kind] + 1500, kind


async def test_hostile_text_calls_nobody(channels: Channels, internet: Service) -> None:
    bad = message(line(rule="@everyone <@123> <@&9> <at>all</at> @here", last_message="@everyone"))
    for kind, url in URLS.items():
        await send(channels, kind, url, bad)
        said = internet.requests[-1][1].decode()
        for call in ("@everyone", "@here", "<@123>", "<@&9>", "<at>all"):
            assert call not in said.encode().decode("unicode_escape"), (kind, call)
        await send(channels, kind, url, hostile())


async def test_a_test_message_says_so(channels: Channels, receiver: Stub) -> None:
    given = message(reason=Reason.TEST, test=True)
    await send(channels, ChannelKind.NTFY, receiver.url.replace("http://", "ntfy://") + "topic", given)
    assert receiver.calls[0][1]["title"].startswith("[TEST]")


async def test_an_address_that_was_lost_is_said_so() -> None:
    with pytest.raises(ChannelError, match="not known any more") as caught:
        await AppriseChannel(ChannelKind.NTFY, "").send(cover("ntfy://h/t"), message(), None)
    assert caught.value.permanent
