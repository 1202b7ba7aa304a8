"""The HTML half of a mail: one page with everything inside, nothing loaded from elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from alerts.channels.links import Link, Links, note
from alerts.core.message import AlertLine, Fact, Message, brief, facts, footer, headline, layout, state, title
from alerts.core.vocabulary import Severity
from alerts.core.wording import address, is_link

_FIRING = {Severity.INFO: "#2563eb", Severity.WARNING: "#d97706", Severity.CRITICAL: "#dc2626"}
_RECOVERED, _CLOSED = "#16a34a", "#6b7280"

# Gmail cuts mails of more than 102 kB; markup more than doubles the text, and a link takes as much as so much of it.
_SIZE, _LINK = 36_000, 450


@dataclass(frozen=True, slots=True)
class _Section:
    state: str
    headline: str
    colour: str
    facts: tuple[Fact, ...]
    links: tuple[Link, ...]


class Page:
    """Renders messages with the packaged template."""

    def __init__(self) -> None:
        """Everything put into the page is escaped; a misspelt name in the template is an error."""
        folder = Path(__file__).with_name("templates")
        environment = Environment(
            loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._template = environment.get_template("email.html")

    def render(self, message: Message, links: Links = MappingProxyType({})) -> str:
        """The whole page, with the links of the one who reads it."""
        plan = layout(message, size=_SIZE - _LINK * sum(map(len, links.values())))
        sections = [
            _Section(
                state(line),
                headline(line),
                colour(line),
                tuple(facts(line, message.at)),
                links.get(line.alert_id, ()),
            )
            for line in plan.full
        ]
        return self._template.render(
            title=title(message),
            colour=sections[0].colour if sections else _CLOSED,
            several=len(message.lines) > 1,
            full=sections,
            brief=[brief(line, message.at) for line in plan.brief],
            left_out=plan.left_out,
            list_url=address(message.list_url) if is_link(message.list_url) else "",
            footer=footer(message),
            note=note(message) if links else "",
        )


def colour(line: AlertLine) -> str:
    """By severity while it fires, green when it recovered, grey when it was closed for another reason."""
    if line.firing:
        return _FIRING[line.severity]
    return _RECOVERED if line.recovered else _CLOSED
