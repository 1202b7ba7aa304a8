"""Unit tests of rules, in YAML: what agents send, and what must fire and be said, through the alerter's own machine."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from alerts.backtest.inputs import Beat, Execution, Given, Point, tracks_for
from alerts.backtest.outbox import Sent
from alerts.backtest.replay import Replay, Subject, replay
from alerts.backtest.tracks import Grid
from alerts.core.condition import ConditionError, leaves
from alerts.core.covering import cover, is_secret_address
from alerts.core.fields import Fields, check_list
from alerts.core.rule import Rule, parse_rule, written
from alerts.core.targets import Target
from alerts.core.vocabulary import ChannelKind
from alerts.directory import Directory
from alerts.rule_files import RuleFile
from alerts.rules import LoadedRule
from alerts.targets import DueTarget, TargetKey
from monitor.errors import InvalidInput

START = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = UUID(int=1)
_NAMES = UUID(int=2)
_AT_MOST = 100_000
_RUN = re.compile(r"(-?\d+(?:\.\d+)?|_)(?:x(\d{1,6}))?")


@dataclass(frozen=True, slots=True)
class Result:
    """One test. `faults`: what was other than expected, in sentences; none: it passed."""

    name: str
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class _Inputs:
    agents: dict[str, Given] = field(default_factory=dict)

    def of(self, agent: str) -> Given:
        return self.agents.setdefault(agent, Given())


def run_tests(file: RuleFile) -> list[Result]:
    """Run all tests of a file. Raises InvalidInput for a test that cannot be read, with its place."""
    results = []
    for number, raw in enumerate(file.tests):
        try:
            results.append(_run(file, raw, f"tests[{number}]"))
        except ConditionError as error:
            raise InvalidInput(error.message, path=error.path or None) from error
    return results


def _run(file: RuleFile, raw: Any, path: str) -> Result:
    fields = Fields(raw, path)
    fields.allow(("name", "interval", "input", "expect", "messages"))
    name = fields.text("name", at_most=200)
    tick = fields.duration("interval", timedelta(seconds=10))
    inputs = _read_inputs(check_list(fields.require("input"), fields.at("input"), at_most=_AT_MOST), fields.at("input"))
    expected = list(_entries(fields, "expect", ("at", "alerts")))
    messages = list(_entries(fields, "messages", ("at", "reason", "to", "agents")))
    ends = max([_at(one) for one in [*expected, *messages]], default=timedelta(0))
    grid = Grid(START, tick, -(-ends // tick) + 1)
    subjects = [subject for rule in file.rules for subject in _subjects(rule, inputs, tick)]
    done = replay(subjects, _directory(subjects), grid)
    names = {subject.target.key.agent_id: subject.agent for subject in subjects}
    faults = [fault for one in expected for fault in _check_alerts(one, done, names)]
    if fields.has("messages"):
        faults += _check_messages(messages, done.sent)
    return Result(name, tuple(faults))


def _entries(fields: Fields, name: str, known: Sequence[str]) -> Iterator[Fields]:
    if fields.has(name):
        path = fields.at(name)
        for number, raw in enumerate(check_list(fields.raw[name], path, at_most=_AT_MOST) if fields.raw[name] else []):
            entry = Fields(raw, f"{path}[{number}]")
            entry.allow(known)
            yield entry


def _read_inputs(raw: Sequence[Any], path: str) -> _Inputs:
    inputs = _Inputs()
    for number, each in enumerate(raw):
        fields = Fields(each, f"{path}[{number}]")
        given = inputs.of(fields.text("agent", at_most=200))
        begins = START + fields.duration("from", timedelta(0), at_least=timedelta(0))
        if fields.has("metric"):
            fields.allow(("agent", "from", "metric", "tags", "kind", "every", "values"))
            given.points += _points(fields, begins)
        elif fields.has("heartbeats"):
            fields.allow(("agent", "from", "heartbeats", "until"))
            every, until = fields.duration("heartbeats"), START + fields.duration("until")
            given.beats += [Beat(begins + number * every) for number in range(int((until - begins) / every) + 1)]
        else:
            fields.allow(("agent", "log", "at", "message", "kind", "level"))
            given.executions += _logs(fields)
    return inputs


def _points(fields: Fields, begins: datetime) -> list[Point]:
    every, tags = fields.duration("every", timedelta(minutes=1)), dict(fields.pairs("tags"))
    metric, counter = fields.text("metric", at_most=200), fields.raw.get("kind") == "counter"
    values: list[float | None] = []
    for word in str(fields.require("values")).split():
        match = _RUN.fullmatch(word)
        if match is None:
            raise fields.fault("values", 'must be numbers such as "100 100x5 _ 2500x3": _ is no point, x repeats')
        values += [None if match[1] == "_" else float(match[1])] * int(match[2] or 1)
    return [
        Point(metric, tags, begins + number * every, value, counter=counter)
        for number, value in enumerate(values)
        if value is not None
    ]


def _logs(fields: Fields) -> list[Execution]:
    times = fields.require("at")
    given = times if isinstance(times, list) else [times]
    said = str(fields.raw.get("message") or "")
    kind, level = str(fields.raw.get("kind") or "execution"), fields.raw.get("level")
    found = []
    for at in given:
        moment = Fields({"at": at}, fields.path).duration("at", at_least=timedelta(0))
        status = fields.text("log", at_most=20)
        found.append(Execution(START + moment, status, said, kind=kind, level=None if level is None else str(level)))
    return found


def _subjects(raw: Mapping[str, Any], inputs: _Inputs, tick: timedelta) -> Iterator[Subject]:
    rule = parse_rule(written(raw), tick=tick, shown=True)
    config = uuid5(_NAMES, f"rule {raw['name']}")
    found = leaves(rule.condition)
    loaded = LoadedRule((TENANT, config), 1, raw["name"], rule, found)
    for agent, given in inputs.agents.items():
        if raw.get("agent") in (None, agent) and raw.get("enabled", True):
            key = TargetKey(TENANT, config, uuid5(_NAMES, f"agent {agent}"))
            yield Subject(DueTarget(key, 1, START, START), loaded, agent, tracks_for(found, given))


def _directory(subjects: Sequence[Subject]) -> Directory:
    """A channel that a rule names has its name for an address."""
    rules: list[Rule] = [subject.rule.rule for subject in subjects if subject.rule.rule is not None]
    channels = [one.channels for one in rules] + [step.channels for one in rules for step in one.escalate]
    named = {name for one in channels for name in one.named}
    return Directory(
        active=frozenset([TENANT]), named={(TENANT, name): Target(ChannelKind.EMAIL, name) for name in named}
    )


def _check_alerts(expected: Fields, done: Replay, names: Mapping[UUID, str]) -> Iterator[str]:
    at = START + _at(expected)
    wanted = []
    for number, raw in enumerate(_list(expected, "alerts")):
        one = Fields(raw, f"{expected.at('alerts')}[{number}]")
        one.allow(("rule", "agent", "labels"))
        wanted.append((one.text("rule", at_most=200), one.text("agent", at_most=200), one.pairs("labels")))
    firing = [
        (one.rule, names[one.agent_id] if one.agent_id else "", tuple(sorted(one.labels.items())))
        for one in done.episodes
        if one.triggered_at <= at and (one.resolved_at is None or one.resolved_at > at)
    ]
    for missing in [one for one in wanted if one not in firing]:
        yield f"at {expected.raw['at']}: {_said(missing)} should fire and does not"
    for surplus in [one for one in firing if one not in wanted]:
        yield f"at {expected.raw['at']}: {_said(surplus)} fires and should not"


def _said(alert: tuple[str, str, Any]) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in alert[2])
    return f"{alert[0]!r} for {alert[1]}" + (f" ({labels})" if labels else "")


def _check_messages(expected: Sequence[Fields], sent: Sequence[Sent]) -> Iterator[str]:
    wanted = []
    for one in expected:
        agents = tuple(sorted(str(agent) for agent in _list(one, "agents")))
        to = one.text("to", at_most=2000)
        # A secret address is told by what is shown of it.
        shown = next((cover(to) for kind in ChannelKind if is_secret_address(kind, to)), to)
        known = shown if shown in {each.target for each in sent} else to
        wanted.append((START + _at(one), one.text("reason", at_most=20), known, agents))
    told = [(one.at, str(one.reason), one.target, tuple(sorted({agent for agent, _ in one.alerts}))) for one in sent]
    bare = [one[:3] for one in told]
    # A test that names no agents means whichever they are.
    missing = [one for one in wanted if (one not in told if one[3] else one[:3] not in bare)]
    surplus = [one for one in told if one not in wanted and (*one[:3], ()) not in wanted]
    for at, reason, to, agents in missing:
        yield f"at {_span(at)}: {reason} to {to}{_of(agents)} should be sent and is not"
    for at, reason, to, agents in surplus:
        yield f"at {_span(at)}: {reason} to {to}{_of(agents)} is sent and should not be"


def _list(fields: Fields, name: str) -> Sequence[object]:
    return check_list(fields.raw[name], fields.at(name), at_most=_AT_MOST) if fields.raw.get(name) else ()


def _at(fields: Fields) -> timedelta:
    return fields.duration("at", at_least=timedelta(0))


def _of(agents: Sequence[str]) -> str:
    return f" about {', '.join(agents)}" if agents else ""


def _span(at: datetime) -> str:
    return f"{int((at - START).total_seconds())}s"
