"""Long loops leave others their turn."""

import asyncio

from alerts.turns import AT_A_TIME, in_turns


async def test_others_have_a_turn_after_each_hundred() -> None:
    seen = 0
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(seen)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    items = range(3 * AT_A_TIME + 1)
    done = []
    async for item in in_turns(items):
        seen += 1
        done.append(item)
    task.cancel()
    assert done == list(items)
    assert turns == [AT_A_TIME, 2 * AT_A_TIME, 3 * AT_A_TIME]
