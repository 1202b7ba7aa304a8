"""Addresses that are secrets themselves, because who knows one can send there: what they look like, how they are shown.

What is shown has the kind of address, its host where it has one, and a digest: enough to tell two of them apart. It
takes the address' place in answers, timelines, messages and logs.
"""

import hashlib
import re
from urllib.parse import urlsplit

from alerts.core.vocabulary import ChannelKind

_COVERED = re.compile(r"(?:[a-z0-9+.-]+://)?[^\s/@]*…#[0-9a-f]{12}")
_KEY = re.compile(r"[A-Za-z0-9]{32}")
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

_SCHEMES = {
    ChannelKind.TEAMS: ("https", "workflow", "workflows"),
    ChannelKind.DISCORD: ("https", "discord"),
    ChannelKind.TELEGRAM: ("tgram",),
    ChannelKind.NTFY: ("https", "ntfy", "ntfys"),
}


def is_secret_address(kind: ChannelKind, given: str) -> bool:
    """Whether a text can be an address of this kind, whose addresses are secrets."""
    if kind not in EXAMPLES or not given.isprintable() or is_covered(given):
        return False
    if kind is ChannelKind.PAGERDUTY:
        return _KEY.fullmatch(given) is not None
    matched = _SCHEME.fullmatch(given)
    return matched is not None and matched[1].lower() in _SCHEMES.get(kind, (matched[1].lower(),))


def cover(given: str) -> str:
    """What is shown of a secret address: `https://discord.com…#1f0e3dad9990`, `tgram://…#…`, `…#…` for a key.

    Only an https URL shows its host: in others a token may stand in that place.
    """
    digest = hashlib.sha256(given.encode()).hexdigest()[:12]
    scheme, separator, _ = given.partition("://")
    host = (urlsplit(given).hostname or "") if scheme.lower() == "https" else ""
    return f"{scheme.lower() + separator if separator else ''}{host}…#{digest}"


def is_covered(given: str) -> bool:
    """Whether a text is what `cover` makes."""
    return _COVERED.fullmatch(given) is not None
