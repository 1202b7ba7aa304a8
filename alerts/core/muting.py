"""What withholds an alert's messages now: snooze, silence, maintenance, an alert that explains it, flapping. Pure.

Muting never touches evaluation or state: it is asked anew at every tick, for open alerts only. A `Muting` is what is
known at one moment. Alerts of every kind are matched by the same labels, whatever the reason for which they fire.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from alerts.core.condition import All, Any, Condition, HeartbeatLeaf, StateLeaf
from alerts.core.flapping import STEADY, Flaps
from alerts.core.matchers import Matcher, MatchOp, matches
from alerts.core.policy import Withheld, urgency
from alerts.core.terms import AgentState
from alerts.core.vocabulary import Severity

TOLD_WHEN_OVER = frozenset({Withheld.SNOOZED, Withheld.SILENCED, Withheld.MAINTENANCE})
"""What people asked for: when it ends and the alert still fires, whoever heard of it before hears once more. The end
of the others only lets pass what has not been said yet."""


class Mute(msgspec.Struct, frozen=True):
    """What withholds messages: `source` is the id of a silence, of a window or of the alert that explains this one,
    or who snoozed it; `title` a silence's comment, a window's title, the other alert in words. None: no end is known.
    """

    by: Withheld
    source: str = ""
    title: str = ""
    until: datetime | None = None

    def __str__(self) -> str:
        """In words: `silence (deploy)`."""
        return f"{self.by} ({self.title})" if self.title else str(self.by)


@dataclass(frozen=True, slots=True)
class Scope:
    """A silence or a maintenance window that is active; without matchers it covers every alert of its tenant."""

    by: Withheld
    id: str
    title: str
    until: datetime
    matchers: tuple[Matcher, ...] = ()


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert that matches `source` is open, those that match `target` and have equal values are withheld.

    `equal` are names of labels; as in Alertmanager a missing label equals an empty one, and an alert that matches
    both sides is withheld only by one that matches the source alone.
    """

    name: str
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """An open alert as muting sees it. `dead`: it says that its agent is dead. `resting`: its agent was set to
    maintenance by a person."""

    tenant_id: UUID
    alert_id: UUID
    labels: Mapping[str, str]
    severity: Severity
    since: datetime
    agent_id: UUID | None = None
    dead: bool = False
    resting: bool = False

    def __str__(self) -> str:
        """In words: `Akira is dead on akira-001`."""
        return f"{self.labels.get('rule', '')} on {self.labels.get('agent', '')}"


class Muted(msgspec.Struct, frozen=True):
    """What an open alert remembers of mutes: `owed` names one that people asked for and that has not ended yet,
    `ended` the last one that has, at `unmuted_at`. Both are empty when there is none."""

    owed: str = ""
    ended: str = ""
    unmuted_at: datetime | None = None


def follow(before: Muted, mute: Mute | None, now: datetime) -> Muted:
    """What an open alert remembers after a tick in which `mute` withholds its messages, or nothing does."""
    if mute is not None:
        owed = str(mute) if mute.by in TOLD_WHEN_OVER else before.owed
        return Muted(owed, before.ended, before.unmuted_at)
    return Muted("", before.owed, now) if before.owed else before


def says_dead(condition: Condition) -> bool:
    """Whether an agent that is alive cannot breach a condition."""
    match condition:
        case HeartbeatLeaf() | StateLeaf(state=AgentState.DEAD):
            return True
        case All(children):
            return any(map(says_dead, children))
        case Any(children):
            return all(map(says_dead, children))
        case _:
            return False


def labels_of(
    own: Mapping[str, str], *, agent: str, agent_type: str | None, rule: str, severity: Severity
) -> dict[str, str]:
    """The labels that matchers see: those of the rule and the label set, and what every alert has."""
    return {**own, "agent": agent, "agent_type": agent_type or "", "rule": rule, "severity": str(severity)}


