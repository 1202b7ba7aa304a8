"""Long loops that let others have their turn: who delivers, and who asks whether this process is well."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

AT_A_TIME = 100
"""Targets that are judged, or told of, without a break: some 30 ms."""


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """The items, with a break after every `AT_A_TIME` of them."""
    for number, item in enumerate(items, 1):
        yield item
        if number % AT_A_TIME == 0:
            await asyncio.sleep(0)
