"""`python -m tests.tools.telegraf`: builds Telegraf where it is not there, and prints its path."""

import sys

from tests.tools.telegraf import NotBuiltError, binary

try:
    print(binary())
except NotBuiltError as fault:
    sys.exit(str(fault))
