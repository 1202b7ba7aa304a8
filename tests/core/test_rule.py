"""The fields beside a condition: timing, channels, escalation, labels; every refusal with its path."""

from datetime import timedelta

import pytest

from alerts.core.condition import (
    ConditionError,
    StatusLeaf,
)
from alerts.core.covering import cover
from alerts.core.matching import Selector, has_tags, parse_selector, selects
from alerts.core.rule import DEFAULT_REPEAT, Escalation, Rule, Timing, parse_rule
from alerts.core.targets import Channels, Target, channels_to_json, parse_channels
from alerts.core.terms import ExecutionStatus
from alerts.core.vocabulary import ChannelKind, Severity

STATUS = {"status": "error"}
LEAF = StatusLeaf(ExecutionStatus.ERROR)
EMAIL = Target(ChannelKind.EMAIL, "user@example.com")
SLACK = Target(ChannelKind.SLACK, "#alerts")


def test_defaults_severity_warning_repeat_4_h() -> None:
    rule = parse_rule({"conditions": STATUS})
    assert rule == Rule(LEAF)
    assert (rule.severity, rule.repeat) == (Severity.WARNING, timedelta(hours=4))
    assert (rule.timing.hold_for, rule.timing.keep_firing_for) == (timedelta(0), timedelta(0))
    assert not rule.channels


def test_every_field_is_read_and_others_are_left_alone() -> None:
    rule = parse_rule(
        {
            "name": "Akira fails",
            "agent": "akira-001",
            "conditions": STATUS,
            "for": "2m",
            "keep_firing_for": 300,
            "repeat": "1h",
            "escalate": [
                {"after": "15m", "channels": {"channel": "ops"}},
                {"after": "1h", "channels": {"email": "user@example.com"}},
            ],
            "severity": "critical",
            "labels": {"team": "platform"},
            "channels": {"email": "user@example.com", "slack": "#alerts"},
        },
        tick=timedelta(seconds=3),
    )
    assert rule == Rule(
        LEAF,
        Timing(timedelta(minutes=2), timedelta(minutes=5), timedelta(seconds=3)),
        timedelta(hours=1),
        (
            Escalation(timedelta(minutes=15), Channels(named=("ops",))),
            Escalation(timedelta(hours=1), Channels((EMAIL,))),
        ),
        Severity.CRITICAL,
        (("team", "platform"),),
        Channels((EMAIL, SLACK)),
    )


def test_empty_fields_are_as_absent_ones() -> None:
    nothing: dict[str, object] = {
        "for": None,
        "escalate": [],
        "labels": {},
        "channels": {},
        "repeat": None,
        "severity": None,
    }
    assert parse_rule({"conditions": STATUS, **nothing}) == Rule(LEAF)
    assert parse_rule({"conditions": STATUS, "for": "0s", "escalate": None}).repeat == DEFAULT_REPEAT


STEP = {"after": "15m", "channels": {"channel": "ops"}}


