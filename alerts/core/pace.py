"""What is held back for one target, and what one pass makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from alerts.core.grouping import Telling
from alerts.core.policy import Withheld
from alerts.core.vocabulary import Reason


@dataclass(frozen=True, slots=True)
class Pacing:
    """What a tenant asks for, for one target. `wait` and `interval` count for alerts that have a group's key.

    `digest`: the period of one message with all that is not critical. `budget`: messages an hour. `edits`: the
    channel edits what it said before, so that a resolve is no message of its own.
    """

    wait: timedelta = timedelta(0)
    interval: timedelta = timedelta(0)
    except_critical: bool = False
    digest: timedelta | None = None
    budget: int | None = None
    edits: bool = False


class GroupPace(msgspec.Struct, frozen=True):
    """A group that may still be joined. `members` were told of and are not resolved; `owed` waits for `due_at`."""

    group_id: UUID
    told_at: datetime | None = None
    due_at: datetime | None = None
    members: frozenset[UUID] = frozenset()
    owed: tuple[Telling, ...] = ()


class Digest(msgspec.Struct, frozen=True):
    """What one message will stand for: `messages` of them since `since`."""

    since: datetime
    due_at: datetime
    messages: int = 0
    owed: tuple[Telling, ...] = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """Where a target stands: its groups by key, its digests by what fills them, and when it was told lately."""

    groups: Mapping[str, GroupPace] = field(default_factory=dict)
    digests: Mapping[Withheld, Digest] = field(default_factory=dict)
    sent: tuple[datetime, ...] = ()

    @property
    def due_at(self) -> datetime | None:
        """When something that is held back must be told; None: nothing is."""
        waiting = [one.due_at for one in self.groups.values() if one.due_at is not None]
        return min([*waiting, *(one.due_at for one in self.digests.values())], default=None)

    @property
    def waiting(self) -> frozenset[UUID]:
        """Alerts that a group has to tell for the first time."""
        owed = (one for each in self.groups.values() for one in each.owed)
        return frozenset(one.notice.alert_id for one in owed if one.notice.reason is Reason.FIRST)


class Outgoing(msgspec.Struct, frozen=True):
    """One message: what it tells, most severe first, in which group, and why.

    `also` are alerts of the group that it lists and that have nothing new: they count as told again.
    """

    group_id: UUID
    new: bool
    tellings: tuple[Telling, ...]
    reason: Reason
    why: str
    also: frozenset[UUID] = frozenset()


class Held(msgspec.Struct, frozen=True):
    """A telling that is held back from now on, by what and until when."""

    telling: Telling
    by: Withheld
    until: datetime


@dataclass(frozen=True, slots=True)
class Paced:
    """One step: the pace after it, what goes out, and what is held back since."""

    pace: Pace
    messages: tuple[Outgoing, ...] = ()
    held: tuple[Held, ...] = ()
