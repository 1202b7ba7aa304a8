"""OpenTelemetry's SDK for JavaScript, as package.json asks for it: installed once, kept outside the checkout.

`python -m tests.tools.otel_js` installs it where it is not there yet, and prints where its program is. It needs Node
and npm, and takes some seconds.
"""

from pathlib import Path

from tests.tools import npm

HERE = Path(__file__).parent
NAME = "otel-js"
FILES = ("package.json", "send.mjs")


def place() -> Path:
    """The program that sends, whether it is there or not: beside the packages that it imports."""
    return npm.place(NAME, HERE, FILES) / FILES[-1]


def program() -> Path:
    """The program that sends, installed now where it was not before. Raises NotInstalledError."""
    return npm.installed(NAME, HERE, FILES) / FILES[-1]
