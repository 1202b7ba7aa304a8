"""Secrets at rest: sealed with AES-256-GCM under a ring of keys, so that a new key can take over from an old one.

A sealed text is `s1.` · 8 hexadecimal digits that name the key · `.` · nonce, ciphertext and tag, base64url. Keys are
made of the ring's by HKDF-SHA256 (RFC 5869), apart from what signs links with the same ring. Sealed text belongs to its
tenant and to its place (associated data of GCM, NIST SP 800-38D): somewhere else it does not open.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from monitor.errors import Unavailable

_NONCE: Final = 12
_SEALED: Final = re.compile(r"s1\.([0-9a-f]{8})\.([A-Za-z0-9_-]{38,})")

TARGETS: Final = "targets"
"""The place of addresses and signing secrets of channels: they go from a channel to a message's group as they are."""


class Ring:
    """Seals with its newest key and opens with any. An empty ring seals nothing."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys`: the secret keys of the settings, newest first."""
        made = [_derive(key) for key in keys]
        self._newest = made[0][0] if made else None
        self._keys: Mapping[str, AESGCM] = dict(made)

    def __bool__(self) -> bool:
        """Whether it can seal."""
        return self._newest is not None

    def seal(self, text: str, *, tenant_id: UUID, place: str) -> str:
        """A text that only this ring opens, for this tenant and place. Raises Unavailable with an empty ring."""
        if self._newest is None:
            raise Unavailable("secrets cannot be sealed: AGENT_MONITOR_SECRET_KEYS is not set")
        nonce = os.urandom(_NONCE)
        made = nonce + self._keys[self._newest].encrypt(nonce, text.encode(), _about(tenant_id, place))
        return f"s1.{self._newest}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"

    def open(self, sealed: str, *, tenant_id: UUID, place: str) -> str:
        """What was sealed. Raises Unavailable where the ring lacks its key, or it was altered or put somewhere else."""
        found = _SEALED.fullmatch(sealed)
        key = self._keys.get(found[1]) if found else None
        if found is None or key is None:
            raise Unavailable("a secret was sealed with a key that is not in AGENT_MONITOR_SECRET_KEYS")
        try:
            made = base64.urlsafe_b64decode(found[2] + "=" * (-len(found[2]) % 4))
            return key.decrypt(made[:_NONCE], made[_NONCE:], _about(tenant_id, place)).decode()
        except (InvalidTag, binascii.Error):
            raise Unavailable("a sealed secret was altered, or stands where it does not belong") from None

    def current(self, sealed: str) -> bool:
        """Whether a text is sealed with the newest key."""
        found = _SEALED.fullmatch(sealed)
        return found is not None and found[1] == self._newest

    def keep(self, text: str | None, *, tenant_id: UUID, place: str) -> str | None:
        """What is stored of a secret where there need not be a ring: sealed if it can be, and as it is otherwise."""
        return self.seal(text, tenant_id=tenant_id, place=place) if text is not None and self else text

    def reveal(self, stored: str | None, *, tenant_id: UUID, place: str) -> str | None:
        """The secret that is stored, whether sealed or as it is."""
        return (
            self.open(stored, tenant_id=tenant_id, place=place) if stored is not None and is_sealed(stored) else stored
        )


def is_sealed(text: str) -> bool:
    """Whether a text is what `seal` makes."""
    return _SEALED.fullmatch(text) is not None


def _derive(key: str) -> tuple[str, AESGCM]:
    """A key's name, which tells nothing of it, and the key itself."""
    name = HKDF(SHA256(), length=4, salt=None, info=b"agent-monitor sealing: name").derive(key.encode())
    made = HKDF(SHA256(), length=32, salt=None, info=b"agent-monitor sealing: key").derive(key.encode())
    return name.hex(), AESGCM(made)


def _about(tenant_id: UUID, place: str) -> bytes:
    return tenant_id.bytes + place.encode()
