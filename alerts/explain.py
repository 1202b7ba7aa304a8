"""Why a rule did or did not page: what was read for an agent, against what, and who was told or what withheld it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alerts.backtest.read import read_history, tracks_of
from alerts.backtest.replay import Subject, readings_at, replay
from alerts.backtest.run import readable
from alerts.backtest.tracks import Grid
from alerts.core.condition import leaves
from alerts.core.judge import judge
from alerts.core.labels import Labels, make_labels
from alerts.core.reading import Evaluation
from alerts.core.rule import Rule, parse_rule, written
from alerts.core.state import AlertState, step
from alerts.core.vocabulary import Phase, Verdict
from alerts.core.wording import duration, moment
from alerts.directory import Directory
from alerts.episode import state_of
from alerts.rules import LoadedRule, parse_stored
from alerts.sources import Sources
from alerts.targets import DueTarget, TargetKey
from monitor.db import Database
from monitor.errors import NotFound
from monitor.series.store import SeriesStore

_LOOK_BACK = timedelta(hours=1)
"""A phase of the past is found by running the rule from so long before, and its window, on."""

_STATES = text("""
    SELECT labels, phase, since, state, verdict, value, detail, evaluated_at FROM alert_states
    WHERE tenant_id = :tenant_id AND config_id = :rule AND agent_id = :agent ORDER BY fingerprint
""")
_VERSION = text("""
    SELECT version, rule, changed_at FROM alert_config_versions
    WHERE tenant_id = :tenant_id AND config_id = :rule AND changed_at <= :at ORDER BY version DESC LIMIT 1
""")
_ALERTS = text("""
    SELECT id, labels, details, triggered_at, resolved_at FROM alerts
    WHERE tenant_id = :tenant_id AND config_id = :rule AND agent_id = :agent AND triggered_at <= :at
      AND (resolved_at IS NULL OR resolved_at >= CAST(:at AS timestamptz) - CAST(:tick AS interval))
    ORDER BY triggered_at DESC
""")
_EVENTS = text("""
    SELECT at, kind, details FROM alert_events
    WHERE tenant_id = :tenant_id AND alert_id = :alert AND at <= :at AND kind IN ('notified', 'withheld')
    ORDER BY at, id
""")
_NEXT = text("""
    SELECT labels, triggered_at FROM alerts
    WHERE tenant_id = :tenant_id AND config_id = :rule AND agent_id = :agent AND triggered_at > :at
      AND triggered_at <= CAST(:at AS timestamptz) + 2 * CAST(:tick AS interval)
    ORDER BY triggered_at
""")
_SINCE = text("""
    SELECT greatest(a.created_at, :created) AS since FROM agents a WHERE a.tenant_id = :tenant_id AND a.id = :agent
