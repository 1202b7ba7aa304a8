"""`python -m tests.tools.telemetrygen`: builds telemetrygen where it is not there, and prints its path."""

import sys

from tests.tools.telemetrygen import NotBuiltError, binary

try:
    print(binary())
except NotBuiltError as fault:
    sys.exit(str(fault))
