"""Who is told of an episode now, and why: rules' channels and escalations, repeats, and what withholds them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from alerts.audience import Addressee, audience
from alerts.core.describe import describe
from alerts.core.due import Touched, kinds_read
from alerts.core.duration import format_duration
from alerts.core.flapping import CALM, FIRINGS, WITHIN
from alerts.core.grouping import Notice, group_key
from alerts.core.muting import Mute
from alerts.core.policy import Withheld, decide
from alerts.core.rule import Rule
from alerts.core.state import AlertState
from alerts.core.targets import Target
from alerts.core.vocabulary import CloseReason, Reason
from alerts.core.wording import duration
from alerts.directory import Directory
from alerts.episode import Episode, mute_to_json
from alerts.heard import Told
from alerts.outbox import Muted, Telling, TimelineEntry


class Verdicts(msgspec.Struct, frozen=True):
    """What is to be told of one episode, what is withheld and from whom, and new lines for its timeline."""

    tellings: tuple[Telling, ...] = ()
    withheld: tuple[str, ...] = ()
    events: tuple[TimelineEntry, ...] = ()
    muted: tuple[Muted, ...] = ()


def tell_open(
    episode: Episode, rule: Rule, state: AlertState, directory: Directory, *, now: datetime, mute: Mute | None = None
) -> Verdicts:
    """Whom to tell of an open episode: FIRST, REPEAT or ESCALATED for each target, each with its reason.

    `mute` is what withholds all of its messages now; the episode remembers what did before (`Episode.muted`).
    A tenant that is suspended is told nothing; once it is active again, its open alerts are told as new.
    """
    if episode.tenant_id not in directory.active:
        return Verdicts()
    told = {one.key: one for one in episode.told}
    tellings: list[Telling] = []
    withheld: dict[str, dict[str, str]] = {}
    silent: list[Muted] = []
    reads_history = Touched.METRIC in kinds_read(rule.condition)
    settling = directory.settles(episode.tenant_id, episode.triggered_at, reads_history=reads_history, now=now)
    for one in audience(directory, rule, episode, now=now):
        before = told.get((episode.tenant_id, one.target.kind, one.target.address))
        decision = decide(
            now=now,
            firing=True,
            severity=episode.severity,
            repeat=rule.repeat,
            heard=before.heard if before else None,
            reach=one.reach,
            acknowledged=episode.acknowledgement,
            muted_by=mute.by if mute else None,
            unmuted_at=episode.muted.unmuted_at,
            stale_since=state.stale_since,
            settling=settling,
            on_call=one.on_call,
            quiet=one.quiet_until is not None,
        )
        if decision.reason is not None:
            why = "; ".join((_why(episode, rule, state, decision.reason, before, now), *_notes(episode, one)))
            key = _key(episode, directory) if before is None else None
            tellings.append(_telling(episode, one.target, decision.reason, before, why, key=key))
        elif decision.withheld_by is not None:
            silent.append(Muted(episode.tenant_id, one.target, episode.id))
            details = _details(decision.withheld_by, decision.withheld, one, mute)
            withheld[_said(details)] = details
    return Verdicts(tuple(tellings), tuple(withheld), _new(episode, withheld), tuple(silent))


def tell_closed(episode: Episode, *, now: datetime) -> tuple[Telling, ...]:
    """The resolve, for whoever heard that it fires and nobody else."""
    recovered = episode.reason == CloseReason.RECOVERED
    why = "the condition no longer holds" if recovered else f"the alert was closed: {episode.reason}"
    return tuple(
        _telling(episode, one.target, Reason.RESOLVED, one, why)
        for one in episode.told
        if decide(now=now, firing=False, severity=episode.severity, repeat=_NEVER, heard=one.heard).reason
    )


_NEVER = timedelta.max


def _details(by: Withheld, reason: Reason | None, one: Addressee, mute: Mute | None) -> dict[str, str]:
    """What a timeline says of a message that is withheld: by what, and until when if that is known."""
    quiet_until = one.quiet_until if by is Withheld.QUIET_HOURS else None
    return mute_to_json(mute or Mute(by, until=quiet_until)) | {
        "reason": str(reason),
        "channel": str(one.target.kind),
        "target": one.target.address,
    }


def _said(details: Mapping[str, str]) -> str:
    """What tells what is withheld apart: each is told once in the timeline."""
    said = (details["by"], details.get("source", ""), details["reason"])
    return " ".join((*said, details["channel"], details["target"]))


def _new(episode: Episode, withheld: Mapping[str, dict[str, str]]) -> tuple[TimelineEntry, ...]:
    """Timeline entries of what was not withheld at the tick before."""
    known = episode.details.get("withheld", ())
    return tuple(
        TimelineEntry(episode.tenant_id, episode.id, "withheld", details)
        for said, details in withheld.items()
        if said not in known
    )


def _notes(episode: Episode, one: Addressee) -> tuple[str, ...]:
    """What there is to say of how it reaches somebody, and of quiet hours that withheld it at the tick before."""
    withheld = episode.details.get("withheld", ())
    there = f" {one.target.kind} {one.target.address}"
    quiet = any(said.startswith(Withheld.QUIET_HOURS) and said.endswith(there) for said in withheld)
    return (*one.notes, "the quiet hours are over") if quiet else one.notes


def _key(episode: Episode, directory: Directory) -> str | None:
    """The group that it joins; None where the tenant asks for none."""
    settings = directory.settings.get(episode.tenant_id)
    if settings is None or settings.group is None:
        return None
    return group_key(settings.group.by, rule=episode.rule, agent=str(episode.agent_id or ""), labels=episode.labels)


def _telling(
    episode: Episode, target: Target, reason: Reason, before: Told | None, why: str, *, key: str | None = None
) -> Telling:
    tenant_id: UUID = before.tenant_id if before else episode.tenant_id
    notice = Notice(
        tenant_id=tenant_id,
        # What follows an earlier message goes the way of its group, which knows the secret.
        target=before.target if before else target,
        alert_id=episode.id,
        reason=reason,
        severity=episode.severity,
        group_id=before.group_id if before else None,
        key=key,
    )
    return Telling(notice, home=episode.tenant_id, why=why, after=before.last if before else None)


def _why(episode: Episode, rule: Rule, state: AlertState, reason: Reason, before: Told | None, now: datetime) -> str:
    muted = episode.muted
    unmuted = muted.unmuted_at is not None and (before is None or before.at < muted.unmuted_at)
    match reason:
        case _ if unmuted and reason is not Reason.ESCALATED:
            return f"the {muted.ended} that withheld its messages is over, and it is still firing"
        case Reason.REPEAT:
            return f"it is still firing; repeated every {format_duration(rule.repeat)} until it is handled"
        case Reason.ESCALATED:
            return f"nobody has acknowledged it for {duration(now - episode.triggered_at)}"
        case _ if state.flaps.hold(now):
            often = f"it fired {FIRINGS} times within {format_duration(WITHIN)}"
            return f"it is flapping: {often}; until nothing changes for {format_duration(CALM)} no more is said of it"
        case _ if state.reopened:
            return "it was resolved by hand and is still breached, so it is open again"
        case _ if "said_by" in episode.details:
            return f"{episode.details['said_by']} reports it"
        case _:
            held = rule.timing.hold_for
            holding = f", and has for {format_duration(held)}" if held else ""
            return f"the rule's condition holds{holding}: {describe(rule.condition)}"
