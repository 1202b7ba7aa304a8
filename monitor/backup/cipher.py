"""Files sealed with a key: AES-256-GCM in frames, so that files of any size are read and written as a stream.

A sealed file is the word `AMSEAL1\n`, 16 random bytes, then frames: four bytes of length, most significant first, and
so many bytes of ciphertext with its tag. Each file has a key of its own, made from the secret and the random bytes by
HKDF-SHA256 (RFC 5869). A frame's nonce is its number and whether it is the last one, so that frames cannot be moved
and a file that was cut short does not open; its name is authenticated, so that files cannot change places.
"""

import io
import os
import shutil
from pathlib import Path
from typing import IO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from monitor.errors import ConfigError

SUFFIX: Final = ".sealed"
FRAME: Final = 1 << 20
_MAGIC: Final = b"AMSEAL1\n"
_SALT: Final = 16
_TAG: Final = 16


def _cipher(secret: str, salt: bytes) -> AESGCM:
    derived = HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"agent-monitor backup").derive(secret.encode())
    return AESGCM(derived)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def seal(source: IO[bytes], target: IO[bytes], *, secret: str, name: str) -> None:
    """Write all of `source`, sealed, to `target`."""
    salt = os.urandom(_SALT)
    cipher = _cipher(secret, salt)
    target.write(_MAGIC + salt)
    number, held = 0, source.read(FRAME)
    while True:
        following = source.read(FRAME) if len(held) == FRAME else b""
        frame = cipher.encrypt(_nonce(number, last=not following), held, name.encode())
        target.write(len(frame).to_bytes(4, "big") + frame)
        if not following:
            return
        number, held = number + 1, following


class Opened(io.RawIOBase):
    """The plain bytes of a sealed stream. Raises ConfigError where the key is wrong or the file is not as it was."""

    def __init__(self, source: IO[bytes], *, secret: str, name: str) -> None:
        """`name` is the one that it was sealed with."""
        head = source.read(len(_MAGIC) + _SALT)
        if not head.startswith(_MAGIC) or len(head) < len(_MAGIC) + _SALT:
            raise ConfigError(f"{name} is no sealed file")
        self._source, self._name = source, name
        self._cipher = _cipher(secret, head[len(_MAGIC) :])
        self._number, self._rest, self._ended = 0, b"", False

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """The next plain bytes; 0 at the end."""
        while not self._rest and not self._ended:
            self._rest = self._frame()
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def close(self) -> None:
        """Close the source too."""
        self._source.close()
        super().close()

    def _frame(self) -> bytes:
        size = int.from_bytes(self._source.read(4), "big")
        sealed = self._source.read(size) if _TAG <= size <= FRAME + _TAG else b""
        for last in (False, True) if len(sealed) == size else ():
            try:
                plain = self._cipher.decrypt(_nonce(self._number, last=last), sealed, self._name.encode())
            except InvalidTag:
                continue
            self._number, self._ended = self._number + 1, last
            if last and self._source.read(1):
                break
            return plain
        raise ConfigError(f"{self._name} cannot be opened: another key sealed it, or it is not as it was")


def put(source: Path, target: Path, *, secret: str | None) -> Path:
    """Move a file to `target`, sealed where there is a secret, safely on disk before `source` goes; where it is."""
    target = target.with_name(target.name + SUFFIX) if secret else target
    partial = target.with_name(target.name + ".partial")
    with source.open("rb") as reading, partial.open("wb") as writing:
        if secret:
            seal(reading, writing, secret=secret, name=plain_name(target))
        else:
            shutil.copyfileobj(reading, writing, FRAME)
        writing.flush()
        os.fsync(writing.fileno())
    partial.replace(target)
    if source != target:
        source.unlink()
    return target


def read(path: Path, *, secret: str | None) -> IO[bytes]:
    """A file as it was put, for reading. Raises ConfigError without the key that it needs."""
    if path.suffix != SUFFIX:
        return path.open("rb")
    if not secret:
        raise ConfigError(f"{path.name} is sealed: AGENT_MONITOR_BACKUP_KEY must be the key that it was sealed with")
    return io.BufferedReader(Opened(path.open("rb"), secret=secret, name=plain_name(path)), FRAME)


def plain_name(path: Path) -> str:
    """The name of a file without the mark of being sealed."""
    return path.name.removesuffix(SUFFIX)
