"""The links of a mail: what each of its recipients may do about each alert, with one click and one confirmation."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from alerts.core.message import Message, headline, layout, offered
from alerts.core.vocabulary import Action, ChannelKind
from alerts.core.wording import moment
from alerts.offers import LINK_LASTS, Offer, Offers

AT_MOST = 10
"""So many alerts of a mail have links; the others are answered where they are listed."""

_LABELS = {Action.ACKNOWLEDGE: "Acknowledge", Action.SNOOZE: "Snooze for 1 h", Action.RESOLVE: "Resolve"}


@dataclass(frozen=True, slots=True)
class Link:
    """One of them. `first`: what one usually wants."""

    label: str
    url: str
    first: bool


Links = Mapping[UUID, tuple[Link, ...]]
"""By the alert's id; alerts that nothing can be done about are not in it."""


def links_for(reader: str, message: Message, offers: Offers) -> Links:
    """The links in the copy of a mail that goes to one address."""
    found = {}
    for line in layout(message, full=AT_MOST, size=1 << 30).full:
        actions = offered(message, line)
        if actions and message.tenant_id is not None:
            tenant, until = message.tenant_id, message.at + LINK_LASTS
            found[line.alert_id] = tuple(
                Link(
                    _LABELS[action],
                    offers.link(Offer(tenant, line.alert_id, action, ChannelKind.EMAIL, reader, until)),
                    action is actions[0],
                )
                for action in actions
            )
    return found


def as_text(message: Message, links: Links) -> str:
    """The links for the plain half of a mail; nothing where there are none."""
    if not links:
        return ""
    parts = [f"{note(message)}:"]
    for line in message.ordered:
        if line.alert_id in links:
            heading = [headline(line)] if len(message.lines) > 1 else []
            parts.append("\n".join([*heading, *(f"{one.label}:\n{one.url}" for one in links[line.alert_id])]))
    return "\n" + "\n\n".join(parts) + "\n"


def note(message: Message) -> str:
    """What to know about the links."""
    return f"Each link asks before it does anything, works once, and until {moment(message.at + LINK_LASTS)}"
