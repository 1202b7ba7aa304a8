"""Logs as they are configured: what libraries must not say."""

import subprocess
import sys

SAYS = """
import logging, apprise
from monitor import log
log.configure(level="DEBUG", as_json=True)
logging.getLogger("apprise").error("to tgram://123:s3cret/1")
logging.getLogger("apprise.plugins").warning("to topic s3cret")
logging.getLogger("urllib3.connectionpool").debug("POST /api/webhooks/1/s3cret")
logging.getLogger("alerts.deliver").warning("a notification was not sent")
"""


def test_no_library_tells_the_address_that_it_sends_to() -> None:
    done = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, check=True)
    assert "a notification was not sent" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout
