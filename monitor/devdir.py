"""The directory of `agent-monitor dev`: whose it is, its key ring, and `dev.json`, which scripts read."""

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor import pgfiles
from monitor.errors import ConfigError

MARKER = ".agent-monitor"
LOCK = "lock"


@dataclass(frozen=True, slots=True)
class DevDir:
    """Paths of one data directory."""

    path: Path

    @property
    def log(self) -> Path:
        """Everything that was logged."""
        return self.path / "agent-monitor.log"

    @property
    def mail(self) -> Path:
        """Mails, where no server for them is set up."""
        return self.path / "mail"

    @property
    def credentials(self) -> Path:
        """Passwords of the database's login roles."""
        return self.path / "credentials.json"

    def claim(self, *, fresh: bool) -> None:
        """Make it ours, and empty with `fresh`. Raises ConfigError if it is in use, or is not ours and not empty."""
        with pgfiles.hold(self.path):
            held = [entry for entry in self.path.iterdir() if entry.name != LOCK]
            marker = self.path / MARKER
            if held and not marker.exists():
                raise ConfigError(f"{self.path} is not empty and was not made by agent-monitor: choose another one")
            if fresh:
                for entry in held:
                    if entry.is_dir() and not entry.is_symlink():
                        shutil.rmtree(entry)
                    else:
                        entry.unlink()
            marker.touch(mode=0o600)

    def secret_keys(self) -> tuple[str, ...]:
        """The key ring, made once. Raises ConfigError when it cannot be read."""
        path = self.path / "secret"
        if not path.exists():
            _write(path, secrets.token_urlsafe(32))
        keys = tuple(path.read_text().split())
        if not keys:
            raise ConfigError(f"{path} is empty: remove it, and a new one is made")
        return keys

    def read(self) -> dict[str, Any]:
        """What `dev.json` says; empty where there is none, or none that can be read."""
        try:
            said = json.loads((self.path / "dev.json").read_text())
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def write(self, said: dict[str, Any]) -> None:
        """Put `dev.json` in place in one step."""
        _write(self.path / "dev.json", json.dumps(said, indent=1) + "\n")


def _write(path: Path, content: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
