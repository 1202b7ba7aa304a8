"""How a standby stands, from what the primary says of it now and what was known before. Pure."""

from dataclasses import dataclass
from datetime import datetime

from monitor.regions.tables import State, SyncKind

BEHIND = 30.0
"""Seconds from which on a copy is said to be behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A row of the primary's view of replication. `replay_lag`: seconds that the standby itself measured last.

    Positions in the log and their difference are None for a role that may not read them.
    """

    application_name: str
    state: State
    sync_state: str | None = None
    sent_lsn: str | None = None
    replay_lsn: str | None = None
    lag_bytes: int | None = None
    replay_lag: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a standby stands. See `ReplicationStatus`."""

    application_name: str
    state: State
    checked_at: datetime
    advanced_at: datetime
    sync_state: str | None = None
    sent_lsn: str | None = None
    replay_lsn: str | None = None
    lag_bytes: int | None = None
    lag_seconds: float | None = None
    seen_at: datetime | None = None

    @property
    def trouble(self) -> SyncKind | None:
        """Why it is not up to date, if it is not."""
        if self.state is State.MISSING:
            return SyncKind.OUTAGE
        return SyncKind.LAG if (self.lag_seconds or 0.0) > BEHIND else None


def judge(name: str, seen: Seen | None, before: Standing | None, now: datetime) -> Standing:
    """How a standby stands now. `seen` None: it is expected, and not connected.

    PostgreSQL's own `replay_lag` is measured when a standby replays something: of one that stands still it says what
    was true before. So the time since it last advanced counts too, while there is something to replay.
    """
    if seen is None:
        since = now if before is None else (before.seen_at or before.advanced_at)
        return Standing(
            application_name=name, state=State.MISSING, checked_at=now, advanced_at=since,
            replay_lsn=None if before is None else before.replay_lsn, lag_seconds=(now - since).total_seconds(),
            seen_at=None if before is None else before.seen_at,
        )  # fmt: skip
    # What was read a moment after the primary's own position may be ahead of it.
    behind = None if seen.lag_bytes is None else max(0, seen.lag_bytes)
    stands = before is not None and before.replay_lsn == seen.replay_lsn and bool(behind)
    advanced = before.advanced_at if before is not None and stands else now
    lag: float | None = None
    if behind is not None:
        lag = max(seen.replay_lag or 0.0, (now - advanced).total_seconds()) if behind else 0.0
    return Standing(
        application_name=name, state=seen.state, checked_at=now, advanced_at=advanced, sync_state=seen.sync_state,
        sent_lsn=seen.sent_lsn, replay_lsn=seen.replay_lsn,
        lag_bytes=behind, lag_seconds=lag, seen_at=now,
    )  # fmt: skip
