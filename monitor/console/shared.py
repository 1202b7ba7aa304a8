"""What many ask for at the same time, made once for all of them."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable


class Shared:
    """Bytes by key, each good for so many seconds since they were begun; faults are shared, too."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._made: dict[Hashable, tuple[float, asyncio.Task[bytes]]] = {}

    async def get(self, key: Hashable, make: Callable[[], Coroutine[None, None, bytes]]) -> bytes:
        """What somebody has made, or is making; `make` is called where nobody does."""
        now = asyncio.get_running_loop().time()
        self._made = {one: made for one, made in self._made.items() if made[0] > now}
        if key not in self._made:
            self._made[key] = now + self._seconds, asyncio.create_task(make(), name="shared")
        # Whoever goes away takes it from nobody else.
        return await asyncio.shield(self._made[key][1])
