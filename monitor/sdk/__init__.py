"""The Python client for agents: background, batched, bounded; it never blocks its caller or raises into it.

Stands apart from the rest of `monitor`: it needs the standard library and httpx only.
"""

from monitor.sdk.client import AsyncMonitor, Monitor
from monitor.sdk.handler import MonitorHandler
from monitor.sdk.run import Run

__all__ = ["AsyncMonitor", "Monitor", "MonitorHandler", "Run"]
