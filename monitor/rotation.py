"""Passwords of the database's login roles: where they lie, and how one becomes another while everything runs.

PostgreSQL knows one password of a role. A file with a role's URL may hold two URLs for as long as it changes, a line
each, the newest first; whoever connects takes the one that is good at that moment (`monitor.db`). So, role by role:

1. the file gets the new URL beside the old one;
2. the role's password is changed, by the role itself;
3. the old URL goes.

Connections that are open stay. Broken off after any step, everybody can still log in, and doing it again goes on from
there. Where the file is spread to other machines, there is time for that between the first step and the second.
"""

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from monitor import pgroles
from monitor.db import Passwords, Role, translated
from monitor.errors import ConfigError
from monitor.settings import PREFIX, Settings, file_of

VARIABLES: Mapping[str, str] = {
    Role.APP.value: "DATABASE_URL",
    Role.ALERTER.value: "DATABASE_ALERTER_URL",
    Role.DOORMAN.value: "DATABASE_DOORMAN_URL",
    Role.OWNER.value: "DATABASE_OWNER_URL",
    pgroles.GRAFANA: "DATABASE_GRAFANA_URL",
    pgroles.BACKUP: "DATABASE_BACKUP_URL",
    pgroles.OPERATOR: "DATABASE_OPERATOR_URL",
}
"""The setting with each role's URL."""
_BYTES = 24


def passwords(settings: Settings) -> Passwords:
    """What the files of the environment say now, for the roles whose URL of the settings came from one of them."""
    files = {}
    for role in Role:
        path = _file(role if _own(settings, role) else Role.APP)  # as Settings.role_url does
        password = urlsplit(settings.role_url(role)).password
        if path is not None and any(urlsplit(url).password == password for url in _urls(path)):
            files[role] = path

    def said(role: Role) -> Sequence[str]:
        return [_password(url) for url in _urls(files[role])] if role in files else ()

    return said


def _file(role: str) -> Path | None:
    return file_of(VARIABLES[role])


def _own(settings: Settings, role: str) -> bool:
    """Whether a role has a URL of its own."""
    return getattr(settings, VARIABLES[role].lower()) is not None


def _urls(path: Path) -> list[str]:
    """The URLs in a file, newest first; none where it cannot be read, as for a moment when somebody replaces it."""
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _password(url: str) -> str:
    return unquote(urlsplit(url).password or "")


async def rotate(settings: Settings, roles: Sequence[str], *, prepare: bool, say: Callable[[str], None]) -> None:
    """Give each role another password; without `roles` all whose URLs lie in files. With `prepare` only the first step.

    Raises ConfigError where a role's URL is in no file, where somebody else uses its password, or where a pooler with
    passwords of its own stands before the database; DatabaseDown.
    """
    chosen = list(roles) or [role for role in VARIABLES if _file(role) is not None]
    if not chosen:
        raise ConfigError(f"no file is named by {PREFIX}DATABASE_URL_FILE and its like: passwords are rotated in files")
    files = {role: _checked(settings, role) for role in chosen}
    for role, path in files.items():
        urls = _urls(path)
        if len(urls) == 1:
            urls = [_with_password(urls[0], secrets.token_urlsafe(_BYTES)), *urls]
            _write(path, urls)
        if prepare:
            say(f"{role}: {path} holds the new password beside the old one")
            continue
        await _change(role, urls)
        _write(path, urls[:1])
        say(f"{role}: has the new password in {path}")


def _checked(settings: Settings, role: str) -> Path:
    if role not in VARIABLES:
        raise ConfigError(f"there is no role {role}: there are {', '.join(VARIABLES)}")
    path = _file(role)
    if path is None or not _urls(path):
        raise ConfigError(f"the password of {role} cannot be rotated: {PREFIX}{VARIABLES[role]}_FILE names no file")
    if role == Role.APP:
        for other in [*Role, *([pgroles.BACKUP] if settings.backup_dir else [])]:
            if not _own(settings, other):
                name = PREFIX + VARIABLES[other]
                raise ConfigError(f"{name} is not set: {other} uses the password of {role}; give it one of its own")
    for url in _urls(path):
        if urlsplit(url).username != role:
            raise ConfigError(f"{path} holds the URL of another role than {role}")
    return path


async def _change(role: str, urls: Sequence[str]) -> None:
    """Make the first URL's password the role's, logged in with another; done when the first one is taken."""
    newest, *others = urls
    for url in (*others, newest):
        try:
            with translated():
                connection = await _open(url)
        except _Refused:
            continue
        async with connection:
            if url == newest:
                return
            await _alter(connection, role, _password(newest))
    raise ConfigError(f"PostgreSQL takes none of the passwords of {role}: have a superuser set one")


class _Refused(Exception):
    """The server does not take this password."""


async def _open(url: str) -> psycopg.AsyncConnection:
    try:
        return await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as fault:
        if fault.pgconn is not None and fault.pgconn.used_password:
            raise _Refused from fault
        raise


async def _alter(connection: psycopg.AsyncConnection, role: str, password: str) -> None:
    with translated():
        found = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        if found != (connection.info.backend_pid,):
            raise ConfigError(f"the URL of {role} leads to a pooler, which has passwords of its own: see the README")
        await connection.execute("SET default_transaction_read_only = off")
        # A verifier, not the password: statements may be logged.
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        change = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
        await connection.execute(change)


def _with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{password}@{where}"))


def _write(path: Path, urls: Sequence[str]) -> None:
    """In the place of what was there, in one step; whoever could read it before can read it after."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        before = path.stat()
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(urls) + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(before.st_mode & 0o7777)
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(partial, before.st_uid, before.st_gid)
        partial.replace(path)
    except OSError as fault:
        partial.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be changed: {fault.strerror}") from fault
