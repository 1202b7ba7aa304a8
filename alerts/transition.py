"""One target in one pass: its readings judged, its states stepped, and what that opens, changes and ends. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from alerts.core.due import Touched, kinds_read, next_due
from alerts.core.grouping import fingerprint
from alerts.core.judge import judge
from alerts.core.muting import Mute, follow, says_dead
from alerts.core.reading import Evaluation, Readings
from alerts.core.rule import Rule
from alerts.core.state import AlertState, step
from alerts.core.vocabulary import AlertStatus, CloseReason, Event, Phase, Verdict
from alerts.directory import Directory
from alerts.episode import Episode, StateRow
from alerts.muting import MutingNow
from alerts.outbox import Muted, Telling, TimelineEntry
from alerts.rules import LoadedRule
from alerts.targets import DueTarget
from alerts.telling import tell_closed, tell_open
from monitor.ids import uuid7


class Change(msgspec.Struct):
    """One label set after its step: the new state, and the episode it has, opens or ends."""

    row: StateRow
    evaluation: Evaluation
    before: StateRow | None
    episode: Episode | None = None
    opened: bool = False


class Outcome(msgspec.Struct):
    """All that one target's judgement comes to. `due_at`: when it is judged again; None: when news arrives."""

    target: DueTarget
    rule: LoadedRule
    due_at: datetime | None
    changes: list[Change] = msgspec.field(default_factory=list)
    dropped: list[StateRow] = msgspec.field(default_factory=list)


class Plan(msgspec.Struct):
    """What a pass saves, from all of its outcomes."""

    opened: list[Episode] = msgspec.field(default_factory=list)
    updated: list[Episode] = msgspec.field(default_factory=list)
    states: list[StateRow] = msgspec.field(default_factory=list)
    dropped: list[StateRow] = msgspec.field(default_factory=list)
    events: list[TimelineEntry] = msgspec.field(default_factory=list)
    tellings: list[Telling] = msgspec.field(default_factory=list)
    muted: list[Muted] = msgspec.field(default_factory=list)
    fired: int = 0
    resolved: int = 0

    def add(self, other: "Plan") -> None:
        """Take in all that another has."""
        self.opened += other.opened
        self.updated += other.updated
        self.states += other.states
        self.dropped += other.dropped
        self.events += other.events
        self.tellings += other.tellings
        self.muted += other.muted
        self.fired += other.fired
        self.resolved += other.resolved


def judge_target(
    target: DueTarget,
    loaded: LoadedRule,
    readings: Readings,
    rows: Sequence[StateRow],
    *,
    now: datetime,
    interval: timedelta,
    again: bool,
) -> Outcome:
    """Judge and step every label set of a target.

    `again`: points may have come whose times lie just after `now`, so the next tick looks once more.
    """
    rule = _parsed(loaded)
    known = {row.labels: row for row in rows}
    verdicts = judge(
        rule.condition,
        readings,
        now=now,
        since=target.since,
        phases={labels: row.state.phase for labels, row in known.items()},
    )
    outcome = Outcome(target, loaded, None)
    states = []
    for labels, evaluation in verdicts.items():
        before = known.get(labels)
        state, event = step(before.state if before else AlertState(), evaluation, rule.timing)
        states.append(state)
        alert_id = _alert_id(before, event, now)
        row = StateRow(target.key, labels, state, evaluation.verdict, evaluation.value, evaluation.detail, alert_id)
        if before is not None and _vanished(row, evaluation):
            outcome.dropped.append(before)
        elif not _vanished(row, evaluation):
            change = Change(row, evaluation, before, opened=event is Event.FIRED)
            if change.opened and alert_id is not None:
                change.episode = _open(alert_id, target, loaded, rule, change, now)
            outcome.changes.append(change)
    due_at = next_due(rule.condition, states, readings, now=now, interval=interval, since=target.since)
    outcome.due_at = min(due_at or now + interval, now + interval) if again else due_at
    if target.sifted:
        # The sieve sees a breach, but not that one has ended that was resolved by hand.
        quiet = all(state.phase is Phase.INACTIVE and state.latched_until is None for state in states)
        outcome.due_at = None if quiet else now + interval
    return outcome


def plan_outcome(
    outcome: Outcome,
    episodes: Mapping[UUID, Episode],
    messages: Mapping[tuple[UUID, UUID], str],
    directory: Directory,
    plan: Plan,
    *,
    now: datetime,
    muting: MutingNow | None = None,
) -> None:
    """Add to the pass's plan what one target's outcome saves and tells.

    `muting`: what withholds messages at `now`; None: nothing does.
    """
    rule = _parsed(outcome.rule)
    made = Plan()
    for change in outcome.changes:
        if change.episode is None and change.before is not None and change.before.alert_id is not None:
            change.episode = episodes.get(change.before.alert_id)
        if change.episode is not None:
            if change.row.alert_id != change.episode.id and change.opened:  # another one was open already
                change.row = replace(change.row, alert_id=change.episode.id)
            _follow(change, change.episode, rule, messages, directory, muting, made, now)
        if _worth_saving(change):
            made.states.append(change.row)
    made.dropped += outcome.dropped
    plan.add(made)


