"""Packages of npm for tests: installed once as a package.json in the checkout asks for them, and kept outside it."""

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.tools import golang

LINES_QUOTED = 15


class NotInstalledError(Exception):
    """It is not there and cannot be installed here; the text says why."""


def place(name: str, here: Path, files: tuple[str, ...]) -> Path:
    """Where copies of `files` lie beside the packages that they need, whether they are there or not."""
    content = b"\0".join((here / file).read_bytes() for file in files)
    return golang.place(name, hashlib.sha256(content).hexdigest()[:12])


def installed(name: str, here: Path, files: tuple[str, ...]) -> Path:
    """The same, installed now where it was not before. Raises NotInstalledError."""
    folder = place(name, here, files)
    if folder.exists():
        return folder
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NotInstalledError("node and npm are not on PATH")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _install(folder, here, files)
    return folder


def _install(folder: Path, here: Path, files: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as made:
        work = Path(made) / folder.name
        work.mkdir()
        for file in files:
            shutil.copy(here / file, work / file)
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(
            command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            said = "\n".join(done.stdout.splitlines()[-LINES_QUOTED:])
            raise NotInstalledError(f"`npm install` failed:\n{said}")
        work.replace(folder)
