"""A folder of backups: what is whole in it, what is in the making, and each one's manifest."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from monitor import pgfiles
from monitor.backup.fingerprint import TableSum
from monitor.errors import ConfigError, NotFound

MANIFEST = "manifest.json"
PARTIAL = ".partial"


class Kind(StrEnum):
    """What a backup is made of."""

    FULL = "full"
    INCREMENTAL = "incremental"
    LOGICAL = "logical"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a backup as it lies there; `path` is below the backup's folder."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself.

    `at` and `lsn`: the state that it restores to. `first_segment` and `last_segment`: the WAL files that it brings for
    that, `archive` the folder of those that follow. `needs`: the backup that an incremental one builds on.
    `history`: InfluxDB's buckets in it. `sealed`: whether its files need the key.
    """

    name: str
    kind: Kind
    started_at: datetime
    at: datetime
    completed_at: datetime
    server: int
    database: str
    revision: str | None
    lsn: str = ""
    first_segment: str = ""
    last_segment: str = ""
    archive: str | None = None
    needs: str | None = None
    sealed: bool = False
    history: tuple[str, ...] = ()
    tables: dict[str, TableSum] = field(default_factory=dict)
    files: tuple[File, ...] = ()

    @property
    def bytes(self) -> int:
        """The size of all its files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of backups."""

    path: Path

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else takes or removes a backup here meanwhile. Raises InUse where somebody does."""
        with pgfiles.hold(self.path, what="the folder of backups"):
            yield

    def all(self) -> list[Manifest]:
        """Whole ones, oldest first."""
        found = sorted(self.path.glob(f"*/{MANIFEST}"))
        return [_read(path) for path in found if not path.parent.name.endswith(PARTIAL)]

    def get(self, name: str) -> Manifest:
        """By name. Raises NotFound."""
        path = self.path / name / MANIFEST
        if name.endswith(PARTIAL) or not path.exists():
            raise NotFound(f"there is no backup {name!r} in {self.path}")
        return _read(path)

    def chain(self, manifest: Manifest) -> list[Manifest]:
        """The full one that a backup builds on, each incremental one after it, and itself."""
        links = [manifest]
        while links[0].needs is not None:
            links.insert(0, self.get(links[0].needs))
        return links

    def folder(self, manifest: Manifest) -> Path:
        """Where its files are."""
        return self.path / manifest.name

    def begin(self, name: str) -> Path:
        """An empty folder for one in the making; what crashes left of others goes."""
        for left in self.path.glob(f"*{PARTIAL}"):
            shutil.rmtree(left)
        made = self.path / f"{name}{PARTIAL}"
        made.mkdir(mode=0o700)
        return made

    def finish(self, making: Path, manifest: Manifest) -> None:
        """Make it whole, in one step: its manifest is written and its files are on disk before it has its name."""
        path = making / MANIFEST
        path.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        for one in [path, *(making / file.path for file in manifest.files)]:
            with one.open("rb") as file:
                os.fsync(file.fileno())
        making.rename(self.path / manifest.name)
        _sync(self.path)

    def remove(self, manifest: Manifest) -> None:
        """Delete one; it stops being a backup before its first file goes."""
        gone = self.path / f"{manifest.name}{PARTIAL}"
        self.folder(manifest).rename(gone)
        shutil.rmtree(gone)

    def move(self, manifest: Manifest, other: "Place") -> None:
        """Bring one to another folder, which may be on another disk, and delete it here."""
        other.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        making = other.path / f"{manifest.name}{PARTIAL}"
        if making.exists():
            shutil.rmtree(making)
        if not (other.path / manifest.name).exists():
            shutil.copytree(self.folder(manifest), making)
            check(making, manifest)
            other.finish(making, manifest)
        self.remove(manifest)


def _sync(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: Path) -> Manifest:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as fault:
        raise ConfigError(f"{path} is no manifest of a backup: {fault}") from fault


def files_of(folder: Path) -> tuple[File, ...]:
    """All files below a folder, with their sums."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return tuple(
        File(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=_sum(path)) for path in paths
    )


def check(folder: Path, manifest: Manifest) -> None:
    """Raise ConfigError unless every file is there and as it was."""
    for file in manifest.files:
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.bytes or _sum(path) != file.sha256:
            raise ConfigError(f"the backup {manifest.name} is damaged: {file.path} is missing or not as it was")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