def _follow(
    change: Change,
    episode: Episode,
    rule: Rule,
    messages: Mapping[tuple[UUID, UUID], str],
    directory: Directory,
    muting: MutingNow | None,
    plan: Plan,
    now: datetime,
) -> None:
    """One episode: its end, or what has changed in it and who is told."""
    details, severity, status = dict(episode.details), episode.severity, episode.status
    if not change.row.state.firing:
        _end(change, episode, plan, now)
        return
    episode.severity = rule.severity
    acknowledged = episode.acknowledgement
    if acknowledged is not None and not acknowledged.holds(now, episode.severity):
        episode.status = AlertStatus.OPEN
        plan.events.append(TimelineEntry(episode.tenant_id, episode.id, "acknowledgement ended", {}))
    stale = change.row.state.stale_since
    episode.details["stale_since"] = stale.isoformat() if stale else None
    mute = _mute(change, episode, rule, muting)
    episode.mute(follow(episode.muted, mute, now), mute)
    told = tell_open(episode, rule, change.row.state, directory, now=now, mute=mute)
    episode.details["withheld"] = list(told.withheld)
    if (told.tellings or change.opened) and change.evaluation.verdict is Verdict.BREACHED:
        if not change.opened:
            episode.value = change.evaluation.value
            episode.details |= _description(change)
        key = change.row.key
        episode.details["last_message"] = messages.get((key.tenant_id, key.agent_id))
    if change.opened:
        plan.fired += 1
        plan.opened.append(episode)
        plan.events.append(_fired(episode, change))
    if (details, severity, status) != (episode.details, episode.severity, episode.status):
        plan.updated.append(episode)
    plan.events += told.events
    plan.tellings += told.tellings
    plan.muted += told.muted


def _mute(change: Change, episode: Episode, rule: Rule, muting: MutingNow | None) -> Mute | None:
    if muting is None:
        return None
    seen = change.evaluation
    missing = seen.leaf is not None and (seen.reading is None or seen.no_data)
    return muting.of(
        episode,
        flaps=change.row.state.flaps,
        # What was read in spite of the store's trouble is told: only what rests on missing points waits.
        unread=missing and seen.leaf is not None and Touched.METRIC in kinds_read(seen.leaf),
        dead=says_dead(rule.condition),
    )


def _end(change: Change, episode: Episode, plan: Plan, now: datetime) -> None:
    if not episode.open:
        return
    episode.status, episode.resolved_at = AlertStatus.RESOLVED, now
    episode.reason = str(CloseReason.RECOVERED)
    said = {"value": change.evaluation.value, "detail": change.row.detail}
    plan.events.append(TimelineEntry(episode.tenant_id, episode.id, "resolved", said))
    plan.tellings += tell_closed(episode, now=now)
    plan.updated.append(episode)
    plan.resolved += 1


def _alert_id(before: StateRow | None, event: Event | None, now: datetime) -> UUID | None:
    if event is Event.FIRED:
        return uuid7(now)
    return before.alert_id if before and event is not Event.RESOLVED else None


def _open(alert_id: UUID, target: DueTarget, loaded: LoadedRule, rule: Rule, change: Change, now: datetime) -> Episode:
    row = change.row
    return Episode(
        tenant_id=target.key.tenant_id,
        id=alert_id,
        config_id=target.key.config_id,
        agent_id=target.key.agent_id,
        severity=rule.severity,
        status=AlertStatus.OPEN,
        triggered_at=now,
        value=row.value,
        # As `_follow` leaves them where nothing withholds its messages: then the row is written once.
        details={"stale_since": None, "muted": None, "withheld": [], "last_message": None} | _description(change),
        config_version=loaded.version,
        rule=loaded.name,
        labels=dict(rule.labels) | dict(row.labels),
        fingerprint=fingerprint(row.labels),
    )


def _description(change: Change) -> dict[str, Any]:
    """What the next message says of the reading as it is now."""
    threshold = change.evaluation.threshold
    limit = f", threshold {threshold}" if threshold else ""
    return {
        "summary": f"{change.row.detail}{limit}",
        "threshold": change.evaluation.bound,
    }


def _fired(episode: Episode, change: Change) -> TimelineEntry:
    said = {
        "value": change.evaluation.value,
        "detail": change.row.detail,
        "threshold": change.evaluation.threshold,
    }
    return TimelineEntry(episode.tenant_id, episode.id, "fired", said)


def _vanished(row: StateRow, evaluation: Evaluation) -> bool:
    """Whether nothing is known of a label set that does not fire: its state is not worth keeping."""
    quiet = row.state.phase is Phase.INACTIVE and row.state.latched_until is None
    forgotten = quiet and not row.state.flaps.recent(evaluation.at)
    return bool(row.labels) and forgotten and evaluation.verdict is Verdict.UNKNOWN and evaluation.no_data


def _worth_saving(change: Change) -> bool:
    """False where nothing but the time of the evaluation changed in a state that remembers no times."""
    before, row = change.before, change.row
    if before is None or row.state.phase is not Phase.INACTIVE or before.state.phase is not Phase.INACTIVE:
        return True
    return (row.verdict, row.value, row.state.latched_until) != (
        before.verdict,
        before.value,
        before.state.latched_until,
    )


def _parsed(loaded: LoadedRule) -> Rule:
    if loaded.rule is None:
        raise ValueError(loaded.fault)
    return loaded.rule
