"""How a standby stands, by table."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.regions.lag import BEHIND, Seen, Standing, judge
from monitor.regions.tables import State, SyncKind

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def seen(replay: str = "0/10", lag_bytes: int | None = 0, replay_lag: float | None = None) -> Seen:
    """What the primary says."""
    return Seen(
        application_name="s", state=State.STREAMING, replay_lsn=replay, lag_bytes=lag_bytes, replay_lag=replay_lag
    )  # fmt: skip


def before(replay: str = "0/10", *, advanced: float, state: State = State.STREAMING) -> Standing:
    """How it stood; it last advanced so many seconds ago."""
    at = NOW - timedelta(seconds=advanced)
    return Standing(
        application_name="s", state=state, checked_at=at, advanced_at=at, replay_lsn=replay, seen_at=at
    )  # fmt: skip


@pytest.mark.parametrize(
    ("now", "then", "seconds", "trouble"),
    [
        (seen(), None, 0.0, None),
        (seen(lag_bytes=0, replay_lag=9), before(advanced=100), 0.0, None),  # measured when it still was behind
        (seen(lag_bytes=5), None, 0.0, None),  # nobody knows since when
        (seen(lag_bytes=5), before(advanced=100), 100.0, SyncKind.LAG),  # it stands still
        (seen("0/11", 5), before(advanced=100), 0.0, None),  # it advances
        (seen("0/11", 5, 40), before(advanced=100), 40.0, SyncKind.LAG),  # it advances, far behind
        (seen(lag_bytes=5, replay_lag=7), before(advanced=BEHIND), BEHIND, None),
        (seen(lag_bytes=None), before(advanced=100), None, None),  # the role may not see it
        (seen(lag_bytes=-3), before(advanced=100), 0.0, None),  # read a moment later
        (None, before(advanced=12), 12.0, SyncKind.OUTAGE),
        (None, None, 0.0, SyncKind.OUTAGE),
        (seen(lag_bytes=5), before(advanced=100, state=State.MISSING), 100.0, SyncKind.LAG),  # it came back as it was
    ],
)
def test_a_standby_stands(
    now: Seen | None, then: Standing | None, seconds: float | None, trouble: SyncKind | None
) -> None:
    standing = judge("s", now, then, NOW)
    assert standing.lag_seconds == seconds
    assert standing.trouble is trouble
    assert standing.state is (State.MISSING if now is None else State.STREAMING)


def test_a_missing_one_is_missing_for_ever_longer() -> None:
    gone = judge("s", None, before(advanced=10), NOW)
    later = judge("s", None, gone, NOW + timedelta(seconds=50))
    assert (gone.lag_seconds, later.lag_seconds) == (10, 60)
    assert later.seen_at == NOW - timedelta(seconds=10)
