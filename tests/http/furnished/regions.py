"""Which regions a tenant belongs to."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from monitor.ids import PLATFORM_TENANT
from tests.http.furnished.made import Furnished


def rows(made: Furnished, now: datetime) -> dict[str, dict[str, Any]]:
    """A row for each table, parents first. The region is the platform's, and everybody's to read."""
    made.name(now, "region")
    return {
        "regions": {
            "tenant_id": PLATFORM_TENANT, "id": made.ids["region"], "slug": f"region-{uuid4()}",
            "name": "somewhere", "jurisdiction": "EU",
        },
        "tenant_regions": {"region_id": made.ids["region"]},
    }  # fmt: skip
