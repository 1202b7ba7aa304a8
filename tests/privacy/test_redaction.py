"""What is taken out of texts, what is left in them, and how long that may take."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InvalidInput
from monitor.ingest.redaction import PATTERN_LENGTH, Category, OwnPattern, Redactor, checked, is_card

EVERYTHING = Redactor(Category)
# Put together here, so that no scanner takes them for keys that leaked.
LONG = "Ab3dEf6hIj9lMn2pQr5tUv8xYz1Cd4Fg7Jk0"


@pytest.mark.parametrize(
    "key",
    [
        "sk-" + LONG,
        "sk-proj-" + LONG,
        "sk-ant-api03-" + LONG,
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + LONG,
        "github_pat_" + LONG,
        "glpat-" + LONG,
        "xoxb-" + "123456789012-" + LONG,
        "AIza" + LONG,
        "sk_live_" + LONG,
        "hf_" + LONG,
        "gsk_" + LONG,
        "npm_" + LONG,
        "am_abcdefgh_" + LONG + "0123456",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + LONG,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "Bearer " + LONG,
        "password=hunter22",
        'api_key: "' + LONG + '"',
    ],
)
def test_keys_of_the_usual_providers_are_taken_out(key: str) -> None:
    """Wherever they stand."""
    redactor = Redactor([Category.KEYS])
    assert redactor.text(f"it said {key} twice: {key}.").count("[redacted key]") == 2
    assert LONG not in redactor.text(f"({key})")


def test_a_password_in_an_address_is_taken_out_and_the_host_stays() -> None:
    """As connection errors tell them."""
    found = EVERYTHING.text("cannot reach postgresql://app:s3cret@db.internal/x")
    assert "s3cret" not in found
    assert "db.internal/x" in found


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("write to someone.else+x@mail.example.co.uk now", "write to [redacted email] now"),
        ("card 4111 1111 1111 1111, cvv 123", "card [redacted card], cvv 123"),
        ("4111111111111111 123", "[redacted card] 123"),
        ("3782-822463-10005", "[redacted card]"),
        ("4111 1111 1111 1112 fails its check digit", "4111 1111 1111 1112 fails its check digit"),
        ("at 1784500000000000 us", "at 1784500000000000 us"),
        ("call +41 44 668 18 00 or (555) 123-4567", "call [redacted phone] or [redacted phone]"),
        ("took 12.5 s at 2026-07-01T10:00:00+02:00, 3 of 17", "took 12.5 s at 2026-07-01T10:00:00+02:00, 3 of 17"),
        ("the decorator @cached of ask-me-anything", "the decorator @cached of ask-me-anything"),
        ("task-17 used 1200 tokens: fine", "task-17 used 1200 tokens: fine"),
    ],
)
def test_what_is_meant_is_taken_out_and_nothing_else(text: str, left: str) -> None:
    """Emails, card numbers with their check digit, telephone numbers; figures and times stay."""
    assert EVERYTHING.text(text) == left


def test_only_what_was_asked_for_is_taken_out() -> None:
    """Each category by itself."""
    text = "a@example.com 4111111111111111"
    assert Redactor([Category.EMAILS]).text(text) == "[redacted email] 4111111111111111"
    assert Redactor([Category.CARDS]).text(text) == "a@example.com [redacted card]"


def test_documents_are_redacted_throughout() -> None:
    """Names and values, lists, numbers that are card numbers, and values whose name says that they are secret."""
    given = {
        "to": ["a@example.com", {"cc": "b@example.com"}],
        "c@example.com": 1,
        "d@example.com": 2,
        "card": 4111111111111111,
        "duration_us": 1784500000000000,
        "http.request.header.Authorization": "opensesame",
        "token": "short",
        "tokens": 17,
        "flag": True,
        "none": None,
    }
    assert EVERYTHING.details(given) == {
        "to": ["[redacted email]", {"cc": "[redacted email]"}],
        "[redacted email]": 1,
        "[redacted email]'": 2,
        "card": "[redacted card]",
        "duration_us": 1784500000000000,
        "http.request.header.Authorization": "[redacted key]",
        "token": "[redacted key]",
        "tokens": 17,
        "flag": True,
        "none": None,
    }


def test_a_pattern_of_ones_own() -> None:
    """With its name as the label."""
    redactor = Redactor(
        [], [OwnPattern("ticket", r"\bT-\d+\b"), OwnPattern("iban", r"\b[A-Z]{2}\d{2}(?: ?\w{4}){3,7}")]
    )
    assert redactor.text("T-17 of CH93 0076 2011 6238 5295 7") == "[redacted ticket] of [redacted iban] 7"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "not a pattern"),
        (r"(a)\1", "not a pattern"),
        ("(?=a)b", "not a pattern"),
        ("a*", "nothing in it"),
        (r"\s", "nothing in it"),
        ("x" * (PATTERN_LENGTH + 1), "at most"),
        ("[a-z]{900}[0-9]{900}[a-z]{900}", "too large"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused_with_its_path(pattern: str, said: str) -> None:
    """When it is set, not when the first text comes."""
    with pytest.raises(InvalidInput, match=said) as caught:
        checked(OwnPattern("x", pattern), "patterns.0.pattern")
    assert caught.value.path == "patterns.0.pattern"


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+b", "(?:a?){200}a{200}", "(.*)*x"])
def test_no_pattern_and_text_take_long(pattern: str) -> None:
    """What makes backtracking engines work for years."""
    redactor = Redactor(Category, [OwnPattern("own", f"{pattern}y")])
    started = time.process_time()
    redactor.text("a" * 65_536)
    redactor.text("4 " * 32_768)
    redactor.text("a@" * 32_768)
    assert time.process_time() - started < 2


@given(st.text(max_size=300))
def test_any_text_can_be_redacted_and_again_gives_the_same(text: str) -> None:
    """Half surrogates and all; what was redacted is left alone."""
    once = EVERYTHING.text(text)
    assert EVERYTHING.text(once) == once


@given(st.integers(10**11, 10**18 - 1))
def test_a_number_with_its_check_digit_is_a_card_and_with_another_is_not(stem: int) -> None:
    """One last digit of ten."""
    assert sum(is_card(f"{stem}{digit}") for digit in range(10)) == (1 if 12 <= len(str(stem)) <= 18 else 0)
