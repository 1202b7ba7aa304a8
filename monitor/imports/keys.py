"""API keys that are brought here: a digest is stored, by which a key goes on working."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from monitor.identity.digests import digest
from monitor.ids import uuid7
from monitor.imports.given import Given
from monitor.principal import Scope

_SHOWN = 8
"""Characters of a key that long enough ones show to be told apart."""
_DIGEST = 64
"""Characters of a SHA-256 in hexadecimal."""


def of(text: str, at: datetime) -> dict[str, Any]:
    """What is stored of a key that stood there in plain text, and was made at this time."""
    return {"id": uuid7(at), "prefix": shown(text), "key_hash": digest(text), "created_at": at}


def shown(text: str) -> str:
    """By what people tell it apart."""
    return text[:_SHOWN] if len(text) >= 4 * _SHOWN else digest(text)[:_SHOWN]


def scopes(given: Given, words: Sequence[str]) -> list[str]:
    """Those that are known here."""
    known = [word for word in dict.fromkeys(words) if word in set(Scope)]
    if len(known) < len(set(words)):
        given.note("words that are no scope here grant nothing; they stand in the key's metadata")
        given.imported["scopes"] = list(words)
    return known


def is_digest(hashed: str) -> bool:
    """Whether a key can be checked against it."""
    return len(hashed) == _DIGEST and not set(hashed) - set("0123456789abcdef")
