"""Numbers and times in words."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.agents.status import State
from monitor.console import words
from monitor.console.board import RUNS, bars, notes
from monitor.console.docs import type_of
from monitor.console.fleet import URGENCY
from monitor.console.store import RunView
from monitor.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (86400, "1 d")],
)
def test_spans(seconds: int, said: str) -> None:
    assert words.span(timedelta(seconds=seconds)) == said


def test_how_long_ago() -> None:
    assert words.ago(None, NOW) == "–"
    assert words.ago(NOW, NOW) == "just now"
    assert words.ago(NOW + timedelta(seconds=9), NOW) == "just now"
    assert words.ago(NOW - timedelta(seconds=30), NOW) == "30 s ago"


@pytest.mark.parametrize(
    ("value", "said"), [(None, "–"), (0, "0 ms"), (842, "842 ms"), (3140, "3.1 s"), (240_000, "4 min")]
)
def test_durations(value: float | None, said: str) -> None:
    assert words.milliseconds(value) == said


@pytest.mark.parametrize(("value", "said"), [(None, "–"), (3.0, "3"), (0.25, "0.25"), (1234567, "1 234 567")])
def test_numbers(value: float | None, said: str) -> None:
    assert words.number(value) == said.replace(" ", "\N{NARROW NO-BREAK SPACE}")


def test_bars_stand_at_the_right_and_compare_durations() -> None:
    made = bars([RunView("success", 100), RunView("error", None), RunView("success", 400)])
    assert [bar.x for bar in made] == [5 * (RUNS - 3), 5 * (RUNS - 2), 5 * (RUNS - 1)]
    assert made[0].height < made[2].height == 18
    assert all(bar.top + bar.height == 18 for bar in made)
    assert bars([]) == []


def test_notes_say_which_channels_are_not_set_up() -> None:
    assert len(notes(Settings())) == 2
    assert notes(Settings(smtp_url="smtp://mail", slack_bot_token="x")) == []
    assert "/data/mail" in notes(Settings(smtp_url="maildir:///data/mail"))[0]


def test_types_of_the_api_in_words() -> None:
    assert type_of({"type": "array", "items": {"type": "string"}}) == "list of string"
    assert type_of({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}) == "time or null"
    assert type_of({"$ref": "#/components/schemas/Page"}) == "Page"


def test_every_state_has_its_place_on_the_board() -> None:
    assert set(URGENCY) == set(State)
