"""How often names came that no dialect knows: counted here, and written down with other rows now and then."""

from collections.abc import Mapping
from uuid import UUID

from monitor.ingest import values
from monitor.runs.unmapped import NameRow

EVERY_US = 60_000_000
NAMES_AT_MOST = 1000
"""Names of one tenant that a process remembers: senders may make up any number."""

Counts = Mapping[tuple[str, str], int]


class Unmapped:
    """One process' memory of them. What it has not written down when it ends was not seen."""

    def __init__(self) -> None:
        # By tenant, then kind, dialect and name: when it was written, and how often it was seen since.
        self._seen: dict[UUID, dict[tuple[str, str, str], tuple[int, int]]] = {}

    def due(self, tenant_id: UUID, counts: Mapping[str, Counts], *, now_us: int) -> list[NameRow]:
        """Count names, by kind; returns those that are to be written now: new ones, the others once a minute."""
        rows: list[NameRow] = []
        known = self._seen.setdefault(tenant_id, {})
        for kind, names in counts.items():
            for (dialect, given), count in names.items():
                name = values.clean(given[: values.NAME_LIMIT])
                key = (kind, dialect, name)
                written_us, seen = known.get(key, (0, 0))
                if not written_us and len(known) >= NAMES_AT_MOST:
                    continue
                seen += count
                if now_us - written_us >= EVERY_US:
                    rows.append(NameRow(kind, dialect, name, seen, now_us))
                    written_us, seen = now_us, 0
                known[key] = (written_us, seen)
        return rows
