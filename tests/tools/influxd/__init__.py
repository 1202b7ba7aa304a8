"""InfluxDB's server as a Go program: built once, and kept outside the checkout.

`python -m tests.tools.influxd` builds it where it is not there yet, and prints where it is. It needs Go, Rust's
cargo (Flux is written in it) and a C compiler, and takes some ten minutes on two cores the first time.

What is built is what go.mod says. The work is done in a folder of its own, since Go adds a list of checksums to it.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.tools import golang
from tests.tools.golang import NotBuiltError

__all__ = ["NotBuiltError", "binary", "place", "version"]

HERE = Path(__file__).parent
PROGRAM = "github.com/influxdata/influxdb/v2/cmd/influxd"
PKG_CONFIG = "github.com/influxdata/pkg-config@v0.3.0"
"""Builds the Rust half on the way: Go asks it where libflux is, as it would ask any pkg-config."""
TAGS = "sqlite_foreign_keys,sqlite_json"
TOOLS = ("go", "cargo", "cc")


def version() -> str:
    """The version that go.mod asks for, without its `v`."""
    return golang.version(HERE, "influxdb/v2")


def place() -> Path:
    """Where the program is kept, whether it is there or not."""
    return golang.place("influxd", version())


def binary() -> Path:
    """The server's program: on PATH, or built here, now where it was not before. Raises NotBuiltError."""
    about = f"InfluxDB {version()}: once, some ten minutes on two cores"
    return golang.program(place(), _build, tools=TOOLS, about=about)


def _build(work: Path, to: Path) -> None:
    golang.copy(HERE, work)
    tools = work / "bin"
    env = golang.environment(GOBIN=str(tools), **_toolchain())
    golang.run("go", "install", PKG_CONFIG, cwd=work, env={**env, "GOFLAGS": ""}, what="influxd")
    env["PATH"] = f"{tools}{os.pathsep}{env['PATH']}"
    golang.run("go", "build", "-tags", TAGS, "-o", str(to), PROGRAM, cwd=work, env=env, what="influxd")


def _toolchain() -> Mapping[str, str]:
    """Flux pins a toolchain, which rustup would have to fetch; any recent one will do, so the one that is there."""
    if os.environ.get("RUSTUP_TOOLCHAIN") or shutil.which("rustup") is None:
        return {}
    said = subprocess.run(["rustup", "default"], capture_output=True, text=True, check=False).stdout
    return {"RUSTUP_TOOLCHAIN": said.split()[0]} if said.split() else {}
