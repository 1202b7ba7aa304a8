"""The wording that all channels share."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core.message import Message, layout, text, title
from alerts.core.vocabulary import CloseReason, Reason, Severity
from alerts.core.wording import duration, is_link, number, one_line, paragraph
from tests.channels.messages import crowd, ended, line, message


@pytest.mark.parametrize(
    ("given_message", "said"),
    [
        (message(line(labels={})), "[FIRING] critical: Akira fails — akira-001"),
        (message(), "[FIRING] critical: Akira fails — akira-001 (team=platform)"),
        (message(line(labels={}), reason=Reason.REPEAT), "[STILL FIRING] critical: Akira fails — akira-001"),
        (message(line(labels={}), reason=Reason.ESCALATED), "[ESCALATED] critical: Akira fails — akira-001"),
        (message(ended(labels={})), "[RESOLVED] critical: Akira fails — akira-001"),
        (
            message(ended(labels={}, because=CloseReason.RULE_DISABLED)),
            "[CLOSED] critical: Akira fails — akira-001 (rule disabled)",
        ),
        (message(line(labels={}), test=True), "[TEST] critical: Akira fails — akira-001"),
        (message(line(1), line(2)), "[FIRING:2] critical: Akira fails — 2 agents"),
        (crowd(500), "[FIRING:490, RESOLVED:10] critical: Akira fails — 500 agents"),
        (
            message(ended(1), ended(2, because=CloseReason.RULE_DELETED)),
            "[RESOLVED:1, CLOSED:1] critical: Akira fails — 2 agents",
        ),
        (
            message(line(1, severity=Severity.INFO, rule="A"), line(1, severity=Severity.WARNING, rule="B")),
            "[FIRING:2] warning: 2 rules — akira-001",
        ),
        (
            message(line(1), ended(2), reason=Reason.DIGEST),
            "[DIGEST, FIRING:1, RESOLVED:1] critical: Akira fails — 2 agents",
        ),
        (message(line(labels={}), firing=500), "[FIRING:500] critical: Akira fails — akira-001"),
    ],
)
def test_titles(given_message: Message, said: str) -> None:
    assert title(given_message) == said


@pytest.mark.parametrize("because", [one for one in CloseReason if one is not CloseReason.RECOVERED])
def test_only_a_recovery_is_told_as_one(because: CloseReason) -> None:
    closed = message(ended(because=because), why="the rule was changed")
    group = message(ended(1, because=because), ended(2, because=because), why="the rule was changed")
    for shown in (title(closed), text(closed), title(group), text(group)):
        assert "CLOSED" in shown
        assert "recover" not in shown.lower()
        assert "resolved" not in shown.lower()
    assert "Recovered:" in text(message(ended()))


def test_a_lone_alert_is_told_in_full() -> None:
    shown = text(message())
    for part in (
        "3 consecutive failures, threshold 3",
        "2026-11-22T18:23:33Z (for 12m)",
        "ValueError: bad <diff> & more",
        "$0.42",
        "https://wiki.example.com/akira",
        "platform@example.com",
        "https://monitor.example.com/alerts/1",
        "Sent because: the condition began to hold",
    ):
        assert part in shown
    assert "its data stopped coming" in text(message(line(silent=True)))
    assert "12.5, threshold 10" in text(message(line(summary="", value=12.5, threshold=10.0)))


@pytest.mark.parametrize("size", [1, 50, 51, 500, 5000])
def test_nothing_is_left_out_in_silence(size: int) -> None:
    shown = text(crowd(size))
    plan = layout(crowd(size), size=60_000)
    assert len(plan.full) <= 50
    assert len(plan.full) + len(plan.brief) + plan.left_out == size
    assert len(shown) < 62_000
    assert ("more: https://monitor.example.com/alerts" in shown) is (plan.left_out > 0)


def test_a_limit_cuts_the_least_urgent() -> None:
    many = message(
        *(ended(n) for n in range(1, 40)),
        *(line(n, severity=Severity.INFO) for n in range(40, 80)),
        line(99, severity=Severity.CRITICAL),
    )
    plan = layout(many, full=1, size=2000)
    assert plan.full[0].alert_id == UUID(int=99)
    assert all(one.firing for one in plan.brief)
    assert plan.left_out > 0


@given(st.text(), st.integers(10, 100))
def test_one_line_is_one_short_line_that_any_encoding_takes(foreign: str, limit: int) -> None:
    shown = one_line(foreign, limit)
    assert len(shown) <= limit
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert len(paragraph(foreign, limit)) <= limit


def test_paragraphs_keep_their_lines() -> None:
    assert paragraph("a\r\n  b\x07c\rd\u202e\n", 100) == "a\n  b c\nd"
    assert paragraph("x" * 100, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0s"), (45, "45s"), (720, "12m"), (3600, "1h"), (3900, "1h 5m"), (90_000, "1d 1h"), (266_400, "3d 2h")],
)
def test_durations(seconds: int, said: str) -> None:
    assert duration(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3, "3"),
        (-2.0, "-2"),
        (0.25, "0.25"),
        (0.1234567, "0.123457"),
        (1234567.0, "1234567"),
        (1e20, "1e+20"),
        (float("nan"), "nan"),
    ],
)
def test_numbers(value: float, said: str) -> None:
    assert number(value) == said


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://x/y?z=1", True),
        ("http://127.0.0.1:4318/", True),
        ("javascript:alert(1)", False),
        ("https://x/|y>", False),
        ("https://x/\u202e", False),
        ("//x", False),
        ("", False),
    ],
)
def test_only_plain_web_addresses_are_linked(url: str, safe: bool) -> None:
    assert is_link(url) is safe
