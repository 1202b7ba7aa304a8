"""`python -m tests.tools.influxd`: builds InfluxDB's server where it is not there, and prints its path."""

import sys

from tests.tools.influxd import NotBuiltError, binary

try:
    print(binary())
except NotBuiltError as fault:
    sys.exit(str(fault))
