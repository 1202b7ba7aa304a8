"""What an onlooker knows and is shown: what must be told, what a tick came to, and the names of what must never be."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from alerts.core.policy import Withheld
from alerts.core.vocabulary import Reason

_NONE = timedelta(0)


class Fault(StrEnum):
    """What must never be."""

    MISSED = "a condition holds and no alert is open"
    CAUSELESS = "an alert opened without cause"
    ENDED_EARLY = "an alert ended, and its condition was not seen to be over"
    STUCK = "a condition is over and its alert is still open"
    UNTOLD = "nothing withholds a message, and it was not written"
    UNJUSTIFIED = "a message is withheld by what is not there"
    IN_A_SILENCE = "somebody was told in a silence"
    OF_NOTHING = "a message says what is not so"
    TOO_OFTEN = "somebody was told again too early"
    NO_FIRING = "somebody heard more of an alert that they never heard fire"
    LOST = "a message never arrived"
    TWICE = "somebody was told the same twice"


@dataclass(frozen=True, slots=True)
class Expected:
    """One condition of one agent. `cause(now, firing, readable)` says whether it holds; None: it cannot be known.

    `dead`: it says that its agent is dead. `must`: an alert has to open in time. `waits`: how long what is to be told
    may wait for others. `repeats` is False where what is told of others counts as a repeat.
    """

    name: str
    agent: str
    cause: Callable[[datetime, bool, bool], bool | None]
    targets: frozenset[str]
    hold_for: timedelta = _NONE
    keep_firing_for: timedelta = _NONE
    repeat: timedelta = timedelta(hours=4)
    dead: bool = False
    must: bool = True
    waits: timedelta = _NONE
    repeats: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """An open alert as the alerter shows it: its id, and for each target what withholds its message now."""

    alert: Hashable
    withheld: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """A message that was written to be sent."""

    id: Hashable
    target: str
    reasons: Mapping[Any, Reason]


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick came to. `silenced` and `settling` hold names of conditions that are so now.

    `counts`: somebody had to judge; else alerters were away or sharing the work out anew. `withdrawn`: alerts and
    targets of first messages that were taken back because it was over before anybody tried to send them.
    """

    now: datetime
    shown: Mapping[str, Shown]
    written: Iterable[Written] = ()
    withdrawn: Iterable[tuple[Hashable, str]] = ()
    unreadable: frozenset[str] = frozenset()
    silenced: frozenset[str] = frozenset()
    settling: frozenset[str] = frozenset()
    counts: bool = True


def withheld(said: Iterable[str], targets: Iterable[str]) -> dict[str, str]:
    """What withholds messages from these targets, by what an open alert remembers: `silence … FIRST email a@b`."""
    found: dict[str, str] = {}
    for each in said:
        by = next(by for by in Withheld if each.startswith(f"{by} "))
        found |= {target: str(by) for target in targets if each.endswith(f" {target}")}
    return found
