"""telemetrygen, the OpenTelemetry Collector's load generator, as a Go program: built once, kept outside the checkout.

`python -m tests.tools.telemetrygen` builds it where it is not there yet, and prints where it is. It needs Go, and
takes a minute on two cores the first time.
"""

from pathlib import Path

from tests.tools import golang
from tests.tools.golang import NotBuiltError

__all__ = ["NotBuiltError", "binary", "place", "version"]

HERE = Path(__file__).parent
PROGRAM = "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen"


def version() -> str:
    """The version that go.mod asks for, without its `v`."""
    return golang.version(HERE, PROGRAM)


def place() -> Path:
    """Where the program is kept, whether it is there or not."""
    return golang.place("telemetrygen", version())


def binary() -> Path:
    """The program: on PATH, or built here, now where it was not before. Raises NotBuiltError."""
    about = f"telemetrygen {version()}: once, a minute on two cores"
    return golang.program(place(), _build, tools=("go",), about=about)


def _build(work: Path, to: Path) -> None:
    golang.copy(HERE, work)
    env = golang.environment(CGO_ENABLED="0")
    golang.run("go", "build", "-o", str(to), PROGRAM, cwd=work, env=env, what="telemetrygen")
