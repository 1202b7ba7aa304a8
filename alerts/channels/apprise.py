"""Teams, Discord, Telegram, ntfy and whatever else Apprise knows: one adapter, so that a channel is configuration."""

import asyncio
import re
from collections.abc import Callable, Iterable
from html import escape

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, NotifyType, OverflowMode

from alerts.channels.answers import TIMEOUT
from alerts.core.condition import ConditionError
from alerts.core.covering import EXAMPLES
from alerts.core.message import Message, Reference, brief, footer, left_out, text, title
from alerts.core.targets import Target
from alerts.core.vocabulary import ChannelKind, Severity
from alerts.core.wording import is_link
from monitor.errors import ChannelError
from monitor.http.blocking import guarded
from monitor.http.outbound import NOTHING, Allowed

KINDS = tuple(kind for kind in EXAMPLES if kind is not ChannelKind.PAGERDUTY)
"""The kinds that this adapter sends. Apprise's PagerDuty cannot acknowledge, nor say when to come back."""

_CONNECT = 10.0
_SCHEMES = {
    ChannelKind.TEAMS: "workflow",
    ChannelKind.DISCORD: "discord",
    ChannelKind.TELEGRAM: "tgram",
    ChannelKind.NTFY: "ntfy",
}
# What acts on this machine, or reads files that its URL names.
_NOT_HERE = frozenset(
    ["dbus", "kde", "qt", "glib", "gnome", "macosx", "windows", "syslog", "blink1", "fcm", "vapid", "deltachat"]
)
_FILES = re.compile(r"[?&](?:template|attach|attachment|keyfile|subfile|pgpkey|pem)=", re.IGNORECASE)
_STATUS = re.compile(r"\berror=(\d{3})")
_PASSING = frozenset([408, 425, 429])
# What these services would read as a call to everybody, out of what an agent wrote.
_CALLS = re.compile(r"@(?=everyone|here)|<(?=[@!#]|/?at>)")
_NOTES = {Severity.CRITICAL: NotifyType.FAILURE, Severity.WARNING: NotifyType.WARNING, Severity.INFO: NotifyType.INFO}


class AppriseChannel:
    """The target is what is shown of an address; the address itself is the message's secret."""

    def __init__(self, kind: ChannelKind, public_url: str, *, allowed: Allowed = NOTHING) -> None:
        """One of KINDS. `public_url` is named as where messages come from; `allowed`: what is not public."""
        self.kind = kind
        self._public_url = public_url
        self._allowed = allowed

    async def send(self, target: str, message: Message, previous: Reference | None) -> Reference:
        """Send it as text. Nothing finds it again: {}.

        Apprise says no more of an answer than its status, so nothing is known of when to come back.
        """
        if message.secret is None:
            raise ChannelError("the address itself is not known any more", permanent=True)
        asset = AppriseAsset(
            app_id="Agent Monitor", app_url=self._public_url, http_redirects=False, service_timeout=2 * TIMEOUT
        )
        asset.image_url_mask = asset.image_url_logo = ""
        service = await asyncio.to_thread(_open, self.kind, message.secret, asset)
        if service is None:
            raise ChannelError(f"the address is none of {self.kind}'s", permanent=True)
        sender = Apprise(service, asset=asset)
        form = service.resolve_format(NotifyFormat.TEXT)
        head, body = _written(message, service.body_maxlen, _FORMS[form])
        with guarded(self._allowed) as guard:
            result = await sender.async_notify(body=body, title=head, notify_type=_note(message), body_format=form)
        if not result:
            said = " ".join(entry.message for one in result for attempt in one for entry in attempt)
            raise _failure(self.kind, said, refused=guard.refused)
        return {}

    async def close(self) -> None:
        """Nothing is kept open."""


