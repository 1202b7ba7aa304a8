"""Passwords: hashed with argon2id, and checked in a time that tells nothing.

Parameters are the second recommendation of RFC 9106 (64 MiB, three passes). Hashes of bcrypt, as imports bring them,
are verified as well and replaced at the next sign-in. Hashing runs in threads, a few at a time: each takes its memory.
"""

import asyncio
import base64
from dataclasses import dataclass

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.profiles import RFC_9106_LOW_MEMORY

from monitor.errors import InvalidInput

SHORTEST = 12
LONGEST = 1000
AT_ONCE = 4
_BCRYPT = ("$2a$", "$2b$", "$2y$")
_BCRYPT_READS = 72
"""Bytes of a password that bcrypt looks at."""


@dataclass(frozen=True, slots=True)
class Checked:
    """`right`: it is the password. `outdated`: then a new hash should take the place of the one that is stored."""

    right: bool
    outdated: bool = False


class Passwords:
    """Hashes and verifies. One for each process."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._room = asyncio.Semaphore(AT_ONCE)
        self._nobodys = _impossible(self._hasher)

    async def hash(self, password: str) -> str:
        """What is stored of a password."""
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def check(self, stored: str | None, password: str) -> Checked:
        """Whether this is the password. Nobody's (`stored` None) is never right, and takes as long to find out."""
        async with self._room:
            return await asyncio.to_thread(self._check, stored, password)

    def _check(self, stored: str | None, password: str) -> Checked:
        if stored is not None and stored.startswith(_BCRYPT):
            return Checked(_by_bcrypt(stored, password), outdated=True)
        try:
            self._hasher.verify(stored or self._nobodys, password)
        except (Argon2Error, InvalidHashError):
            return Checked(right=False)
        return Checked(right=True, outdated=stored is not None and self._hasher.check_needs_rehash(stored))


def _by_bcrypt(stored: str, password: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode()[:_BCRYPT_READS], stored.encode())
    except ValueError:  # no hash after all
        return False


def _impossible(hasher: PasswordHasher) -> str:
    """A hash of the usual cost that no password has: all its bits are zero."""

    def zeros(count: int) -> str:
        return base64.b64encode(bytes(count)).decode().rstrip("=")

    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${zeros(hasher.salt_len)}${zeros(hasher.hash_len)}"


def refuse_weak(password: str, *, names: tuple[str | None, ...], path: str) -> None:
    """Raise InvalidInput for a password that is too short, too long, or one of its owner's names."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(f"a password has {SHORTEST} to {LONGEST} characters", path=path)
    if password.lower() in {name.lower() for name in names if name}:
        raise InvalidInput("a name is no password", path=path)
    if len(set(password)) < 4:
        raise InvalidInput("at least four different characters are expected", path=path)
