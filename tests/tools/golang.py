"""Go programs for tests: built once from a go.mod in the checkout, and kept outside it."""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

LINES_QUOTED = 15


class NotBuiltError(Exception):
    """The program is not there and cannot be built here; the text says why."""


def version(here: Path, module: str) -> str:
    """The version of a module that the go.mod in `here` asks for, without its `v`."""
    found = re.search(rf"{re.escape(module)} v(\S+)", (here / "go.mod").read_text())
    assert found is not None
    return found[1]


def place(name: str, of: str) -> Path:
    """Where a program of some version is kept, whether it is there or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return cache / "agent-monitor" / f"{name}-{of}-{machine}" / name


def program(path: Path, build: Callable[[Path, Path], None], *, tools: tuple[str, ...], about: str) -> Path:
    """The program at `path`, on PATH, or built now by `build(folder, path)`. Raises NotBuiltError.

    Several processes may ask at once: one builds, the others wait for it.
    """
    if on_path := shutil.which(path.name):
        return Path(on_path)
    if path.exists():
        return path
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise NotBuiltError(f"{path.name} is not on PATH, and to build it {' and '.join(missing)} are wanting")
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            print(f"== building {about}", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(prefix=f"{path.name}-", dir=path.parent) as made:
                folder = Path(made)
                build(folder, folder / path.name)
                (folder / path.name).replace(path)
    return path


def copy(here: Path, work: Path) -> None:
    """What `here` says is to be built, into a folder where Go may add its list of checksums."""
    for name in ("go.mod", "tools.go"):
        shutil.copy(here / name, work / name)


def environment(**more: str) -> dict[str, str]:
    """Ours, for builds that may complete go.mod."""
    flags = f"{os.environ.get('GOFLAGS', '')} -mod=mod".strip()
    return {**os.environ, "GOFLAGS": flags, **more}


def run(*command: str, cwd: Path, env: Mapping[str, str], what: str) -> None:
    """One step of a build of `what`. Raises NotBuiltError with the end of what it said."""
    print(f"== {' '.join(command)}", file=sys.stderr, flush=True)
    done = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        said = "\n".join(done.stdout.splitlines()[-LINES_QUOTED:])
        raise NotBuiltError(f"{what} is not on PATH, and `{' '.join(command[:2])}` failed when it was built:\n{said}")
