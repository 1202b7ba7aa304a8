"""A rule's judgement and its messages: condition, timing, severity, labels, channels and escalation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from alerts.core.condition import Condition, ConditionError
from alerts.core.fields import Fields, check_list
from alerts.core.labels import Labels
from alerts.core.parse import parse_condition
from alerts.core.targets import NOBODY, Channels, Target, parse_channels
from alerts.core.vocabulary import Severity

RULE_KEYS = (
    "conditions",
    "for",
    "keep_firing_for",
    "repeat",
    "escalate",
    "flapping",
    "severity",
    "labels",
    "channels",
)
"""The fields of a rule that are read here; its name, agent, selector, owner and runbook are not."""

RESERVED_LABELS = ("agent", "agent_type", "rule", "severity", "tenant")
"""Labels that every alert has of its own."""

DEFAULT_REPEAT = timedelta(hours=4)

_STEPS_AT_MOST = 10
_NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a breach must hold before it fires, and an OK before it resolves.

    `flapping`: whether an alert that opens and closes again and again holds its peace.

    `tick` is the usual distance between two evaluations: without it, a `for` shorter than a tick would take
    every tick for a gap and never fire.
    """

    hold_for: timedelta = _NONE
    keep_firing_for: timedelta = _NONE
    tick: timedelta = timedelta(seconds=10)
    flapping: bool = True

    @property
    def gap_while_pending(self) -> timedelta:
        """The longest time without a known evaluation after which `for` goes on counting."""
        return max(self.hold_for, 2 * self.tick)

    @property
    def gap_while_recovering(self) -> timedelta:
        """The longest time without a known evaluation after which `keep_firing_for` goes on counting."""
        return max(self.keep_firing_for, 2 * self.tick)


@dataclass(frozen=True, slots=True)
class Escalation:
    """Further channels, once an alert has been open and not acknowledged for `after`."""

    after: timedelta
    channels: Channels


@dataclass(frozen=True, slots=True)
class Rule:
    """What is read here of one row of `alert_configs`. `policy`: the escalation policy whose steps are its own."""

    condition: Condition
    timing: Timing = Timing()
    repeat: timedelta = DEFAULT_REPEAT
    escalate: tuple[Escalation, ...] = ()
    severity: Severity = Severity.WARNING
    labels: Labels = ()
    channels: Channels = NOBODY
    policy: str | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target that the rule names itself, in its escalation too."""
        return tuple(target for one in (self.channels, *(s.channels for s in self.escalate)) for target in one.targets)


def written(raw: Mapping[str, object]) -> dict[str, object]:
    """Of a rule as it is stored or written the fields that are read here, without those that are empty."""
    return {name: raw[name] for name in RULE_KEYS if raw.get(name) or raw.get(name) is False}


def parse_rule(raw: Mapping[str, object], *, tick: timedelta = Timing().tick, shown: bool = False) -> Rule:
    """The rule in an object with RULE_KEYS; other keys are left to the caller. Raises ConditionError.

    `shown`: what is shown of a secret address may stand for it, in a rule by which nothing is sent.
    """
    fields = Fields(raw, "")
    return Rule(
        condition=parse_condition(fields.require("conditions")),
        timing=Timing(
            hold_for=fields.duration("for", _NONE, at_least=_NONE),
            keep_firing_for=fields.duration("keep_firing_for", _NONE, at_least=_NONE),
            tick=tick,
            flapping=fields.truth("flapping", default=True),
        ),
        repeat=fields.duration("repeat", DEFAULT_REPEAT),
        escalate=() if isinstance(raw.get("escalate"), str) else _escalate(fields, shown=shown),
        policy=fields.text("escalate", at_most=200) if isinstance(raw.get("escalate"), str) else None,
        severity=fields.choice("severity", Severity, Severity.WARNING),
        labels=fields.pairs("labels", reserved=RESERVED_LABELS),
        channels=parse_channels(fields.raw["channels"], shown=shown) if fields.has("channels") else NOBODY,
    )


def _escalate(fields: Fields, *, shown: bool) -> tuple[Escalation, ...]:
    if not fields.has("escalate") or fields.raw["escalate"] == []:
        return ()
    return parse_steps(fields.raw["escalate"], fields.at("escalate"), shown=shown)


def parse_steps(raw: object, path: str, *, shown: bool = False) -> tuple[Escalation, ...]:
    """Steps from `[{"after": "15m", "channels": {…}}, …]`, each later than the one before. Raises ConditionError."""
    steps: list[Escalation] = []
    for index, entry in enumerate(check_list(raw, path, at_most=_STEPS_AT_MOST)):
        step = Fields(entry, f"{path}[{index}]")
        step.allow(("after", "channels"))
        after = step.duration("after")
        if steps and after <= steps[-1].after:
            raise ConditionError(step.at("after"), "must be later than the step before")
        channels = parse_channels(step.require("channels"), step.at("channels"), shown=shown)
        if not channels:
            raise ConditionError(step.at("channels"), "must name somebody")
        steps.append(Escalation(after, channels))
    return tuple(steps)
