"""InfluxDB's server as a Go program: built once, and kept outside the checkout.

`python -m tests.tools.influxd` builds it where it is not there yet, and prints where it is. It needs Go, Rust's
cargo (Flux is written in it) and a C compiler, and takes some ten minutes on two cores the first time.

What is built is what go.mod says. The work is done in a folder of its own, since Go adds a list of checksums to it.
"""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
PROGRAM = "github.com/influxdata/influxdb/v2/cmd/influxd"
PKG_CONFIG = "github.com/influxdata/pkg-config@v0.3.0"
"""Builds the Rust half on the way: Go asks it where libflux is, as it would ask any pkg-config."""
TAGS = "sqlite_foreign_keys,sqlite_json"
TOOLS = ("go", "cargo", "cc")
LINES_QUOTED = 15


class NotBuiltError(Exception):
    """The server is not there and cannot be built here; the text says why."""


def version() -> str:
    """The version that go.mod asks for, without its `v`."""
    found = re.search(r"influxdb/v2 v(\S+)", (HERE / "go.mod").read_text())
    assert found is not None
    return found[1]


def place() -> Path:
    """Where the program is kept, whether it is there or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    machine = f"{platform.system()}-{platform.machine()}".lower()
    return cache / "agent-monitor" / f"influxd-{version()}-{machine}" / "influxd"


def binary() -> Path:
    """The server's program: on PATH, or built here, now where it was not before. Raises NotBuiltError.

    Several processes may ask at once: one builds, the others wait for it.
    """
    if on_path := shutil.which("influxd"):
        return Path(on_path)
    path = place()
    if path.exists():
        return path
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise NotBuiltError(f"influxd is not on PATH, and to build it {' and '.join(missing)} are wanting")
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            print(f"== building InfluxDB {version()}: once, some ten minutes on two cores", file=sys.stderr, flush=True)
            _build(path)
    return path


def _build(path: Path) -> None:
    """Build it and put it at `path` in one step."""
    with tempfile.TemporaryDirectory(prefix="influxd-", dir=path.parent) as made:
        work = Path(made)
        for name in ("go.mod", "tools.go"):
            shutil.copy(HERE / name, work / name)
        tools = work / "bin"
        flags = f"{os.environ.get('GOFLAGS', '')} -mod=mod".strip()
        env = {**os.environ, "GOBIN": str(tools), "GOFLAGS": flags, **_toolchain()}
        _run("go", "install", PKG_CONFIG, cwd=work, env={**env, "GOFLAGS": ""})
        env["PATH"] = f"{tools}{os.pathsep}{env['PATH']}"
        done = work / "influxd"
        _run("go", "build", "-tags", TAGS, "-o", str(done), PROGRAM, cwd=work, env=env)
        done.replace(path)


def _toolchain() -> Mapping[str, str]:
    """Flux pins a toolchain, which rustup would have to fetch; any recent one will do, so the one that is there."""
    if os.environ.get("RUSTUP_TOOLCHAIN") or shutil.which("rustup") is None:
        return {}
    said = subprocess.run(["rustup", "default"], capture_output=True, text=True, check=False).stdout
    return {"RUSTUP_TOOLCHAIN": said.split()[0]} if said.split() else {}


def _run(*command: str, cwd: Path, env: Mapping[str, str]) -> None:
    print(f"== {' '.join(command)}", file=sys.stderr, flush=True)
    done = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        said = "\n".join(done.stdout.splitlines()[-LINES_QUOTED:])
        raise NotBuiltError(f"influxd is not on PATH, and `{' '.join(command[:2])}` failed when it was built:\n{said}")
