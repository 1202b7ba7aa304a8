"""What the commands about the audit trail do, against the database of the settings."""

from collections.abc import Callable

from monitor import compose
from monitor.administration import tenant_of
from monitor.audit import export as exported
from monitor.audit.export import Format
from monitor.audit.store import Wanted
from monitor.settings import Settings


async def export(settings: Settings, slug: str, wanted: Wanted, layout: Format, write: Callable[[str], object]) -> None:
    """Hand a tenant's audit trail to `write`, piece by piece. Raises NotFound."""
    async with compose.database(settings) as db:
        async with db.owner() as owner:
            tenant = await tenant_of(owner, slug)
        async for piece in exported.export(db, tenant.id, wanted, layout):
            write(piece)
