"""Addresses that are secrets: what is shown of them, and that nothing else is taken for one."""

import pytest

from alerts.core.condition import ConditionError
from alerts.core.covering import EXAMPLES, cover, is_covered, is_secret_address, unseal
from alerts.core.targets import channels_to_json, parse_channels
from alerts.core.vocabulary import ChannelKind

GOOD = {
    ChannelKind.SLACK: "https://hooks.slack.com/services/T0/B0/s3cret",
    ChannelKind.WEBHOOK: "http://127.0.0.1:8080/?token=s3cret",
    ChannelKind.PAGERDUTY: "0123456789abcdef0123456789ABCDEF",
    ChannelKind.TEAMS: "https://prod-01.westeurope.logic.azure.com:443/workflows/abc/paths/invoke?sig=s3cret",
    ChannelKind.DISCORD: "https://discord.com/api/webhooks/123/s3cret",
    ChannelKind.TELEGRAM: "tgram://123456:s3cret/-100",
    ChannelKind.NTFY: "ntfys://user:s3cret@ntfy.example.com/topic",
    ChannelKind.APPRISE: "gotifys://push.example.com/s3cret",
}


def test_every_kind_but_the_first_three_has_secret_addresses() -> None:
    sometimes = {ChannelKind.SLACK, ChannelKind.WEBHOOK}
    assert set(GOOD) - sometimes == set(EXAMPLES) == set(ChannelKind) - sometimes - {ChannelKind.EMAIL}


@pytest.mark.parametrize("kind", GOOD)
def test_an_address_is_kept_whole_and_shown_covered(kind: ChannelKind) -> None:
    given = GOOD[kind]
    channels = parse_channels({str(kind): [given, given]})
    (target,) = channels.targets
    assert (target.kind, target.secret, target.address) == (kind, given, cover(given))
    assert "s3cret" not in f"{target}{target.address}"
    assert "0123" not in target.address
    assert is_covered(target.address)
    assert channels_to_json(channels) == {str(kind): [given]}
    assert parse_channels(channels_to_json(channels)) == channels
    with pytest.raises(ConditionError, match=r"only what is shown") as caught:
        parse_channels({str(kind): target.address})
    assert caught.value.path == f"channels.{kind}"


def test_only_a_web_address_shows_its_host() -> None:
    assert cover(GOOD[ChannelKind.DISCORD]).startswith("https://discord.com…#")
    assert cover(GOOD[ChannelKind.NTFY]).startswith("ntfys://…#")
    assert cover(GOOD[ChannelKind.PAGERDUTY]).startswith("…#")
    assert len({cover(address) for address in GOOD.values()}) == len(GOOD)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (ChannelKind.PAGERDUTY, "short"),
        (ChannelKind.PAGERDUTY, "https://events.pagerduty.com"),
        (ChannelKind.TEAMS, "http://insecure.example.com/workflows/1"),
        (ChannelKind.DISCORD, "tgram://1:2/3"),
        (ChannelKind.TELEGRAM, "#channel"),
        (ChannelKind.NTFY, "ntfy://"),
        (ChannelKind.NTFY, "https://[ntfy.example.com/topic"),
        (ChannelKind.DISCORD, "https://discord.com\u2100/api/webhooks/123/s3cret"),
        (ChannelKind.APPRISE, "not a url"),
        (ChannelKind.APPRISE, "json://host/with\nline"),
    ],
)
def test_what_is_no_address_of_its_kind_is_refused_with_an_example(kind: ChannelKind, given: str) -> None:
    assert not is_secret_address(kind, given)
    with pytest.raises(ConditionError) as caught:
        parse_channels({str(kind): [given]})
    assert caught.value.path == f"channels.{kind}[0]"
    assert EXAMPLES[kind] in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (ChannelKind.EMAIL, "ops@example.com"),
        (ChannelKind.SLACK, "#alerts"),
        (ChannelKind.SLACK, "C0123456789"),
        (ChannelKind.WEBHOOK, "https://receiver.example:8080"),
        (ChannelKind.WEBHOOK, "http://receiver.example/"),
    ],
)
def test_what_everybody_may_know_is_shown(kind: ChannelKind, given: str) -> None:
    assert not is_secret_address(kind, given)
    (target,) = parse_channels({str(kind): given}).targets
    assert (target.address, target.secret) == (given, None)


@pytest.mark.parametrize(
    "url", ["https://user:s3cret@receiver.example", "https://receiver.example/s3cret", GOOD[ChannelKind.WEBHOOK]]
)
def test_a_webhook_keeps_its_url_and_what_signs(url: str) -> None:
    raw = {"webhook": [{"url": url, "secret": "signs with spaces"}]}
    (target,) = (channels := parse_channels(raw)).targets
    assert "s3cret" not in target.address
    assert unseal(target.address, target.secret) == (url, "signs with spaces")
    assert channels_to_json(channels) == raw
    with pytest.raises(ConditionError, match=r"only what is shown"):
        parse_channels({"webhook": {"url": target.address, "secret": "signs"}})


def test_without_a_secret_address_the_secret_only_signs() -> None:
    assert unseal("https://receiver.example", "signs") == ("https://receiver.example", "signs")
    assert unseal("#alerts", None) == ("#alerts", None)
