"""Texts without what nobody may keep: keys, addresses, card and telephone numbers, and a tenant's own patterns. Pure.

Everything is searched by RE2, which takes time in proportion to the text whatever the pattern is: a sender's text and a
tenant's pattern cannot hold the process up. Look-around and back-references are what it does without.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import re2

from monitor.errors import InvalidInput

PATTERNS_LIMIT = 20
PATTERN_LENGTH = 300
PROGRAM_LIMIT = 2_000
"""Instructions of a compiled pattern: with the length of the text, what a search costs at most."""
DEPTH_LIMIT = 100


class Category(StrEnum):
    """What is known to the product and can be switched on by name."""

    KEYS = "keys"
    EMAILS = "emails"
    CARDS = "cards"
    PHONES = "phones"


@dataclass(frozen=True, slots=True)
class OwnPattern:
    """A tenant's own pattern, in RE2's syntax. What it matches becomes `[redacted <name>]`."""

    name: str
    pattern: str


_KEYS = "|".join(
    (
        r"\bsk-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, OpenRouter, DeepSeek
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b",  # AWS
        r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{22,}|\bgl(?:pat|ptt|rt|dt)-[\w-]{20,}",  # GitHub, GitLab
        r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/[\w/]{20,}",  # Slack
        r"\bAIza[\w-]{30,}|\bya29\.[\w.-]{20,}|\bGOCSPX-[\w-]{20,}",  # Google
        r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,}|\bwhsec_[0-9A-Za-z+/=]{16,}",  # Stripe
        r"\bhf_[A-Za-z0-9]{30,}|\bgsk_[A-Za-z0-9]{30,}|\bxai-[A-Za-z0-9]{30,}|\br8_[A-Za-z0-9]{30,}|\bpplx-\w{30,}",
        r"\bnpm_[A-Za-z0-9]{36}|\bpypi-[\w-]{30,}|\bdop_v1_[0-9a-f]{40,}|\bSG\.[\w-]{16,}\.[\w-]{16,}",
        r"\blin_api_\w{30,}|\bntn_\w{30,}|\bdapi[0-9a-f]{32}|\bhvs\.[\w-]{20,}|\bsbp_[0-9a-f]{40}",
        r"\bam_[a-z0-9]{8}_[\w-]{43}",  # our own
        r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}",  # JSON web tokens
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
        r"(?i:\b(?:bearer|basic))\s+[A-Za-z0-9._~+/=-]{16,}",
        r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@]+@",  # a password in an address
        r"(?i:\b[\w-]*(?:api[_-]?key|secret|token|passw(?:or)?d|passwd|pwd))[\"']?\s*[:=]\s*[\"']?[^\s\"',;&]{6,}",
    )
)
_EMAIL = r"[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"
_CARD = r"\b(?:[2-6]\d{12,18}|[2-6]\d{3}[ -]\d{4}[ -]\d{4}[ -]\d{4}|3\d{3}[ -]\d{6}[ -]\d{5})\b"
_PHONE = r"\+\d{1,3}(?:[ ./-]?\(?\d{1,4}\)?){2,6}\b|\(\d{3}\)\s?\d{3}[ .-]\d{4}\b|\b\d{3}[.-]\d{3}[.-]\d{4}\b"
# A value with such a name is a secret, whatever it looks like. Only the last part of a dotted name counts.
_SECRET_NAMES = re2.compile(
    r"(?:.*[._])?(?:passw(?:or)?d|passwd|pwd|(?:client|app)?_?secret|(?:x[_-])?api[_-]?key|(?:access|secret|private)_?key"
    r"|(?:(?:access|refresh|id|auth|bearer)_?)?token|(?:proxy-)?authorization|(?:set-)?cookie)"
)


@dataclass(frozen=True, slots=True)
class _Rule:
    label: str
    pattern: Any
    # What every match has in it: looking for that costs next to nothing.
    needs: str = ""
    judge: Callable[[str], bool] | None = None

    def apply(self, text: str) -> str:
        if self.needs not in text:
            return text
        if self.judge is None:
            return str(self.pattern.sub(lambda _: self.label, text))
        judge = self.judge
        return str(self.pattern.sub(lambda found: self.label if judge(found[0]) else found[0], text))


def is_card(number: str) -> bool:
    """Whether it has a card number's length and check digit (ISO/IEC 7812-1, annex B; Luhn, US patent 2,950,048)."""
    digits = [int(one) for one in number if one.isdigit()]
    if not 13 <= len(digits) <= 19:
        return False
    doubled = (2 * digit - 9 if digit > 4 else 2 * digit for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_phone(number: str) -> bool:
    # E.164 has at most 15 digits; fewer than 8 are something else.
    return 8 <= sum(one.isdigit() for one in number) <= 15


def _compiled(pattern: str, *, memory: int = 8 << 20) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = memory
    return re2.compile(pattern, options)


def checked(own: OwnPattern, path: str) -> Any:
    """The compiled pattern. Raises InvalidInput with `path` for one that RE2 does not read, that matches nothing at
    all (and so everywhere), or that costs too much."""
    if len(own.pattern) > PATTERN_LENGTH:
        raise InvalidInput(f"at most {PATTERN_LENGTH} characters are expected", path=path)
    try:
        compiled = _compiled(own.pattern, memory=1 << 20)
    except re2.error as fault:
        said = fault.args[0] if fault.args else ""
        reason = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise InvalidInput(f"not a pattern as RE2 has them: {reason}", path=path) from None
    if compiled.programsize > PROGRAM_LIMIT:
        raise InvalidInput("too large a pattern: its repetitions come to too much", path=path)
    if compiled.search("") is not None or compiled.fullmatch(" ") is not None:
        raise InvalidInput("it matches text with nothing in it", path=path)
    return compiled


class Redactor:
    """The rules of one tenant, ready to be applied."""

    def __init__(self, categories: Iterable[Category], own: Sequence[OwnPattern] = ()) -> None:
        """Raises InvalidInput for a pattern of their own that cannot be."""
        self._secrets = Category.KEYS in (wanted := set(categories))
        rules = {
            Category.KEYS: _Rule("[redacted key]", _compiled(_KEYS)),
            Category.EMAILS: _Rule("[redacted email]", _compiled(_EMAIL), needs="@"),
            Category.CARDS: _Rule("[redacted card]", _compiled(_CARD), judge=is_card),
            Category.PHONES: _Rule("[redacted phone]", _compiled(_PHONE), judge=_is_phone),
        }
        self._rules = [rules[category] for category in Category if category in wanted]
        self._rules += [
            _Rule(f"[redacted {one.name}]", checked(one, f"patterns.{index}.pattern")) for index, one in enumerate(own)
        ]
        # Most texts hold nothing: one search says so.
        self._any = _compiled("|".join(f"(?:{rule.pattern.pattern})" for rule in self._rules))
        self._name = functools.lru_cache(maxsize=10_000)(self.text)

    def text(self, text: str) -> str:
        """The text with a label in the place of each match."""
        if not text.isascii():
            # Half a surrogate pair has no place in UTF-8, which RE2 reads.
            text = text.encode(errors="replace").decode()
        if self._any.search(text) is not None:
            for rule in self._rules:
                text = rule.apply(text)
        return text

    def value(self, value: Any, depth: int = DEPTH_LIMIT) -> Any:
        """A JSON value with every text in it redacted, names included, and numbers that are card numbers."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self.details(value, depth)
        if isinstance(value, list | tuple):
            return [self.value(item, depth - 1) if depth else None for item in value]
        if type(value) is int and value > 10**12:
            said = str(value)
            kept = self.text(said)
            return value if kept == said else kept
        return value

    def details(self, value: dict[str, Any], depth: int = DEPTH_LIMIT) -> dict[str, Any]:
        """The same for an object, where some names give a secret away by themselves. What is nested deeper than
        `depth` is dropped."""
        made: dict[str, Any] = {}
        for name, item in value.items():
            kept = self._name(name)
            while kept in made:
                kept += "'"
            if self._secrets and isinstance(item, str) and item and _SECRET_NAMES.fullmatch(name.lower()):
                made[kept] = "[redacted key]"
            else:
                made[kept] = self.value(item, depth - 1) if depth else None
        return made
