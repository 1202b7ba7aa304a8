"""The files of secrets that docker-compose.yml mounts: made at the first start, never changed by a later one.

Passwords and keys are random. The others are put together from them, anew each time: whoever wants another password
deletes its file and starts again. The folder is its owner's alone. The files in it can be read by everybody who gets
that far, which in their containers is the account that each program runs under.
"""

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from monitor.db import Role
from monitor.pgroles import GRAFANA, OPERATOR

_BYTES = 24


def _password() -> str:
    return secrets.token_urlsafe(_BYTES)


_BY_PEOPLE: Mapping[str, str] = {
    "slack_app_token": "",
    "slack_bot_token": "",
    "slack_signing_secret": "",
    "smtp_url": "smtp://mailpit:1025\n",
}
"""What somebody may want to write in; what stands there at first."""
_RANDOM: Mapping[str, Callable[[], str]] = {
    "grafana_password": _password,
    "influx_password": _password,
    "influx_token": _password,
    "postgres_password": _password,
    "redis_password": _password,
    "secret_keys": _password,
    "webhook_secret": _password,
    **{f"{role}_password": _password for role in (*Role, GRAFANA, OPERATOR)},
}
_POOLED = "postgresql://{0}:{{{0}_password}}@pgbouncer:6432/agent_monitor\n"
_DIRECT = "postgresql://{0}:{{{0}_password}}@postgres:5432/agent_monitor\n"
_DERIVED: Mapping[str, str] = {
    "database_url": _POOLED.format(Role.APP.value),
    "database_alerter_url": _POOLED.format(Role.ALERTER.value),
    "database_doorman_url": _POOLED.format(Role.DOORMAN.value),
    "database_owner_url": _DIRECT.format(Role.OWNER.value),
    "database_grafana_url": _DIRECT.format(GRAFANA),
    "database_operator_url": _DIRECT.format(OPERATOR),
    "database_admin_url": "postgresql://postgres:{postgres_password}@postgres:5432/postgres\n",
    "pgbouncer_users": "".join(f'"{role}" "{{{role}_password}}"\n' for role in Role if role is not Role.OWNER),
    "redis_users": "user default on >{redis_password} ~* &* +@all\nuser health on nopass +ping\n",
    "redis_url": "redis://:{redis_password}@redis:6379/0\n",
}
NAMES = frozenset({*_BY_PEOPLE, *_RANDOM, *_DERIVED})
"""Every file there is."""


def make(folder: Path) -> list[str]:
    """Make what is missing, and bring what is put together up to date. The names of those made or changed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    changed = [name for name, text in _BY_PEOPLE.items() if _keep(folder / name, text)]
    changed += [name for name, random in _RANDOM.items() if _keep(folder / name, random() + "\n")]
    known = {name: (folder / name).read_text().strip() for name in _RANDOM}
    for name, template in _DERIVED.items():
        text = template.format(**known)
        if not (folder / name).exists() or (folder / name).read_text() != text:
            _write(folder / name, text)
            changed.append(name)
    return sorted(changed)


def _keep(path: Path, text: str) -> bool:
    """Write the file if there is none; whether it was written."""
    if path.exists():
        return False
    _write(path, text)
    return True


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    partial.write_text(text)
    partial.chmod(0o444)
    partial.replace(path)
