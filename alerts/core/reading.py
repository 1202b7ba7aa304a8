"""What was read for a leaf, and what an evaluation says."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec

from alerts.core.condition import Leaf, WindowLeaf
from alerts.core.describe import describe_bound
from alerts.core.labels import Labels
from alerts.core.seen import describe_value
from alerts.core.vocabulary import Verdict


class Reading(msgspec.Struct, frozen=True):
    """What the store said about one leaf for one agent and label set, over the window that ends now.

    - status: `value` is the streak, how many of the newest executions in a row ended with the leaf's status;
      `count` is 0 when the agent never ran, else at least 1.
    - metric: `value` is the reduced value (None where the reducer has none, such as the rate of one point),
      `count` the points in the window. The label set has every name in `by`; a series without that tag has
      the empty text there.
    - rate: `value` is the share (0 to 1) of executions with that status, `count` the window's executions.
    - log: `value` is the number of matching rows, `count` the agent's log rows of any kind in the window.
    - heartbeat: `count` is how many heartbeats are known (3 stands for more), `interval` the learned interval
      or None, `expected` False once the expectation ended (clean shutdown, retire, ephemeral). `value` is
      not used.
    - schedule: of the newest decided run `value` is 0 when it came in time, else the seconds since it was due;
      `count` is 0 when none was decided yet. `changes_at`: when the next one is decided, if it does not come.

    - duration: `value` is for how many seconds the longest run has been going on, 0 where nothing is running; `count`
      how many are. `changes_at`: when the longest one has lasted as long as it may.
    - budget: `value` is what was spent in the period so far, None where no price is known of any of its calls; `count`
      is never 0, since nothing spent is known to be nothing. `changes_at`: when the next period begins.
    - burn rate: `value` is the smaller of the two windows' burn rates; None where the long one burns and the short one
      is empty. `count`: the long window's executions.
    - repeat call: `value` is how often the most frequent call was made, `count` the calls in the window.
    - anomaly: `value` is by how many deviations the window is away in the leaf's direction, None without enough
      history; `count` the points in the window.
    - error: `value` is how many groups of errors are what the leaf asks for, None where no error names a version;
      `count` is 0 where nothing is known.
    - compare: `value` is how much worse the newer one is, 0 where what is seen may be chance; `count` is 0 where one
      of the two has too few tasks.
    - state: `value` is 1 in that state, else 0; `count` is 0 where the agent was never seen. `changes_at`: when
      silence alone may change it.

    `note` is what else is to be said of the value, in plain words; the judgement does not look at it.

    `last_at` is the time of the newest row in the window; of the last heartbeat (by receipt) for a heartbeat; when the
    run was due for a schedule.
    """

    value: float | None = None
    count: int = 0
    last_at: datetime | None = None
    interval: timedelta | None = None
    expected: bool = True
    changes_at: datetime | None = None
    note: str = ""


Readings: TypeAlias = Mapping[Leaf, Mapping[Labels, Reading] | None]
"""Per leaf, the readings of its label sets. A leaf that is missing or None could not be read."""


class Evaluation(msgspec.Struct, frozen=True):
    """One reading of one rule for one agent and label set, judged.

    `leaf` is the leaf that decided, `reading` what was read for it (None: it could not be read), `value` its
    value (for a heartbeat the silence in seconds) and `bound` the number it was held against: the threshold,
    or `recover` while the alert fires.
    """

    at: datetime
    verdict: Verdict
    value: float | None = None
    labels: Labels = ()
    leaf: Leaf | None = None
    reading: Reading | None = None
    bound: float | None = None

    @property
    def points(self) -> int:
        """How many rows the value is made of."""
        return self.reading.count if self.reading else 0

    @property
    def window(self) -> timedelta | None:
        """The window that was read, for a leaf that has one."""
        return self.leaf.window if isinstance(self.leaf, WindowLeaf) else None

    @property
    def no_data(self) -> bool:
        """Whether the leaf that decided was read and had nothing in its window."""
        return self.reading is not None and self.reading.count == 0

    @property
    def detail(self) -> str:
        """What was seen, in plain words: `p95 of latency_ms over 5m is 2345 (41 points)`."""
        if self.leaf is None:
            return ""
        if self.reading is None:
            return "the data could not be read"
        seen = describe_value(self.leaf, self.value, count=self.reading.count)
        return f"{seen}; {self.reading.note}" if self.reading.note else seen

    @property
    def threshold(self) -> str:
        """What it was held against, in plain words: `> 2000`."""
        return "" if self.leaf is None else describe_bound(self.leaf, self.bound)
