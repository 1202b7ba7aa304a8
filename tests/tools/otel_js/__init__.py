"""OpenTelemetry's SDK for JavaScript, as package.json asks for it: installed once, kept outside the checkout.

`python -m tests.tools.otel_js` installs it where it is not there yet, and prints where its program is. It needs Node
and npm, and takes some seconds.
"""

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.tools import golang

HERE = Path(__file__).parent
FILES = ("package.json", "send.mjs")
LINES_QUOTED = 15


class NotInstalledError(Exception):
    """It is not there and cannot be installed here; the text says why."""


def place() -> Path:
    """The program that sends, whether it is there or not: beside the packages that it imports."""
    content = b"\0".join((HERE / name).read_bytes() for name in FILES)
    return golang.place("otel-js", hashlib.sha256(content).hexdigest()[:12]) / FILES[-1]


def program() -> Path:
    """The program that sends, installed now where it was not before. Raises NotInstalledError."""
    path = place()
    if path.exists():
        return path
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NotInstalledError("node and npm are not on PATH")
    above = path.parent.parent
    above.mkdir(parents=True, exist_ok=True)
    with (above / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _install(path.parent)
    return path


def _install(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="otel-js-", dir=folder.parent) as made:
        work = Path(made) / "otel-js"
        work.mkdir()
        for name in FILES:
            shutil.copy(HERE / name, work / name)
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(
            command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            said = "\n".join(done.stdout.splitlines()[-LINES_QUOTED:])
            raise NotInstalledError(f"`npm install` failed:\n{said}")
        work.replace(folder)
