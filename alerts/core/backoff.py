"""When to send a notification again: exponential, with jitter, and an end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits of `first`, times `factor` after each failure, at most `cap`, for `attempts` or `give_up_after`.

    `jitter` is the share of a wait that is left to chance, so that what failed together is not sent together.
    """

    first: timedelta = timedelta(seconds=2)
    factor: float = 2.0
    cap: timedelta = timedelta(minutes=10)
    jitter: float = 0.5
    attempts: int = 24
    give_up_after: timedelta = timedelta(hours=4)

    def wait(self, attempts: int, rng: Random) -> timedelta:
        """The wait after the `attempts`th failure (1 for the first), never longer than `cap`."""
        # The exponent is bounded because a float overflows, and the cap is reached long before.
        longest = min(self.cap / self.first, self.factor ** min(attempts - 1, 64)) * self.first
        return longest * (1 - self.jitter * rng.random())


DEFAULT_BACKOFF = Backoff()


def retry_at(
    attempts: int,
    *,
    now: datetime,
    first_at: datetime,
    rng: Random,
    retry_after: timedelta | None = None,
    backoff: Backoff = DEFAULT_BACKOFF,
) -> datetime | None:
    """When to try again after `attempts` failures, the first attempt having been at `first_at`.

    `retry_after` is what the receiver asked for; it is never undercut, and may be longer than the cap. None
    when the attempts or the time are used up: the notification is dead.
    """
    if attempts >= backoff.attempts:
        return None
    at = now + max(backoff.wait(attempts, rng), retry_after or timedelta(0))
    return at if at - first_at <= backoff.give_up_after else None
