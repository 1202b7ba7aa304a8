"""Whom an open alert addresses now: the channels of its rule or of a route, the steps of its escalation. Pure."""

from collections import defaultdict
from datetime import datetime, timedelta

import msgspec

from alerts.core.policy import Reach, recipients
from alerts.core.rule import Rule
from alerts.core.targets import Target
from alerts.core.vocabulary import ChannelKind
from alerts.directory import Address, Directory
from alerts.episode import Episode


class Addressee(msgspec.Struct, frozen=True):
    """One address and how the alert reaches it.

    `on_call`: only as whoever is on call. `notes`: what there is to say of that; `quiet_until`: when the quiet hours
    end that whoever is there has now.
    """

    target: Target
    reach: Reach
    on_call: bool = False
    notes: tuple[str, ...] = ()
    quiet_until: datetime | None = None


def audience(directory: Directory, rule: Rule, episode: Episode, *, now: datetime) -> list[Addressee]:
    """Everybody whom an open alert addresses, each address once.

    Who is on call, and how they want to be reached, is asked anew at every message.
    """
    known, tenant_id, opened_at = directory.at(now), episode.tenant_id, episode.triggered_at
    channels = rule.channels or known.route(tenant_id, _labels(episode))
    ways = [(one.after, one) for one in known.addresses(tenant_id, channels)]
    for step in known.steps(tenant_id, rule):
        ways += [(step.after + one.after, one) for one in known.addresses(tenant_id, step.channels)]
    taken: dict[tuple[ChannelKind, str], list[Address]] = defaultdict(list)
    for after, one in ways:
        if opened_at + after <= now:
            taken[one.target.kind, one.target.address].append(one)
    reached = recipients(
        [(one.target.kind, one.target.address) for after, one in ways if not after],
        [(after, [(one.target.kind, one.target.address)]) for after, one in ways if after],
        opened_at=opened_at,
        now=now,
    )
    return [
        Addressee(
            there[0].target,
            reached[key],
            on_call=all(one.on_call for one in there),
            notes=tuple(dict.fromkeys(one.note for one in there if one.note)),
            quiet_until=known.quiet_until(tenant_id, there[0].target),
        )
        for key, there in taken.items()
    ]


def changes(directory: Directory, rule: Rule, episode: Episode, *, now: datetime) -> list[datetime]:
    """Times after `now` at which others may have to be told of an open alert, whatever is read until then.

    That is when a step or a contact comes due, when somebody else is on call, and when quiet hours end. The next
    after those is known at the earliest of them.
    """
    known, tenant_id, opened_at = directory.at(now), episode.tenant_id, episode.triggered_at
    channels = [(timedelta(0), rule.channels or known.route(tenant_id, _labels(episode)))]
    channels += [(step.after, step.channels) for step in known.steps(tenant_id, rule)]
    times = []
    for after, each in channels:
        found = known.addresses(tenant_id, each)
        times += [opened_at + after + one.after for one in found]
        times += [end for one in found if (end := known.quiet_until(tenant_id, one.target)) is not None]
        times += [known.hand_over(tenant_id, name) for name in each.on_call]
    return [at for at in times if at > now]


def _labels(episode: Episode) -> dict[str, str]:
    """What routes go by: the alert's own labels and those of its rule."""
    return {**episode.labels, "rule": episode.rule, "severity": str(episode.severity)}
