"""`python -m tests.tools.grafana_types`: installs Grafana's types where they are not there, and prints their folder."""

import sys

from tests.tools.grafana_types import folder
from tests.tools.npm import NotInstalledError

try:
    print(folder())
except NotInstalledError as fault:
    sys.exit(str(fault))
