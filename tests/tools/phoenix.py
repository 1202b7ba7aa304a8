"""Arize Phoenix, for the bench that stands beside it: in an environment of its own, kept outside the checkout.

`python -m tests.tools.phoenix` installs it where it is not there yet, and prints where it is: two minutes, once.
"""

import fcntl
import os
import subprocess
import sys
import venv
from pathlib import Path

VERSION = "20.26.1"


def place() -> Path:
    """Where the environment is kept, whether it is there or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "agent-monitor" / f"phoenix-{VERSION}"


def program() -> Path:
    """The program, installed now where it was not before. CalledProcessError where that fails."""
    folder = place()
    found = folder / "bin" / "phoenix"
    if found.exists():
        return found
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "phoenix.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            print(f"== installing arize-phoenix {VERSION}: once, two minutes", file=sys.stderr, flush=True)
            venv.create(folder, with_pip=True, clear=True)
            python = folder / "bin" / "python"
            subprocess.run([python, "-m", "pip", "install", "-q", f"arize-phoenix=={VERSION}"], check=True)
    return found


if __name__ == "__main__":
    print(program())
