"""When backups are due and which ones have had their time. Pure: `now` and what there is come in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.backup.place import Kind, Manifest

FULL_EVERY = timedelta(days=1)
INCREMENTAL_EVERY = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long: `online` in the folder of backups, then until `archived` days old in the archive, if there is one."""

    online: timedelta = timedelta(days=30)
    archived: timedelta = timedelta(days=90)


def due(now: datetime, have: Sequence[Manifest], *, logical: bool, incremental: bool) -> Kind | None:
    """What is to be taken now, if anything. `have`: what is online. `incremental`: whether the server can."""
    whole = Kind.LOGICAL if logical else Kind.FULL
    fulls = [one.started_at for one in have if one.kind is whole]
    if not fulls or now - max(fulls) >= FULL_EVERY:
        return whole
    newest = max(one.started_at for one in have if logical or one.kind is not Kind.LOGICAL)
    return Kind.INCREMENTAL if incremental and not logical and now - newest >= INCREMENTAL_EVERY else None


def expired(now: datetime, have: Iterable[Manifest], *, keep: timedelta) -> list[Manifest]:
    """What is older than `keep`, in an order in which it can go: nothing goes that a younger one builds on."""
    by_name = {one.name: one for one in have}
    needed: set[str] = set()
    for one in by_name.values():
        if now - one.started_at < keep:
            link: Manifest | None = one
            while link is not None:
                needed.add(link.name)
                link = by_name.get(link.needs) if link.needs else None
    return sorted(
        (one for one in by_name.values() if one.name not in needed), key=lambda one: one.started_at, reverse=True
    )