class Muting:
    """What withholds messages at one moment. Asking about one alert costs the same however many others are open."""

    def __init__(
        self,
        now: datetime,
        *,
        scopes: Mapping[UUID, Sequence[Scope]] | None = None,
        inhibitions: Mapping[UUID, Sequence[Inhibition]] | None = None,
        alerts: Iterable[Subject] = (),
        blind: Subject | None = None,
    ) -> None:
        """`scopes` are active at `now`, by tenant, as `inhibitions`. `alerts`: the open ones that may withhold others.

        `blind` is the alert that says that the history store cannot be reached.
        """
        self.now = now
        self._blind = blind
        self._scopes = {tenant: _Scopes(active) for tenant, active in (scopes or {}).items()}
        self._dead: dict[tuple[UUID, UUID | None], Subject] = {}
        self._rules: dict[UUID, list[_Sources]] = {
            tenant: [_Sources(rule) for rule in rules] for tenant, rules in (inhibitions or {}).items()
        }
        for alert in sorted(alerts, key=_age):
            if alert.dead:
                agent = (alert.tenant_id, alert.agent_id)
                known = self._dead.get(agent)
                if known is None or urgency(alert.severity) > urgency(known.severity):
                    self._dead[agent] = alert
            for sources in self._rules.get(alert.tenant_id, ()):
                sources.add(alert)

    def of(
        self, subject: Subject, *, snooze: Mute | None = None, flaps: Flaps = STEADY, unread: bool = False
    ) -> Mute | None:
        """What withholds the messages of an open alert now, or None.

        `snooze`: a person's, whether it has ended or not. `unread`: what it stands on now is not data of the history
        store but that there is none.
        """
        if snooze is not None and snooze.until is not None and self.now < snooze.until:
            return snooze
        scope = self.scope(subject.tenant_id, subject.labels)
        if scope is not None:
            return Mute(scope.by, scope.id, scope.title, scope.until)
        if subject.resting:
            return Mute(Withheld.MAINTENANCE, title=f"{subject.labels.get('agent')} is set to maintenance")
        cause = self._blind if unread and self._blind is not None else self._cause(subject)
        if cause is not None:
            return Mute(Withheld.INHIBITED, str(cause.alert_id), str(cause))
        if flaps.hold(self.now) and not flaps.speak:
            return Mute(Withheld.FLAPPING, title="it fires again and again")
        return None

    def scope(self, tenant_id: UUID, labels: Mapping[str, str]) -> Scope | None:
        """The silence or maintenance window that covers an alert with these labels; of several the last to end."""
        scopes = self._scopes.get(tenant_id)
        return None if scopes is None else scopes.find(labels)

    def _cause(self, subject: Subject) -> Subject | None:
        """The open alert that explains this one, by way of others or not, and is explained by none itself.

        Where rules go round in a ring, its oldest alert is told: never is everything withheld.
        """
        reached = {subject.alert_id: subject}
        todo, roots = [subject], list[Subject]()
        while todo:
            one = todo.pop()
            sources = list(self._sources(one))
            if not sources:
                roots.append(one)
            for source in sources:
                if source.alert_id not in reached:
                    reached[source.alert_id] = source
                    todo.append(source)
        cause = min(roots or reached.values(), key=_age)
        return None if cause.alert_id == subject.alert_id else cause

    def _sources(self, subject: Subject) -> Iterator[Subject]:
        """The alerts that withhold this one directly.

        That an agent is dead explains whatever else is said of it, but withholds nothing worse than itself.
        """
        dead = self._dead.get((subject.tenant_id, subject.agent_id))
        if dead is not None and not subject.dead and urgency(subject.severity) <= urgency(dead.severity):
            yield dead
        for sources in self._rules.get(subject.tenant_id, ()):
            source = sources.of(subject)
            if source is not None:
                yield source


def _age(subject: Subject) -> tuple[datetime, UUID]:
    return subject.since, subject.alert_id


class _Scopes:
    """Silences and windows of one tenant, found by the label that they ask for."""

    def __init__(self, scopes: Iterable[Scope]) -> None:
        self._asking: dict[str, dict[str, list[Scope]]] = defaultdict(lambda: defaultdict(list))
        self._others: list[Scope] = []
        for scope in scopes:
            asks = (one for one in scope.matchers if one.op is MatchOp.EQUAL and one.value)
            first = next(asks, None)
            if first is None:
                self._others.append(scope)
            else:
                self._asking[first.name][first.value].append(scope)

    def find(self, labels: Mapping[str, str]) -> Scope | None:
        """The scope that covers these labels and ends last."""
        likely = [scope for name, by in self._asking.items() for scope in by.get(labels.get(name, ""), ())]
        covering = [scope for scope in (*likely, *self._others) if matches(scope.matchers, labels)]
        return max(covering, key=lambda scope: (scope.until, scope.id), default=None)


@dataclass(slots=True)
class _Sources:
    """The oldest alerts on the source side of one rule, by the values that must be equal."""

    rule: Inhibition
    pure: dict[tuple[str, ...], Subject] = field(default_factory=dict)
    mixed: dict[tuple[str, ...], Subject] = field(default_factory=dict)

    def add(self, alert: Subject) -> None:
        """Take in an open alert; the oldest first."""
        if matches(self.rule.source, alert.labels):
            side = self.mixed if matches(self.rule.target, alert.labels) else self.pure
            side.setdefault(self._values(alert), alert)

    def of(self, subject: Subject) -> Subject | None:
        """The oldest source that withholds an alert by this rule."""
        if not matches(self.rule.target, subject.labels):
            return None
        values = self._values(subject)
        found = [self.pure.get(values)]
        if not matches(self.rule.source, subject.labels):
            found.append(self.mixed.get(values))
        return min((one for one in found if one is not None), key=_age, default=None)

    def _values(self, alert: Subject) -> tuple[str, ...]:
        return tuple(alert.labels.get(name, "") for name in self.rule.equal)
