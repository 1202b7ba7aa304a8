"""Signed links: what a person who can read somebody's mail, or the operator's terminal, may do once.

A link carries whom it is for and a mark of the state that it is about: the password as it is, the address that is not
verified yet, the invitation that stands. When that state changes, as it does by using the link, the mark fits no more.
So a link works once, and all others of its kind end with it, without anything being remembered.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from monitor.errors import Forbidden, Gone, NotFound


class Purpose(StrEnum):
    """What a link is for."""

    SIGN_IN = "sign-in"
    RESET = "password-reset"
    VERIFY = "verify"
    INVITATION = "invitation"


LASTS = {Purpose.SIGN_IN: 3600, Purpose.RESET: 3600, Purpose.VERIFY: 86400, Purpose.INVITATION: 7 * 86400}
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says. `mark`: of the state that it is about; empty where it is about none."""

    tenant_id: UUID
    user_id: UUID
    mark: str


class Links:
    """Signs and reads them with the key ring."""

    def __init__(self, secret_keys: tuple[str, ...]) -> None:
        """`secret_keys`: newest first; the newest signs, all of them verify. Raises Forbidden where there are none."""
        if not secret_keys:
            raise Forbidden("links are not set up: AGENT_MONITOR_SECRET_KEYS is empty")
        # itsdangerous takes the newest last.
        ring = list(reversed(secret_keys))
        self._signers = {purpose: URLSafeTimedSerializer(ring, salt=purpose.value) for purpose in Purpose}

    def make(self, purpose: Purpose, tenant_id: UUID, user_id: UUID, mark: str = "") -> str:
        """A token for a link of this purpose."""
        return str(self._signers[purpose].dumps([str(tenant_id), str(user_id), mark]))

    def read(self, purpose: Purpose, token: str) -> Link:
        """What a token says. Raises Gone for an old one, NotFound for one that we never signed."""
        try:
            tenant, user, mark = self._signers[purpose].loads(token, max_age=LASTS[purpose])
            return Link(UUID(tenant), UUID(user), mark)
        except SignatureExpired:
            raise Gone("this link is too old: ask for a new one") from None
        except (BadData, ValueError):
            raise NotFound("this is no link of ours: it may have been cut off") from None


def mark(*state: str | datetime | None) -> str:
    """What stands in a link for a state that must not have changed until it is used."""
    said = "\x00".join("" if one is None else str(one) for one in state)
    return hashlib.sha256(said.encode()).hexdigest()[:24]
