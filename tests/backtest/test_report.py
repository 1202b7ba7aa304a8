"""What a replay comes to when it is counted."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from alerts.backtest.replay import Replay
from alerts.backtest.report import report
from alerts.core.vocabulary import AlertStatus, Severity
from alerts.episode import Episode

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
_PART = DAY / 96


def _episode(since: timedelta, lasted: timedelta | None) -> Episode:
    ends: dict[str, Any] = {} if lasted is None else {"resolved_at": START + since + lasted}
    status = AlertStatus.OPEN if lasted is None else AlertStatus.RESOLVED
    given = (UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4), Severity.WARNING, status, START + since)
    return Episode(*given, 1.0, {}, **ends)


@pytest.mark.parametrize(
    ("since", "lasted", "parts"),
    [
        (timedelta(0), None, range(96)),
        (timedelta(0), timedelta(0), range(1)),
        (5 * _PART, _PART / 2, range(5, 6)),
        (5.5 * _PART, 2 * _PART, range(5, 8)),
        (DAY - _PART / 2, _PART / 2, range(95, 96)),
        (DAY, None, range(95, 96)),
    ],
)
def test_the_chart_shows_an_episode_in_each_part_in_which_it_fired(
    since: timedelta, lasted: timedelta | None, parts: range
) -> None:
    found = report(Replay(until=START + DAY, episodes=[_episode(since, lasted)]), since=START, zone=UTC, names={})
    assert [number for number, (_, firing) in enumerate(found.chart) if firing] == list(parts)
    assert {firing for _, firing in found.chart} <= {0, 1}
