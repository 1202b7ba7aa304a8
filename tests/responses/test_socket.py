"""Socket Mode over a real websocket: presses are heard without a public address, by one alerter at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from alerts.buttons import Buttons
from alerts.socket import LASTS, Socket
from tests.channels.sockets import APP_TOKEN, SocketServer, socket_server
from tests.responses.scene import Scene
from tests.responses.test_slack import ALICE


@pytest.fixture
async def server() -> AsyncIterator[SocketServer]:
    """Slack's end of the socket."""
    async with socket_server() as made:
        yield made


@contextlib.asynccontextmanager
async def listening(s: Scene, server: SocketServer, holder: str, token: str = APP_TOKEN) -> AsyncIterator[Socket]:
    """An alerter's end of it."""
    buttons = Buttons.of(s.t.deps)
    assert buttons is not None
    made = Socket(s.t.db, buttons, app_token=token, api_url=server.url + "api/", holder=holder)
    try:
        yield made
    finally:
        await made.close()


async def test_a_press_is_heard_acted_on_once_and_acknowledged(s: Scene, server: SocketServer) -> None:
    async with listening(s, server, "one") as socket:
        assert await socket.run_once(s.t.clock.time)
        payload = s.pressed(s.button("snooze"))
        await server.press("e-1", payload)
        assert await asyncio.wait_for(server.acknowledged.get(), 30) == "e-1"
        assert (await s.alert())["snoozed_by"] == ALICE
        await s.t.request("POST", f"alerts/{(await s.alert())['id']}/snooze", {"until": None})
        # Slack sends again what it did not see acknowledged.
        await server.press("e-1", payload)
        assert await asyncio.wait_for(server.acknowledged.get(), 30) == "e-1"
    assert [kind for kind, _ in await s.timeline()] == ["snoozed", "snooze ended"]


async def test_it_connects_again_when_slack_asks_for_it_and_when_the_connection_is_lost(
    s: Scene, server: SocketServer
) -> None:
    async with listening(s, server, "one") as socket:
        assert await socket.run_once(s.t.clock.time)
        await server.refresh()
        await server.came(2)
        await server.live[-1].close()
        await server.came(3)
        await server.press("e-2", s.pressed(s.button("acknowledge")))
        assert await asyncio.wait_for(server.acknowledged.get(), 30) == "e-2"
    assert (await s.alert())["acknowledged_by"] == ALICE


async def test_one_alerter_listens_and_another_takes_over(s: Scene, server: SocketServer) -> None:
    now = s.t.clock.time
    async with listening(s, server, "two") as two:
        async with listening(s, server, "one") as one:
            assert [await one.run_once(now), await two.run_once(now)] == [True, False]
            assert len(server.live) == 1
            # One hangs: its lease ends, and when it wakes up it hangs up.
            assert await two.run_once(now + LASTS)
            assert not await one.run_once(now + LASTS)
        assert await two.run_once(now + LASTS)
        await server.press("e-3", s.pressed(s.button("acknowledge")))
        assert await asyncio.wait_for(server.acknowledged.get(), 30) == "e-3"


async def test_a_wrong_token_is_said_and_tried_again(s: Scene, server: SocketServer) -> None:
    async with listening(s, server, "one", token="xapp-wrong") as socket:
        assert [await socket.run_once(s.t.clock.time) for _ in range(2)] == [False, False]
    assert server.opened == 0