@pytest.mark.parametrize(
    ("field", "value", "path", "message"),
    [
        ("conditions", None, "conditions", "is required"),
        ("conditions", {"status": "x"}, "conditions.status", "must be one of error, warning, success"),
        ("for", "-5m", "for", 'must be a duration such as "90s", "5m", "2h" or "1d", or a number of seconds'),
        ("for", "32d", "for", "must be from 0s to 31d"),
        ("keep_firing_for", [], "keep_firing_for", "must be a duration such as"),
        ("repeat", 0, "repeat", "must be from 1s to 31d"),
        ("severity", "bad", "severity", "must be one of info, warning, critical"),
        ("labels", "x", "labels", "must be an object"),
        ("labels", {"team": ["a"]}, "labels.team", "must be a text"),
        ("labels", {"agent": "a"}, "labels.agent", "is a reserved name"),
        ("escalate", STEP, "escalate", "must be a list"),
        ("escalate", [5], "escalate[0]", "must be an object"),
        ("escalate", [STEP, STEP], "escalate[1].after", "must be later than the step before"),
        ("escalate", [{"channels": {}}], "escalate[0].after", "is required"),
        ("escalate", [{"after": "5m"}], "escalate[0].channels", "is required"),
        ("escalate", [{"after": "5m", "channels": {}}], "escalate[0].channels", "must name somebody"),
        ("escalate", [{**STEP, "to": 1}], "escalate[0].to", "unknown key; known are after, channels"),
        ("escalate", [STEP] * 11, "escalate", "must have at most 10 entries"),
        ("channels", [], "channels", "must be an object"),
        ("channels", {"sms": "1"}, "channels.sms", "unknown key; known are email, slack, webhook, pagerduty"),
        ("channels", {"email": []}, "channels.email", "must not be empty"),
        ("channels", {"email": 5}, "channels.email", "must be a text"),
        ("channels", {"email": ["a@b", "no"]}, "channels.email[1]", "must be an email address such as"),
        ("channels", {"email": "a@b\nBcc: c@d"}, "channels.email", "must be an email address such as"),
        ("channels", {"email": "a@b,c@d"}, "channels.email", "must be an email address such as"),
        ("channels", {"email": "A <a@b>"}, "channels.email", "must be an email address such as"),
        ("channels", {"email": ["a@b"] * 51}, "channels.email", "must have at most 50 entries"),
        ("channels", {"slack": "alerts"}, "channels.slack", "must be #channel, a channel id such as"),
        ("channels", {"slack": "ftp://x"}, "channels.slack", "must be #channel, a channel id such as"),
        ("channels", {"webhook": "example.com"}, "channels.webhook", "must be a URL that starts with"),
        ("channels", {"webhook": "http://[::1"}, "channels.webhook", "must be a URL that starts with"),
        ("channels", {"webhook": "http://a:99999/"}, "channels.webhook", "must be a URL that starts with"),
        ("channels", {"webhook": "http://a b/"}, "channels.webhook", "must be a URL that starts with"),
        ("channels", {"webhook": "http://"}, "channels.webhook", "must be a URL that starts with"),
        ("channels", {"webhook": {}}, "channels.webhook.url", "is required"),
        ("channels", {"webhook": [{"url": "x"}]}, "channels.webhook[0].url", "must be a URL that starts with"),
        (
            "channels",
            {"webhook": {"url": "http://a/", "secret": 5}},
            "channels.webhook.secret",
            "must be a text",
        ),
        (
            "channels",
            {"webhook": {"url": "http://a/", "key": 5}},
            "channels.webhook.key",
            "unknown key; known are url, secret",
        ),
        ("channels", {"channel": ["ops", ""]}, "channels.channel[1]", "must not be empty"),
    ],
)
def test_a_fault_is_refused_with_its_path(field: str, value: object, path: str, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_rule({"conditions": STATUS, field: value})
    assert caught.value.path == path
    assert caught.value.message.startswith(message)


def test_a_rule_that_is_no_object_is_refused() -> None:
    with pytest.raises(ConditionError, match="rule: must be an object"):
        parse_rule([])  # type: ignore[arg-type]


def test_channels_of_every_kind_keep_their_order_and_survive_json() -> None:
    raw = {
        "email": ["user@example.com", "two@example.com", "user@example.com"],
        "slack": ["#alerts", "C0123456789", "https://hooks.example.com/services/T/B/x"],
        "webhook": ["http://127.0.0.1:8080/a", {"url": "https://example.com/b", "secret": "s3cret"}],
        "channel": "ops",
    }
    channels = parse_channels(raw)
    assert [target.address for target in channels.targets] == [
        "user@example.com",
        "two@example.com",
        "#alerts",
        "C0123456789",
        cover("https://hooks.example.com/services/T/B/x"),
        cover("http://127.0.0.1:8080/a"),
        cover("https://example.com/b"),
    ]
    assert channels.named == ("ops",)
    assert parse_channels(channels_to_json(channels)) == channels
    assert channels_to_json(Channels()) == {}


def test_a_secret_is_not_shown() -> None:
    target = Target(ChannelKind.WEBHOOK, "https://example.com/b", "s3cret")
    assert "s3cret" not in repr(target)


def test_a_selector_matches_type_and_tags() -> None:
    selector = parse_selector({"agent_type": "coder", "tags": {"env": "prod"}})
    assert selector == Selector("coder", (("env", "prod"),))
    assert selects(selector, agent_type="coder", tags={"env": "prod", "x": "y"})
    assert not selects(selector, agent_type="tester", tags={"env": "prod"})
    assert not selects(selector, agent_type=None, tags={"env": "prod"})
    assert not selects(selector, agent_type="coder", tags={"env": "stage"})
    assert not selects(selector, agent_type="coder", tags={})
    assert selects(parse_selector({"tags": {"env": "prod"}}), agent_type=None, tags={"env": "prod"})


def test_a_where_asks_for_all_of_its_tags() -> None:
    assert has_tags((), {})
    assert has_tags((("a", "1"), ("b", "2")), {"a": "1", "b": "2"})
    assert not has_tags((("a", "1"), ("b", "2")), {"a": "1"})


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("coder", "selector"),
        ({}, "selector"),
        ({"agent_type": 5}, "selector.agent_type"),
        ({"tags": {"env": 5}}, "selector.tags.env"),
        ({"name": "x"}, "selector.name"),
    ],
)
def test_a_selector_that_cannot_be_is_refused_with_its_path(raw: object, path: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_selector(raw)
    assert caught.value.path == path
