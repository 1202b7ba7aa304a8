"""Addresses that are secrets themselves, because who knows one can send there: what they look like, how they are shown.

All of some kinds are; of Slack and of webhooks, URLs that have more than a host. What is shown has the kind of address,
its host where it has one, and a digest: enough to tell two of them apart. It takes the address' place in answers,
timelines, messages and logs.
"""

import hashlib
import re
from urllib.parse import urlsplit

from alerts.core.vocabulary import ChannelKind

_COVERED = re.compile(r"(?:[a-z0-9+.-]+://)?[^\s/@]*…#[0-9a-f]{12}")
_KEY = re.compile(r"[A-Za-z0-9]{32}")
_WEB = re.compile(r"https?://")
_BARE = re.compile(r"https?://[^\s/?#@]+/?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,40})://[^\s/?#]+.*")

EXAMPLES = {
    ChannelKind.PAGERDUTY: "the integration key of an Events API v2 integration, 32 letters and digits",
    ChannelKind.TEAMS: "the https URL of a Teams workflow, or workflows://host/workflow/signature",
    ChannelKind.DISCORD: "https://discord.com/api/webhooks/id/token, or discord://id/token",
    ChannelKind.TELEGRAM: "tgram://bot-token/chat-id",
    ChannelKind.NTFY: "https://host/topic, ntfys://host/topic or ntfy://host/topic",
    ChannelKind.APPRISE: "a URL of Apprise such as gotifys://host/token",
}
"""The kinds whose addresses are secrets, and what an address of each looks like."""

_URLS = (ChannelKind.SLACK, ChannelKind.WEBHOOK)
"""The kinds whose addresses are secrets where they are URLs with a path, a query or a user."""

_SCHEMES = {
    ChannelKind.TEAMS: ("https", "workflow", "workflows"),
    ChannelKind.DISCORD: ("https", "discord"),
    ChannelKind.TELEGRAM: ("tgram",),
    ChannelKind.NTFY: ("https", "ntfy", "ntfys"),
}


def is_secret_address(kind: ChannelKind, given: str) -> bool:
    """Whether a text can be an address of this kind, whose addresses are secrets."""
    if not given.isprintable() or is_covered(given) or not _splits(given):
        return False
    if kind in _URLS:
        return _WEB.match(given) is not None and _BARE.fullmatch(given) is None
    if kind not in EXAMPLES:
        return False
    if kind is ChannelKind.PAGERDUTY:
        return _KEY.fullmatch(given) is not None
    matched = _SCHEME.fullmatch(given)
    return matched is not None and matched[1].lower() in _SCHEMES.get(kind, (matched[1].lower(),))


def cover(given: str) -> str:
    """What is shown of a secret address: `https://discord.com…#1f0e3dad9990`, `tgram://…#…`, `…#…` for a key.

    Only a web address shows its host: in others a token may stand in that place.
    """
    digest = hashlib.sha256(given.encode()).hexdigest()[:12]
    scheme, separator, _ = given.partition("://")
    host = (urlsplit(given).hostname or "") if scheme.lower() in ("http", "https") else ""
    return f"{scheme.lower() + separator if separator else ''}{host}…#{digest}"


def seal(url: str, signing: str | None) -> str:
    """What is stored of a webhook that is shown covered: its URL, and below it what signs, if anything does."""
    return url if signing is None else f"{url}\n{signing}"


def unseal(shown: str, secret: str | None) -> tuple[str, str | None]:
    """The address that is shown so, and what signs what goes there, from what is stored with it."""
    if secret is None or not is_covered(shown):
        return shown, secret
    address, _, signing = secret.partition("\n")
    return address, signing or None


def hide(url: str, said: str) -> str:
    """What somebody answered, without the parts of a secret URL that it may repeat."""
    parts = urlsplit(url)
    asked = f"{parts.path}?{parts.query}" if parts.query else parts.path
    for secret in (url, asked, parts.path, parts.query):
        said = said.replace(secret, "…") if len(secret) > 1 else said
    return said


def is_covered(given: str) -> bool:
    """Whether a text is what `cover` makes."""
    return _COVERED.fullmatch(given) is not None


def _splits(given: str) -> bool:
    """Whether a text has parts as URLs have them: brackets hold an IPv6 address, and no letter poses as a separator."""
    try:
        urlsplit(given)
    except ValueError:
        return False
    return True
