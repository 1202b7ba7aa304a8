"""The way in: requests are decoded, validated row by row, committed in groups and answered."""

from monitor.ingest.service import Ingest

__all__ = ["Ingest"]
