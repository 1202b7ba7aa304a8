"""What a message says: alerts as lines, and the wording that every channel shares. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from alerts.core.vocabulary import Action, CloseReason, Reason, Severity
from alerts.core.wording import address, duration, is_link, labels, moment, number, one_line, paragraph

Reference = Mapping[str, str]
"""What finds a sent message again: {"channel", "ts"} in Slack, {"message_id"} for email, or nothing."""

FULL_LINES = 50
"""So many alerts of a group are told in full; the others get one line each."""

TEXT_LIMIT = 60_000
"""Characters of a plain text message; alerts that do not fit are counted."""

_NAME, _SUMMARY, _ERROR, _LABELS = 200, 500, 1500, 600
_URGENCY = {severity: rank for rank, severity in enumerate(Severity)}


class AlertLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One alert inside a message. Texts are as agents and people wrote them: renderers clean them."""

    alert_id: UUID
    rule: str
    agent: str
    severity: Severity
    summary: str
    """What was read, against what: "3 consecutive failures, threshold 3"."""
    since: datetime
    url: str
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    value: float | None = None
    threshold: float | None = None
    resolved_at: datetime | None = None
    close_reason: CloseReason | None = None
    last_message: str | None = None
    """The last error text of the agent."""
    cost_usd: float | None = None
    runbook: str | None = None
    owner: str | None = None
    silent: bool = False
    """Still firing although its data stopped coming."""
    acknowledged: bool = False
    """Somebody has it."""
    tenant_id: UUID | None = None
    """Whose alert it is; None in what was written before this was known."""
    closed_by: str | None = None
    """Who ended it, where a person did."""
    acknowledged_by: str | None = None
    acknowledged_until: datetime | None = None
    snoozed_by: str | None = None
    snoozed_until: datetime | None = None

    @property
    def firing(self) -> bool:
        """Whether the episode is open."""
        return self.resolved_at is None

    @property
    def recovered(self) -> bool:
        """Whether it ended because the condition no longer held; any other end is only "closed"."""
        return not self.firing and self.close_reason in (None, CloseReason.RECOVERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One notification as a channel sends it. `firing + resolved` may exceed `lines`: the rest is counted."""

    notification_id: UUID
    group_id: UUID
    tenant: str
    reason: Reason
    why: str
    """One sentence: why it is sent now."""
    at: datetime
    lines: tuple[AlertLine, ...]
    firing: int
    resolved: int
    thread_root: Reference | None = None
    """What the group's first message to this target returned."""
    test: bool = False
    url: str = ""
    """Where all of the group's alerts are listed; without it, the first alert's address."""
    tenant_id: UUID | None = None
    """Whom it is sent to; other than the alerts' in what the platform tells its tenants."""
    secret: str | None = field(default=None, repr=False)
    """Signs this message to a webhook that has a secret of its own; None: the installation's."""

    @property
    def ordered(self) -> tuple[AlertLine, ...]:
        """The lines, most urgent first: what a limit cuts off is the least urgent."""
        return tuple(sorted(self.lines, key=lambda line: (not line.firing, -_URGENCY[line.severity])))

    @property
    def list_url(self) -> str:
        """Where to read on."""
        return self.url or (self.lines[0].url if self.lines else "")


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled statement about an alert; `link` where the value is an address that is safe to link."""

    label: str
    value: str
    link: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Which lines are told in full, which in one line each, and how many are only counted."""

    full: tuple[AlertLine, ...]
    brief: tuple[AlertLine, ...]
    left_out: int


def title(message: Message) -> str:
    """Subject line: state, severity, rule and agent; never several lines, at most 240 characters."""
    lines = message.ordered
    if not lines:
        return f"[{_state(message)}] {one_line(message.why, _NAME)}"
    if message.firing + message.resolved <= 1 and len(lines) == 1:
        line = lines[0]
        ending = "" if line.firing or line.recovered else f" ({closed_because(line)})"
        return f"[{_state(message)}] {one_line(headline(line), 200)}{ending}"
    rules, agents = {line.rule for line in lines}, {line.agent for line in lines}
    rule = one_line(lines[0].rule, 80) if len(rules) == 1 else f"{len(rules)} rules"
    agent = one_line(lines[0].agent, 80) if len(agents) == 1 else f"{len(agents)} agents"
    return f"[{_state(message)}] {lines[0].severity}: {rule} — {agent}"


def text(message: Message, *, limit: int = TEXT_LIMIT) -> str:
    """The message as plain text of at most about `limit` characters."""
    plan = layout(message, size=limit)
    parts = [title(message)]
    for line in plan.full:
        heading = [] if len(plan.full) == 1 and not plan.brief else [f"{state(line)} {headline(line)}"]
        parts.append("\n".join([*heading, *_listed(line, message.at)]))
    if plan.brief:
        parts.append("\n".join(brief(line, message.at) for line in plan.brief))
    if plan.left_out:
        parts.append(left_out(message, plan.left_out))
    parts.append(footer(message))
    return "\n\n".join(parts) + "\n"


def layout(message: Message, *, full: int = FULL_LINES, size: int) -> Layout:
    """Divide the lines: at most `full` in full, then one line each, as long as `size` characters last."""
    lines = message.ordered
    told_full: list[AlertLine] = []
    told_brief: list[AlertLine] = []
    for index, line in enumerate(lines):
        long = sum(map(len, _listed(line, message.at))) + len(headline(line)) + 20 if index < full else size + 1
        short = len(brief(line, message.at)) + 1
        if not told_brief and (long <= size or index == 0):
            told_full.append(line)
            size -= long
        elif short <= size:
            told_brief.append(line)
            size -= short
        else:
            break
    told = len(told_full) + len(told_brief)
    return Layout(tuple(told_full), tuple(told_brief), max(message.firing + message.resolved, len(lines)) - told)


def offered(message: Message, line: AlertLine) -> tuple[Action, ...]:
    """What the readers of a message may do about an alert in it: nothing about one that is over or another tenant's."""
    if not line.firing or message.test or line.tenant_id is None or line.tenant_id != message.tenant_id:
        return ()
    done = {Action.ACKNOWLEDGE: _holds(line.acknowledged_until, message.at)}
    done[Action.SNOOZE] = _holds(line.snoozed_until, message.at)
    return tuple(action for action in Action if not done.get(action))


def facts(line: AlertLine, at: datetime) -> Iterator[Fact]:
    """What every channel tells about one alert, in order."""
    yield Fact("Reading", one_line(line.summary, _SUMMARY) or reading(line))
    yield Fact("Since", f"{moment(line.since)} {_how_long(line, at)}")
    if line.firing and line.acknowledged_until is not None and _holds(line.acknowledged_until, at):
        yield Fact("Acknowledged", _by_until(line.acknowledged_by, line.acknowledged_until))
    if line.firing and line.snoozed_until is not None and _holds(line.snoozed_until, at):
        yield Fact("Snoozed", _by_until(line.snoozed_by, line.snoozed_until))
    if line.silent and line.firing:
        yield Fact("Note", "its data stopped coming; it goes on firing")
    if not line.firing and line.resolved_at is not None:
        if line.recovered:
            yield Fact("Recovered", moment(line.resolved_at))
        else:
            who = f", {one_line(line.closed_by, _NAME)}" if line.closed_by else ""
            yield Fact("Closed", f"{moment(line.resolved_at)} ({closed_because(line)}{who})")
    if line.labels:
        yield Fact("Labels", labels(line.labels, _LABELS))
    if line.last_message:
        yield Fact("Last message", paragraph(line.last_message, _ERROR))
    if line.cost_usd is not None:
        yield Fact("Cost so far", f"${line.cost_usd:,.2f}")
    if line.owner:
        yield Fact("Owner", one_line(line.owner, _NAME))
    if line.runbook:
        yield Fact("Runbook", address(line.runbook), link=is_link(line.runbook))
    yield Fact("Alert", address(line.url), link=is_link(line.url))


def headline(line: AlertLine) -> str:
    """`critical: Akira fails — akira-001`, with the alert's own labels where it has any."""
    own = f" ({labels(line.labels, 120)})" if line.labels else ""
    return f"{line.severity}: {one_line(line.rule, _NAME)} — {one_line(line.agent, _NAME)}{own}"


def brief(line: AlertLine, at: datetime) -> str:
    """One alert in one line of at most about 400 characters."""
    said = one_line(line.summary, 120) or reading(line)
    return f"{state(line)} {one_line(headline(line), 200)}: {said} {_how_long(line, at)}"


def state(line: AlertLine) -> str:
    """`[FIRING]`, `[RESOLVED]`, or `[CLOSED]` for an end that is not a recovery."""
    if line.firing:
        return "[FIRING]"
    return "[RESOLVED]" if line.recovered else "[CLOSED]"


def footer(message: Message) -> str:
    """Why it was sent, and for whom."""
    return f"Sent because: {one_line(message.why, _SUMMARY)}\nTenant: {one_line(message.tenant, _NAME)}"


def left_out(message: Message, count: int) -> str:
    """`and 312 more: URL`; nothing is ever dropped in silence."""
    return f"and {count} more: {address(message.list_url)}"


def reading(line: AlertLine) -> str:
    """Value against threshold, for a line without a summary."""
    value = "no value" if line.value is None else number(line.value)
    return value if line.threshold is None else f"{value}, threshold {number(line.threshold)}"


def closed_because(line: AlertLine) -> str:
    """Why an episode ended that did not recover."""
    # A person's word for it would read like a recovery.
    return "closed by hand" if line.close_reason is CloseReason.BY_HAND else str(line.close_reason)


def _state(message: Message) -> str:
    if message.test or message.reason is Reason.TEST:
        return "TEST"
    closed = sum(1 for line in message.lines if not line.firing and not line.recovered)
    taken = sum(1 for line in message.lines if line.firing and _holds(line.acknowledged_until, message.at))
    counts = {
        "FIRING": message.firing - taken,
        "ACKNOWLEDGED": taken,
        "RESOLVED": max(0, message.resolved - closed),
        "CLOSED": closed,
    }
    if message.firing and message.reason is Reason.REPEAT:
        counts = {"STILL FIRING": message.firing - taken} | counts | {"FIRING": 0}
    if message.firing and message.reason is Reason.ESCALATED:
        counts = {"ESCALATED": message.firing - taken} | counts | {"FIRING": 0}
    several = message.firing + message.resolved > 1
    said = [f"{name}:{count}" if several else name for name, count in counts.items() if count]
    said = ["DIGEST", *said] if message.reason is Reason.DIGEST else said
    return ", ".join(said) or "NOTICE"


def _holds(until: datetime | None, at: datetime) -> bool:
    return until is not None and at < until


def _by_until(who: str | None, until: datetime) -> str:
    return f"by {one_line(who or 'someone', _NAME)}, until {moment(until)}"


def _how_long(line: AlertLine, at: datetime) -> str:
    if line.resolved_at is not None:
        return f"(lasted {duration(line.resolved_at - line.since)})"
    return f"(for {duration(at - line.since)})"


def _listed(line: AlertLine, at: datetime) -> list[str]:
    width = 14
    indented = "\n" + " " * width
    return [f"{fact.label + ':':<{width}}{fact.value.replace(chr(10), indented)}" for fact in facts(line, at)]
