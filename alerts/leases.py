"""Leases: of several processes one does a job, several share the shards of one, and a late one cannot save.

A job that is shared has a lease for each shard, `job/7`, and one by which each process says that it is there,
`job:holder`. Everybody renews their own and takes a fair share of what is free, so that the shards of one that was
killed are with the others when its leases end. A shard is a part of the tenants: what one tenant is told stays in one
hand.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from monitor.errors import MonitorError

SHARDS = 16
ALL = frozenset(range(SHARDS))

_TAKE = text("""
    INSERT INTO leases AS held (name, holder, expires_at)
    SELECT name, :holder, :expires_at FROM unnest(CAST(:names AS text[])) AS name ORDER BY name
    ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at
    WHERE held.holder = EXCLUDED.holder OR held.expires_at <= :now
    RETURNING name
""")
_HELD = text("SELECT name, holder FROM leases WHERE starts_with(name, :job) AND expires_at > :now")
_FENCE = text("SELECT 1 FROM leases WHERE name = ANY(:names) AND holder = :holder ORDER BY name FOR SHARE")
_GIVE_UP = text("DELETE FROM leases WHERE name = ANY(:names) AND holder = :holder")


class LeaseLost(MonitorError):
    """Another process took the job over in the meantime: nothing of this pass is saved."""

    code = "lease_lost"


def shard_of(tenant_id: UUID) -> int:
    """The shard that a tenant is in; IN_SHARDS says the same in SQL."""
    return tenant_id.bytes[-1] % SHARDS


IN_SHARDS = f"(CAST(:shards AS int[]) IS NULL OR get_byte(uuid_send({{tenant_id}}), 15) % {SHARDS} = ANY(:shards))"
"""A condition on a column of tenants, for `format`; its parameter is what `given` makes of shards."""


def given(shards: Collection[int]) -> list[int] | None:
    """Shards as IN_SHARDS takes them: None stands for all."""
    return None if len(shards) == SHARDS else sorted(shards)


def fair(held: Mapping[int, str], alive: Collection[str], *, holder: str) -> frozenset[int]:
    """The shards that a process should have: as many as the others, those that it has first, then free ones.

    `held`: who has which; `alive`: who is there, `holder` among them. What others have too many of they give up
    themselves.
    """
    ranked = sorted(alive)
    share = SHARDS // len(ranked) + (ranked.index(holder) < SHARDS % len(ranked))
    own = sorted(shard for shard, by in held.items() if by == holder)
    free = sorted(ALL - held.keys())
    return frozenset([*own, *free][:share])


async def take(
    connection: AsyncConnection, job: str, *, holder: str, now: datetime, lasts: timedelta, there: timedelta
) -> frozenset[int]:
    """Renew and take what is this process' share of a job's shards; empty while others have them all.

    `lasts`: how long a shard is this process' after its last sign of life, `there`: how long it counts as one to share
    with. The second may be shorter: whoever is gone shall not keep shards that are free from the others.
    """
    expires = {"holder": holder, "now": now, "expires_at": now + lasts}
    await connection.execute(_TAKE, expires | {"names": [f"{job}:{holder}"], "expires_at": now + there})
    held: dict[int, str] = {}
    alive = {holder}
    for row in await connection.execute(_HELD, {"job": job, "now": now}):
        said = row.name.removeprefix(job)
        if said.startswith("/"):
            held[int(said[1:])] = row.holder
        elif said.startswith(":"):
            alive.add(row.holder)
    wanted = fair(held, alive, holder=holder)
    surplus = {shard for shard, by in held.items() if by == holder} - wanted
    if surplus:
        await connection.execute(_GIVE_UP, {"names": _names(job, surplus), "holder": holder})
    if not wanted:
        return wanted
    taken = await connection.execute(_TAKE, expires | {"names": _names(job, wanted)})
    return frozenset(int(name.rpartition("/")[2]) for name in taken.scalars())


async def take_one(connection: AsyncConnection, job: str, *, holder: str, now: datetime, lasts: timedelta) -> bool:
    """Take or renew a job that one process does whole; False while another holder's lease has not expired."""
    given = {"holder": holder, "now": now, "expires_at": now + lasts, "names": [job]}
    return (await connection.execute(_TAKE, given)).first() is not None


async def give_up_one(connection: AsyncConnection, job: str, *, holder: str) -> None:
    """Let another process do it at once."""
    await connection.execute(_GIVE_UP, {"names": [job], "holder": holder})


async def fence(connection: AsyncConnection, job: str, shards: Collection[int], *, holder: str) -> None:
    """Make sure that these shards are still ours, and that nobody takes them before this transaction ends.

    Raises LeaseLost.
    """
    found = (await connection.execute(_FENCE, {"names": _names(job, shards), "holder": holder})).all()
    if len(found) < len(shards):
        raise LeaseLost(f"shards of the job {job!r} are no longer held by {holder}")


async def give_up(connection: AsyncConnection, job: str, *, holder: str) -> None:
    """Let others take over at once."""
    await connection.execute(_GIVE_UP, {"names": [f"{job}:{holder}", *_names(job, ALL)], "holder": holder})


def _names(job: str, shards: Collection[int]) -> list[str]:
    return [f"{job}/{shard}" for shard in sorted(shards)]
