"""Where a rule's messages go: addresses of each channel kind, and channels that the tenant has named."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from alerts.core.condition import ConditionError
from alerts.core.covering import EXAMPLES, cover, is_covered, is_secret_address, seal, unseal
from alerts.core.fields import Fields, check_list, check_text
from alerts.core.leaf_json import Json
from alerts.core.vocabulary import ChannelKind

TARGETS_AT_MOST = 50

# One address without a display name: no white space, brackets, commas or second @ (they could smuggle headers
# or further recipients into a message).
_EMAIL = re.compile(r"[^\s@<>,;:\"\\()\[\]]{1,64}@[^\s@<>,;:\"\\()\[\]]{1,255}")
_SLACK_NAME = re.compile(r"#[^\s#@,]{1,80}")
_SLACK_ID = re.compile(r"[CDGU][A-Z0-9]{6,20}")


@dataclass(frozen=True, slots=True)
class Target:
    """One address of one channel kind. `secret` signs what goes to a webhook.

    Where the address is a secret itself, it is `secret` (as `seal` has it), and `address` what is shown of it.
    """

    kind: ChannelKind
    address: str
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Channels:
    """The targets that a rule names itself, the tenant's channels that it names, and on-call schedules; all may be
    empty."""

    targets: tuple[Target, ...] = ()
    named: tuple[str, ...] = ()
    on_call: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anybody is addressed at all; if not, the tenant's fallback channel is."""
        return bool(self.targets or self.named or self.on_call)


NOBODY = Channels()


def target_of(kind: ChannelKind, address: str, signing: str | None = None) -> Target:
    """The target with this address, covered where it is a secret; `signing`: what signs what goes there."""
    if is_secret_address(kind, address):
        return Target(kind, cover(address), seal(address, signing))
    return Target(kind, address, signing)


def parse_channels(raw: object, path: str = "channels", *, shown: bool = False) -> Channels:
    """Channels from `{"email": …, "slack": …, "pagerduty": …, "channel": …, "on_call": …}`; raises ConditionError.

    `shown`: what is shown of a secret address may stand for it; nothing can be sent there.
    """
    fields = Fields(raw, path)
    fields.allow((*ChannelKind, "channel", "on_call"))
    targets: list[Target] = []
    for kind in ChannelKind:
        targets += [_target(kind, entry, at, shown=shown) for entry, at in _entries(fields, kind)]
    named = [check_text(entry, at, at_most=200) for entry, at in _entries(fields, "channel")]
    on_call = [check_text(entry, at, at_most=200) for entry, at in _entries(fields, "on_call")]
    return Channels(tuple(dict.fromkeys(targets)), tuple(dict.fromkeys(named)), tuple(dict.fromkeys(on_call)))


def channels_to_json(channels: Channels) -> dict[str, Json]:
    """The JSON of channels, secrets included: for the store, not for an answer."""
    value: dict[str, Json] = {}
    for kind in ChannelKind:
        targets = [target for target in channels.targets if target.kind is kind]
        if targets:
            value[kind] = [_target_json(target) for target in targets]
    if channels.named:
        value["channel"] = list(channels.named)
    if channels.on_call:
        value["on_call"] = list(channels.on_call)
    return value


def _entries(fields: Fields, name: str) -> Sequence[tuple[object, str]]:
    if not fields.has(name):
        return ()
    raw, path = fields.raw[name], fields.at(name)
    if isinstance(raw, list | tuple):
        entries = check_list(raw, path, at_most=TARGETS_AT_MOST)
        return [(entry, f"{path}[{index}]") for index, entry in enumerate(entries)]
    return [(raw, path)]


def _email(raw: object, path: str) -> Target:
    address = check_text(raw, path, at_most=320).strip()
    if not _EMAIL.fullmatch(address):
        raise ConditionError(path, "must be an email address such as user@example.com")
    return Target(ChannelKind.EMAIL, address)


def _slack(raw: object, path: str) -> Target:
    address = check_text(raw, path, at_most=2000).strip()
    if not (_SLACK_NAME.fullmatch(address) or _SLACK_ID.fullmatch(address) or _is_url(address)):
        raise ConditionError(path, "must be #channel, a channel id such as C0123456789, or an incoming-webhook URL")
    return target_of(ChannelKind.SLACK, address)


def _webhook(raw: object, path: str) -> Target:
    if isinstance(raw, str):
        return target_of(ChannelKind.WEBHOOK, _url(raw, path))
    fields = Fields(raw, path)
    fields.allow(("url", "secret"))
    url = _url(fields.require("url"), fields.at("url"))
    return target_of(ChannelKind.WEBHOOK, url, fields.text("secret", at_most=1000) if fields.has("secret") else None)


def _target(kind: ChannelKind, raw: object, path: str, *, shown: bool) -> Target:
    given = raw.get("url") if isinstance(raw, Mapping) else raw
    if isinstance(given, str) and is_covered(given.strip()):
        if shown:
            return Target(kind, given.strip())
        raise ConditionError(path, "is only what is shown of an address: send the address itself")
    if kind in EXAMPLES:
        return _secret_address(kind, raw, path)
    return _PARSERS[kind](raw, path)


def _secret_address(kind: ChannelKind, raw: object, path: str) -> Target:
    given = check_text(raw, path, at_most=2000).strip()
    if not is_secret_address(kind, given):
        raise ConditionError(path, f"must be {EXAMPLES[kind]}")
    return target_of(kind, given)


_PARSERS: dict[ChannelKind, Callable[[object, str], Target]] = {
    ChannelKind.EMAIL: _email,
    ChannelKind.SLACK: _slack,
    ChannelKind.WEBHOOK: _webhook,
}


def _target_json(target: Target) -> Json:
    address, signing = unseal(target.address, target.secret)
    return address if signing is None else {"url": address, "secret": signing}


def _url(raw: object, path: str) -> str:
    url = check_text(raw, path, at_most=2000).strip()
    if not _is_url(url):
        raise ConditionError(path, "must be a URL that starts with http:// or https://")
    return url


def _is_url(text: str) -> bool:
    if any(character.isspace() or not character.isprintable() for character in text):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
