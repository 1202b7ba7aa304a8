"""When a message may go out: groups that wait for more, digests, a budget. One target's pace, stepped by one pass.

Every pass asks anew for what an open alert still has to tell; what is held back is remembered here once, and told
when its time has come, whether its alert is still open or not. Nothing is lost: a message goes out, or its alerts
stand in the digest that takes its place.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from alerts.core.duration import format_duration
from alerts.core.grouping import Telling
from alerts.core.pace import Digest, GroupPace, Held, Outgoing, Pace, Paced, Pacing
from alerts.core.policy import Withheld, urgency
from alerts.core.vocabulary import Reason, Severity

HOUR = timedelta(hours=1)

_STRONGEST = (
    Reason.FIRST,
    Reason.ESCALATED,
    Reason.REPEAT,
    Reason.RESOLVED,
    Reason.RESPONDED,
    Reason.DIGEST,
    Reason.TEST,
)


def pace(
    before: Pace,
    tellings: Iterable[Telling],
    asked: Pacing,
    *,
    now: datetime,
    new_id: Callable[[], UUID],
    muted: Collection[UUID] = (),
    ended: Collection[UUID] = (),
) -> Paced:
    """One pass for one target: what it has to tell now and what it held back before.

    `muted`: alerts that something withholds from this target now: what they were owed is forgotten, and asked for
    anew when they are no longer muted. `ended`: alerts that are over; a group never tells them for the first time,
    only a digest does. `new_id` names new groups.
    """
    step = _Step(before, asked, now, new_id)
    step.forget(muted)
    for telling in tellings:
        step.take(telling)
    step.release_groups(ended)
    step.release_passing()
    step.fill_digest()
    step.release_digests()
    return step.done()


class _Step:
    """One pass in the making."""

    def __init__(self, before: Pace, asked: Pacing, now: datetime, new_id: Callable[[], UUID]) -> None:
        self.asked, self.now, self.new_id = asked, now, new_id
        self.groups, self.digests = dict(before.groups), dict(before.digests)
        self.keys = {group.group_id: key for key, group in before.groups.items()}
        holding: list[GroupPace | Digest] = [*before.groups.values(), *before.digests.values()]
        self.owed = {one.notice.alert_id: one for each in holding for one in each.owed}
        self.sent = [at for at in before.sent if at > now - HOUR]
        self.joining: dict[str, list[Telling]] = {}
        self.passing: dict[UUID | None, list[Telling]] = {}
        self.digested: list[Telling] = []
        self.messages: list[Outgoing] = []
        self.held: dict[UUID, Held] = {}

    def done(self) -> Paced:
        sent = {one.notice.alert_id for message in self.messages for one in message.tellings}
        held = tuple(one for alert_id, one in self.held.items() if alert_id not in sent)
        return Paced(Pace(self.groups, self.digests, tuple(self.sent)), tuple(self.messages), held)

    def forget(self, alerts: Collection[UUID]) -> None:
        """Owe nothing more about these alerts."""
        if self.owed.keys().isdisjoint(alerts):
            return

        def kept(owed: tuple[Telling, ...]) -> tuple[Telling, ...]:
            return tuple(one for one in owed if one.notice.alert_id not in alerts)

        self.groups = {key: replace(one, owed=kept(one.owed)) for key, one in self.groups.items()}
        self.digests = {by: replace(one, owed=kept(one.owed)) for by, one in self.digests.items()}
        self.owed = {alert_id: one for alert_id, one in self.owed.items() if alert_id not in alerts}

    def take(self, telling: Telling) -> None:
        """Decide what a telling waits for."""
        notice = telling.notice
        before = self.owed.get(notice.alert_id)
        if before is not None and notice.reason is not Reason.RESPONDED:
            if (before.notice.reason, before.notice.severity) == (notice.reason, notice.severity):
                # Asked for again at every pass, as long as it waits.
                return
            self.forget({notice.alert_id})
        key = self._key(telling)
        if notice.reason is Reason.RESPONDED:
            self.passing.setdefault(notice.group_id, []).append(telling)
        elif self._for_digest(telling):
            self.digested.append(telling)
            if key in self.groups and notice.reason is Reason.RESOLVED:
                group = self.groups[key]
                self.groups[key] = replace(group, members=group.members - {notice.alert_id})
        elif key is None:
            self.passing.setdefault(notice.group_id, []).append(telling)
        else:
            group = self.groups.get(key) or GroupPace(self.new_id())
            due_at = self._due(group, telling)
            self.groups[key] = replace(group, due_at=due_at)
            self.joining.setdefault(key, []).append(telling)
            if due_at > self.now:
                self.held[notice.alert_id] = Held(telling, Withheld.GROUP, due_at)

    def _for_digest(self, telling: Telling) -> bool:
        notice = telling.notice
        if self.asked.digest is None or notice.severity is Severity.CRITICAL:
            return False
        return not (self.asked.edits and notice.reason is Reason.RESOLVED)

    def _key(self, telling: Telling) -> str | None:
        """The group that it belongs to: the one that it was told in, or the one that it joins."""
        group_id = telling.notice.group_id
        return telling.notice.key if group_id is None else self.keys.get(group_id)

    def _due(self, group: GroupPace, telling: Telling) -> datetime:
        notice = telling.notice
        exempt = self.asked.except_critical and notice.severity is Severity.CRITICAL
        if notice.reason is Reason.ESCALATED or (exempt and notice.reason is Reason.FIRST):
            return self.now
        if group.due_at is not None:
            return group.due_at
        if group.told_at is None:
            return self.now + self.asked.wait
        return max(self.now, group.told_at + self.asked.interval)

    def release_groups(self, ended: Collection[UUID]) -> None:
        """Tell the groups whose time has come, and those that are over."""
        for key, group in list(self.groups.items()):
            waiting = (*group.owed, *self.joining.get(key, ()))
            owed = tuple(
                one for one in waiting if one.notice.reason is not Reason.FIRST or one.notice.alert_id not in ended
            )
            resolved = frozenset(one.notice.alert_id for one in owed if one.notice.reason is Reason.RESOLVED)
            over = len(resolved) == len(owed) and group.members <= resolved
            due = group.due_at is not None and group.due_at <= self.now
            if owed and not (over or due):
                self.groups[key] = replace(group, owed=waiting)
                continue
            told = self._send_group(group, owed) if owed else group
            members = told.members - resolved
            self.groups[key] = replace(told, members=members, owed=(), due_at=None)
            if not members:
                del self.groups[key]

    def _send_group(self, group: GroupPace, owed: tuple[Telling, ...]) -> GroupPace:
        waited = format_duration(self.asked.interval if group.told_at else self.asked.wait)
        note = f"; it waited {waited} for others of its group" if group.owed else ""
        told = frozenset(one.notice.alert_id for one in owed)
        if not self._send(group.group_id, owed, new=group.told_at is None, also=group.members - told, note=note):
            return group
        return replace(group, told_at=self.now, members=group.members | told)

    def release_passing(self) -> None:
        """Tell what belongs to no group: one message for all that begins now, one for each group before."""
        for group_id, tellings in self.passing.items():
            self._send(group_id or self.new_id(), tuple(tellings), new=group_id is None)

    def fill_digest(self) -> None:
        """Hold what is to be told once in a period."""
        if self.digested and self.asked.digest is not None:
            messages = len({one.notice.group_id for one in self.digested})
            self._hold(Withheld.DIGEST, self.digested, self.now + self.asked.digest, messages=messages)

    def _send(
        self,
        group_id: UUID,
        tellings: tuple[Telling, ...],
        *,
        new: bool,
        also: frozenset[UUID] = frozenset(),
        note: str = "",
    ) -> bool:
        """Send, or hold for the digest that takes the place of what is beyond the budget: False."""
        reasons = {one.notice.reason for one in tellings}
        free = reasons <= {Reason.RESPONDED, *([Reason.RESOLVED] if self.asked.edits else [])}
        if self.asked.budget is not None and not free:
            page = any(_is_page(one) for one in tellings)
            if len(self.sent) >= self.asked.budget and not page:
                self._hold(Withheld.BUDGET, tellings, min(self.sent) + HOUR)
                return False
            self.sent.append(self.now)
        reason = next(reason for reason in _STRONGEST if reason in reasons)
        why = _why([one.why for one in tellings]) + note
        self.messages.append(Outgoing(group_id, new, _by_urgency(tellings), reason, why, also))
        return True

    def _hold(self, by: Withheld, tellings: Collection[Telling], due_at: datetime, *, messages: int = 1) -> None:
        digest = self.digests.get(by) or Digest(self.now, due_at)
        digest = replace(digest, messages=digest.messages + messages, owed=(*digest.owed, *tellings))
        self.digests[by] = digest
        self.held |= {one.notice.alert_id: Held(one, by, digest.due_at) for one in tellings}

    def release_digests(self) -> None:
        """Tell the digests whose time has come. They count as messages, and go out whatever the budget says."""
        for by, digest in list(self.digests.items()):
            if not digest.owed:
                del self.digests[by]
            elif digest.due_at <= self.now:
                del self.digests[by]
                self.sent += [self.now] if self.asked.budget is not None else []
                why = _digest_why(by, digest, self.asked)
                tellings = _by_urgency(digest.owed)
                self.messages.append(Outgoing(self.new_id(), True, tellings, Reason.DIGEST, why))


def _is_page(telling: Telling) -> bool:
    """The first that a target hears of a critical alert: no budget holds it."""
    first = telling.notice.reason in (Reason.FIRST, Reason.ESCALATED)
    return first and telling.notice.severity is Severity.CRITICAL


def _by_urgency(tellings: Iterable[Telling]) -> tuple[Telling, ...]:
    return tuple(sorted(tellings, key=lambda one: -urgency(one.notice.severity)))


def _why(whys: Iterable[str]) -> str:
    different = list(dict.fromkeys(whys))
    more = f"; and {len(different) - 3} more reasons" if len(different) > 3 else ""
    return "; ".join(different[:3]) + more


def _digest_why(by: Withheld, digest: Digest, asked: Pacing) -> str:
    stands = f"it stands for {_count(digest.messages, 'message')}"
    about = _count(len({one.notice.alert_id for one in digest.owed}), "alert")
    if by is Withheld.BUDGET:
        reason = f"more than {asked.budget} messages an hour" if asked.budget else "the messages of an hour"
        return f"{reason} were used up: {stands} that were withheld, about {about}"
    return f"the digest of what is not critical: {stands}, about {about}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