async def check_services(targets: Iterable[Target]) -> None:
    """Raise ConditionError for an address that Apprise cannot read, or that must not be used here."""
    for target in targets:
        if target.kind in KINDS and target.secret is not None:
            usable = await asyncio.to_thread(_open, target.kind, target.secret, AppriseAsset())
            if usable is None:
                raise ConditionError(f"channels.{target.kind}", f"must be {EXAMPLES[target.kind]}")


def _open(kind: ChannelKind, url: str, asset: AppriseAsset) -> NotifyBase | None:
    """Apprise's service for an address; None for none. Not on the event loop: the first call loads all of them."""
    service = Apprise.instantiate(_url(kind, url), asset=asset)
    if not isinstance(service, NotifyBase) or _FILES.search(url):
        return None
    scheme = service.schema
    if scheme in _NOT_HERE or not scheme.startswith(_SCHEMES.get(kind, "")):
        return None
    # What a URL may say of these would hold up others, or lead the message elsewhere.
    service.socket_connect_timeout, service.socket_read_timeout = _CONNECT, TIMEOUT
    service.retry, service.wait, service.optional, service.redirects = 0, 0.0, False, False
    service.overflow_mode = OverflowMode.TRUNCATE
    return service


def _url(kind: ChannelKind, url: str) -> str:
    """Apprise reads the https URL of ntfy.sh only; others may run ntfy as well."""
    if kind is ChannelKind.NTFY and url.lower().startswith("https://"):
        return f"ntfys://{url[8:]}"
    return url


def _written(message: Message, body_limit: int, form: Callable[[str], str]) -> tuple[str, str]:
    """Title and text: in full where that fits, else a line for each alert, and the count of those left out."""

    def made(given: str) -> str:
        return form(_CALLS.sub(lambda call: f"{call[0]}\N{WORD JOINER}", given))

    head = made(title(message))
    # Some services have the title in the text, with tags around it and a reserve of Apprise's.
    limit = body_limit - len(head) - 150
    whole = made(text(message, limit=limit).partition("\n\n")[2].strip())
    if len(whole) <= limit:
        return head, whole
    ending = f"{message.list_url}\n{footer(message)}"
    room = limit - len(made(ending)) - len(made(left_out(message, len(message.lines)))) - 10
    rows: list[str] = []
    for line in message.ordered:
        row = brief(line, message.at)
        room -= len(made(f"{row}\n"))
        if room < 0:
            break
        rows.append(row)
    more = max(message.firing + message.resolved, len(message.lines)) - len(rows)
    counted = [left_out(message, more)] if more else []
    return head, made("\n".join([*rows, *counted, ending]))


def _as_html(given: str) -> str:
    return escape(given, quote=False).replace("\n", "<br/>")


def _as_markdown(given: str) -> str:
    """Nothing in it means anything, and web addresses stay whole."""
    parts = _SPACES.split(given)
    plain = "".join(part if is_link(part) else _MARKS.sub(r"\\\g<0>", part) for part in parts)
    return "\n\n".join(line.lstrip() for line in plain.split("\n") if line)


_SPACES = re.compile(r"(\s+)")
_MARKS = re.compile(r"[\\`*_{}\[\]<>()#+!|~]")
_FORMS: dict[NotifyFormat, Callable[[str], str]] = {
    NotifyFormat.TEXT: str,
    NotifyFormat.HTML: _as_html,
    NotifyFormat.MARKDOWN: _as_markdown,
}


def _note(message: Message) -> NotifyType:
    firing = [line for line in message.ordered if line.firing]
    return _NOTES[firing[0].severity] if firing else NotifyType.SUCCESS


def _failure(kind: ChannelKind, said: str, *, refused: OSError | None) -> ChannelError:
    """Apprise tells in its log what went wrong; of that only the status is repeated: the rest may name the address."""
    if refused is not None:
        return ChannelError(f"{kind} is not called: {refused}", permanent=True)
    status = _STATUS.search(said)
    if status is None:
        return ChannelError(f"{kind} cannot be reached")
    code = int(status[1])
    return ChannelError(f"{kind} answered {code}", permanent=code < 500 and code not in _PASSING)
