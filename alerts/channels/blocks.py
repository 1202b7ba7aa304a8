"""A message as Slack's Block Kit: within its limits, and with everything foreign escaped."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from alerts.core.message import (
    AlertLine,
    Message,
    brief,
    facts,
    footer,
    headline,
    layout,
    left_out,
    offered,
    state,
    text,
    title,
)
from alerts.core.vocabulary import Action, Severity
from alerts.core.wording import one_line

Block = dict[str, Any]
Ask = Callable[[AlertLine, Action], str]
"""The value that a button sends back."""

# Slack's limits: 50 blocks a message, 3,000 characters a section, 150 a header, about 13,000 in all.
SECTION, HEADER = 3000, 150
_FULL, _TOTAL = 10, 9000
_BUTTONS = {Action.ACKNOWLEDGE: "Acknowledge", Action.SNOOZE: "Snooze 1 h", Action.RESOLVE: "Resolve"}
_SURE = {
    "title": {"type": "plain_text", "text": "Resolve by hand?"},
    "text": {"type": "plain_text", "text": "The alert is closed. It opens again only after it has been well once."},
    "confirm": {"type": "plain_text", "text": "Resolve"},
    "deny": {"type": "plain_text", "text": "Cancel"},
}
_FIRING = {Severity.INFO: "🔵", Severity.WARNING: "🟠", Severity.CRITICAL: "🔴"}
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def blocks(message: Message, ask: Ask | None = None) -> list[Block]:
    """Heading, alerts (the first ten in full), the count of those left out, and why it was sent.

    `ask`: with it, each alert that is told in full has its buttons.
    """
    plan = layout(message, full=_FULL, size=_TOTAL)
    several = len(message.lines) > 1
    made = [_header(message)]
    for line in plan.full:
        made.append(_section(_full(line, message, heading=several)))
        if ask is not None and (actions := offered(message, line)):
            buttons = [_button(action, ask(line, action)) for action in actions]
            made.append({"type": "actions", "block_id": str(line.alert_id), "elements": buttons})
    made += [_section(page) for page in _pages(escape(brief(line, message.at), 600) for line in plan.brief)]
    if plan.left_out:
        made.append(_section(escape(left_out(message, plan.left_out), SECTION)))
    made.append({"type": "context", "elements": [_mrkdwn(escape(footer(message), SECTION))]})
    return made


def fallback(message: Message) -> str:
    """The message without blocks."""
    return escape(text(message, limit=3000), 12_000)


def escape(given: str, limit: int) -> str:
    """Slack's special characters as entities; at most `limit` characters, no entity cut in two."""
    pieces: list[str] = []
    # Three backticks begin or end a code block.
    for character in given.replace("```", "'''"):
        piece = _ENTITIES.get(character, character)
        limit -= len(piece)
        if limit < 0:
            return "".join(pieces[:-1]) + "…"
        pieces.append(piece)
    return "".join(pieces)


def _full(line: AlertLine, message: Message, *, heading: bool) -> str:
    rows = [f"{_mark(line)} *{escape(f'{state(line)} {headline(line)}', 800)}*"] if heading else []
    error = ""
    for fact in facts(line, message.at):
        if fact.label == "Last message":
            # In a code block nothing is formatted.
            error = f"```{escape(fact.value, 900)}```"
        elif fact.link and fact.label == "Alert":
            rows.append(f"<{escape(fact.value, 2000)}|Open the alert>")
        elif fact.link:
            rows.append(f"*{fact.label}:* <{escape(fact.value, 2000)}>")
        else:
            rows.append(f"*{fact.label}:* {escape(fact.value, 600)}")
    whole = "\n".join([*rows, *([error] if error else [])])
    # Addresses of 2,000 characters are the only way to get here: give up links rather than the alert.
    return whole if len(whole) <= SECTION else escape(f"{headline(line)}\n{line.summary}", 1500)


def _button(action: Action, value: str) -> Block:
    shown = {"type": "plain_text", "text": _BUTTONS[action], "emoji": False}
    button: Block = {"type": "button", "action_id": str(action), "text": shown, "value": value}
    if action is Action.ACKNOWLEDGE:
        button["style"] = "primary"
    if action is Action.RESOLVE:
        button["confirm"] = _SURE
    return button


def _pages(lines: Iterable[str]) -> Iterator[str]:
    page = ""
    for line in lines:
        if page and len(page) + len(line) + 1 > SECTION:
            yield page
            page = ""
        page = f"{page}\n{line}" if page else line
    if page:
        yield page


def _header(message: Message) -> Block:
    mark = f"{_mark(message.ordered[0])} " if message.lines else ""
    shown = one_line(mark + title(message), HEADER)
    return {"type": "header", "text": {"type": "plain_text", "text": shown, "emoji": False}}


def _section(shown: str) -> Block:
    return {"type": "section", "text": _mrkdwn(shown)}


def _mrkdwn(shown: str) -> Block:
    # verbatim: Slack makes no links and mentions of its own out of what agents wrote.
    return {"type": "mrkdwn", "text": shown, "verbatim": True}


def _mark(line: AlertLine) -> str:
    if line.firing:
        return _FIRING[line.severity]
    return "🟢" if line.recovered else "⚪"
