"""Whether what a tenant sends may be taken in where this process is: its data may have to stay elsewhere."""

import time
from collections.abc import Sequence
from uuid import UUID

from monitor.db import Database
from monitor.errors import Misdirected
from monitor.regions import store
from monitor.regions.store import Place

FRESH = 5.0
"""Seconds after which a tenant's regions are read again."""
MOST = 10_000
"""Tenants that are remembered."""


class Residency:
    """Asked for every request that sends something. One for each process; without a `region` it asks nothing."""

    def __init__(self, db: Database, region: str | None) -> None:
        """`region`: the slug of the region that this process is in."""
        self._db = db
        self._region = region
        self._known: dict[UUID, tuple[float, Misdirected | None]] = {}

    async def check(self, tenant_id: UUID) -> None:
        """Raise Misdirected, which says where to send it, unless the tenant's data may be here."""
        if self._region is None:
            return
        known = self._known.get(tenant_id)
        if known is None or time.monotonic() - known[0] > FRESH:
            async with self._db.tenant(tenant_id) as connection:
                fault = misdirected(await store.places_of(connection, tenant_id), self._region)
            if len(self._known) >= MOST:
                self._known.clear()
            known = self._known[tenant_id] = (time.monotonic(), fault)
        if known[1] is not None:
            raise known[1]


def misdirected(places: Sequence[Place], region: str) -> Misdirected | None:
    """Why data may not be taken in here: the tenant's must stay in other regions. None where it may."""
    bound = [place for place in places if place.residency]
    if not bound or any(place.slug == region for place in bound):
        return None
    # One that says where it answers, if there is one.
    best = next((place for place in bound if place.endpoint), bound[0])
    where = f": send it to {best.endpoint}" if best.endpoint else ""
    return Misdirected(
        f"this tenant's data stays in {', '.join(place.slug for place in bound)}, and this is {region}{where}",
        region=best.slug,
        endpoint=best.endpoint,
    )
