"""The small files beside an embedded cluster: its lock, passwords, port, socket directory and log."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from monitor.errors import ConfigError, InUse
from monitor.pgbinaries import Account, last_lines, private_directory

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LONGEST_SOCKET_DIRECTORY = 107 - len("/.s.PGSQL.65535")
"""In bytes: sockaddr_un holds 108, the last one a zero."""
LOG_KEPT_BYTES = 16 * 2**20


def hold(data_dir: Path, *, what: str = "the data directory") -> IO[str]:
    """Take a directory's lock, held until the file is closed. Raises InUse if it is taken."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (data_dir / "lock").open("a+")
    except OSError as fault:
        raise ConfigError(f"{what} {data_dir} cannot be used: {fault.strerror}") from fault
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise InUse(f"{what} {data_dir} is in use by process {holder}: stop it or choose another one") from fault
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def credentials(path: Path, roles: Iterable[str], *, may_create: bool) -> dict[str, str]:
    """The password of every login role, made once and kept in a file that only its owner reads."""
    known: dict[str, str] = {}
    if path.exists():
        known = json.loads(path.read_text())
    elif not may_create:
        raise ConfigError(f"{path} is gone, and without it nobody can log in to the database beside it")
    passwords = {role: known.get(role) or secrets.token_urlsafe(24) for role in roles}
    if passwords != known:
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(passwords, indent=1))
        partial.replace(path)
    return passwords


def socket_directory(root: Path, account: Account | None) -> Path:
    """A private directory for the unix socket: `run`, or a short one it points to where that is too long."""
    link = root / "run"
    if len(os.fsencode(link)) <= LONGEST_SOCKET_DIRECTORY:
        private_directory(link, account)
        return link
    if link.is_symlink():
        again = link.readlink()
        with contextlib.suppress(OSError):  # made anew, never shared: in a public place it may be someone else's
            again.mkdir(mode=0o700)
            private_directory(again, account)
            return again
        link.unlink()
    short = Path(tempfile.mkdtemp(prefix="agent-monitor-"))
    if len(os.fsencode(short)) > LONGEST_SOCKET_DIRECTORY:
        short.rmdir()
        short = Path(tempfile.mkdtemp(prefix="agent-monitor-", dir="/tmp"))
    private_directory(short, account)
    link.symlink_to(short)
    return short


def remove_socket_directory(root: Path) -> None:
    """Remove the short directory, if there is one; the pointer to it stays, so that the address does."""
    link = root / "run"
    if link.is_symlink():
        shutil.rmtree(link.readlink(), ignore_errors=True)


def free_port(path: Path) -> int:
    """The TCP port of the last time if nobody has it now, else another one, remembered in the file."""
    known = path.read_text().strip() if path.exists() else ""
    for wanted in ([int(known)] if known.isdecimal() else []) + [0]:
        with socket.socket() as probe, contextlib.suppress(OSError):
            if sys.platform != "win32":  # as PostgreSQL does: connections that linger from last time do not count
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", wanted))
            port: int = probe.getsockname()[1]
            path.write_text(f"{port}\n")
            return port
    raise ConfigError("there is no free TCP port on 127.0.0.1")


def open_log(path: Path) -> IO[bytes]:
    """The server's log, for appending; a long one is put aside first."""
    if path.exists() and path.stat().st_size > LOG_KEPT_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def log_end(path: Path, since: int) -> str:
    """The last lines written after byte `since`, on one line."""
    with path.open("rb") as log:
        log.seek(since)
        return last_lines(log.read().decode(errors="replace")) or "it said nothing"


def is_ready(pgdata: Path, pid: int) -> bool:
    """Whether the server with this process id has said in `postmaster.pid` that it takes connections."""
    try:
        lines = (pgdata / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"
