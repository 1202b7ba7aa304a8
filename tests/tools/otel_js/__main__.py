"""`python -m tests.tools.otel_js`: installs OpenTelemetry for JavaScript where it is not there, and prints its path."""

import sys

from tests.tools.npm import NotInstalledError
from tests.tools.otel_js import program

try:
    print(program())
except NotInstalledError as fault:
    sys.exit(str(fault))