""")


@dataclass(frozen=True, slots=True)
class Asked:
    """A stored rule, one of its agents, and a moment."""

    row: Any
    agent_id: UUID
    agent: str
    at: datetime
    tick: timedelta


@dataclass(frozen=True, slots=True)
class Explained:
    """One label set at one moment. `withheld_by` is None where nothing was due, or all of it was sent."""

    at: datetime
    labels: Labels
    verdict: Verdict
    value: float | None
    window: timedelta | None
    points: int
    threshold: float | None
    detail: str
    phase_before: Phase
    phase_after: Phase
    recomputed: bool
    version: int
    since: datetime | None = None
    notified: Sequence[Mapping[str, Any]] = ()
    withheld_by: Mapping[str, Any] | None = None
    notes: Sequence[str] = ()


async def explain_now(db: Database, series: SeriesStore, asked: Asked) -> list[Explained]:
    """Every label set as it stands: the state as stored, what would be read now, and what that would make of it."""
    row, now = asked.row, asked.at
    rule = parse_stored(row, tick=asked.tick)
    agent, reads = (row.tenant_id, asked.agent_id), leaves(rule.condition)
    facts = await Sources(db, series).read({leaf: [agent] for leaf in reads}, now=now, guard=readable)
    async with db.tenant(row.tenant_id) as connection:
        rows = await connection.execute(_STATES, _given(asked))
        stored = {make_labels(one.labels): state_of(one) for one in rows}
        since = await _since(connection, asked)
        phases = {labels: state.phase for labels, state in stored.items()}
        verdicts = judge(rule.condition, facts.of(reads, agent), now=now, since=since, phases=phases)
        found = [
            _explained(evaluation, stored.get(labels, AlertState()), rule, version=row.version, recomputed=False)
            for labels, evaluation in verdicts.items()
        ]
        return [await _with_messages(connection, asked, one, notes=_notes(row)) for one in _sorted(found)]


async def explain_then(db: Database, series: SeriesStore, asked: Asked) -> list[Explained]:
    """Every label set as it was: alerts and messages as stored; what was read and the phase are computed again, from
    the history as it is now and the rule as it was then. Raises NotFound for a time before the rule."""
    row, at, tick = asked.row, asked.at, asked.tick
    async with db.tenant(row.tenant_id) as connection:
        version = (await connection.execute(_VERSION, _given(asked))).first()
        since = await _since(connection, asked)
    if version is None:
        raise NotFound("there was no such rule at that time")
    rule = parse_rule(written(version.rule), tick=tick, shown=True)
    reads = leaves(rule.condition)
    start = at - _LOOK_BACK - rule.timing.hold_for - rule.timing.keep_firing_for
    history = await read_history(
        db, series, row.tenant_id, reads, {asked.agent_id: asked.agent}, start=start, end=at + tick, tick=tick
    )
    target = DueTarget(TargetKey(row.tenant_id, row.id, asked.agent_id), version.version, since, at)
    loaded = LoadedRule((row.tenant_id, row.id), version.version, row.name, rule, reads)
    subject = Subject(target, loaded, asked.agent, tracks_of(history, asked.agent_id))
    ticks = (at - start) // tick
    # Counted back from the moment, so that it is a tick of its own.
    before = replay([subject], Directory(), Grid(at - ticks * tick, tick, ticks)).states[asked.agent_id]
    readings = readings_at(subject.tracks, at)
    phases = {labels: state.phase for labels, state in before.items()}
    verdicts = judge(rule.condition, readings, now=at, since=since, phases=phases)
    found = [
        _explained(evaluation, before.get(labels, AlertState()), rule, version=version.version, recomputed=True)
        for labels, evaluation in verdicts.items()
    ]
    async with db.tenant(row.tenant_id) as connection:
        notes = (*_notes_then(version.rule), *history.differs)
        return [await _with_messages(connection, asked, one, notes=notes) for one in _sorted(found)]


def _explained(evaluation: Evaluation, before: AlertState, rule: Rule, *, version: int, recomputed: bool) -> Explained:
    after, _ = step(before, evaluation, rule.timing)
    return Explained(
        at=evaluation.at,
        labels=evaluation.labels,
        verdict=evaluation.verdict,
        value=evaluation.value,
        window=evaluation.window,
        points=evaluation.points,
        threshold=evaluation.bound,
        detail=evaluation.detail,
        phase_before=before.phase,
        phase_after=after.phase,
        recomputed=recomputed,
        version=version,
        since=after.since,
        notes=_waits(after, rule),
    )


async def _with_messages(
    connection: AsyncConnection, asked: Asked, one: Explained, *, notes: Sequence[str]
) -> Explained:
    """With what was stored of the episode that was open then, or had just ended."""
    one = replace(one, notes=(*notes, *one.notes))
    own = dict(one.labels)
    for alert in await connection.execute(_ALERTS, _given(asked)):
        if own.items() <= alert.labels.items():
            events = (await connection.execute(_EVENTS, _given(asked) | {"alert": alert.id})).all()
            break
    else:
        return await _unopened(connection, asked, one) if one.recomputed else one
    told = [{**_public(row.details), "at": row.at} for row in events if row.kind == "notified"]
    kept = [{**_public(row.details), "at": row.at} for row in events if row.kind == "withheld"]
    latest = kept[-1] if kept and (not told or kept[-1]["at"] >= told[-1]["at"]) else None
    ended = alert.resolved_at is not None and alert.resolved_at <= asked.at
    after = one.phase_after
    if not ended and after not in (Phase.FIRING, Phase.RECOVERING):
        after = Phase.FIRING
    before = Phase.FIRING if alert.triggered_at < asked.at and one.recomputed else one.phase_before
    before = one.phase_before if one.phase_before is Phase.RECOVERING else before
    return replace(
        one,
        phase_before=before,
        phase_after=Phase.INACTIVE if ended else after,
        since=alert.triggered_at,
        notified=told,
        withheld_by=None if ended else latest,
    )


async def _unopened(connection: AsyncConnection, asked: Asked, one: Explained) -> Explained:
    """Computed again where no alert was open: what is breached may have fired at the next tick, or not at all."""
    firing = (Phase.FIRING, Phase.RECOVERING)
    if one.phase_before not in firing and one.phase_after not in firing:
        return one
    before = Phase.INACTIVE if one.phase_before in firing else one.phase_before
    own = dict(one.labels)
    rows = (await connection.execute(_NEXT, _given(asked))).all()
    fired = next((row.triggered_at for row in rows if own.items() <= row.labels.items()), None)
    said = "no alert was opened then: today's history tells what was not known at that time"
    if fired is not None:
        said = f"judged at the next tick: it fired at {fired:%Y-%m-%d %H:%M:%S} UTC"
    return replace(one, phase_before=before, phase_after=before, since=None, notes=(*one.notes, said))


def _public(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if name != "notification_id"}


def _sorted(found: Sequence[Explained]) -> list[Explained]:
    """What fires first, then what is breached."""
    order = [Phase.FIRING, Phase.RECOVERING, Phase.PENDING, Phase.INACTIVE]
    return sorted(
        found, key=lambda one: (order.index(one.phase_after), one.verdict is not Verdict.BREACHED, one.labels)
    )


def _notes(row: Any) -> list[str]:
    """Why a rule may not be judged at all."""
    notes = [] if row.enabled else ["the rule is disabled: it is not judged"]
    return [*notes, f"the last evaluation failed: {row.last_error}"] if row.last_error else notes


def _notes_then(rule: Mapping[str, Any]) -> list[str]:
    """Why a rule, as it was, was not judged at all."""
    if rule.get("deleted"):
        return ["the rule was deleted: it was not judged"]
    return [] if rule.get("enabled", True) else ["the rule was disabled: it was not judged"]


def _waits(state: AlertState, rule: Rule) -> tuple[str, ...]:
    match state.phase:
        case Phase.PENDING:
            return (
                f"breached for {duration(state.held)} of the {duration(rule.timing.hold_for)} after which it fires",
            )
        case Phase.RECOVERING:
            wanted = duration(rule.timing.keep_firing_for)
            return (f"well for {duration(state.held)} of the {wanted} after which it resolves",)
        case Phase.INACTIVE if state.latched_until is not None:
            return (f"resolved by hand: it opens again after one OK, or at {moment(state.latched_until)}",)
        case _:
            return ()


def _given(asked: Asked) -> dict[str, Any]:
    row = asked.row
    return {
        "tenant_id": row.tenant_id,
        "rule": row.id,
        "agent": asked.agent_id,
        "at": asked.at,
        "tick": asked.tick,
        "created": row.created_at,
    }


async def _since(connection: AsyncConnection, asked: Asked) -> datetime:
    since: datetime = (await connection.execute(_SINCE, _given(asked))).scalar_one()
    return since
