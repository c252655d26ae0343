"""The official client in dynamic namespaces and before middleware.

Each test plays one scenario of scenarios/dynamic.js.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fastsio
from fastsio.exceptions import ConnectionRefusedError
from harness import assert_clean


class Refusal(Exception):
    """What a middleware gives to next(); `data` goes to the client."""

    def __init__(self, message: str, data: Any) -> None:
        super().__init__(message)
        self.data = data


def rooms(io: fastsio.IO) -> None:
    parent = io.of("/room/{id:int}")

    @parent.on("connection")
    def connection(socket: Any) -> None:
        gone = asyncio.Event()
        socket.data["gone"] = gone
        tell = {"room": socket.nsp.emit, "all": parent.emit}
        socket.on("params", lambda: socket.params)
        socket.on("tell", lambda whom: tell[whom]("news", whom))
        socket.on("children", lambda: list(parent.children))
        socket.on("disconnect", lambda: [one.set() for one in waiting])
        waiting.append(gone)

        @socket.on("gone")
        async def someone_has_gone() -> None:
            await gone.wait()

    waiting: list[asyncio.Event] = []


def asked(io: fastsio.IO) -> None:
    async def function(name: str, auth: dict[str, Any]) -> bool:
        await asyncio.sleep(0)
        return name.startswith("/asked-") and auth.get("token") == "secret"

    parent = io.of(function)
    parent.on("connection", lambda socket: socket.on("name", lambda: socket.nsp.name))


def guarded(io: fastsio.IO) -> None:
    guarded = io.of("/guarded")

    @guarded.use
    async def first(socket: Any) -> None:
        if socket.handshake.auth["how"] == "raise":
            raise ConnectionRefusedError("no", {"code": 7})

    @guarded.use
    def second(socket: Any, next: Any) -> None:
        how = socket.handshake.auth["how"]
        if how == "next":
            next(ConnectionRefusedError("no"))
        elif how == "data":
            next(Refusal("no", [1]))
        elif how != "never":
            next()


def packets(io: fastsio.IO) -> None:
    @io.of("/packets").on("connection")
    def connection(socket: Any) -> None:
        order: list[str] = []

        @socket.use
        async def middleware(event: list[Any], ack: Any) -> None:
            if event[0] == "secret":
                raise ValueError("secret is not for you")
            if event[0] == "cached":
                ack("from the middleware")
            elif event[0] == "slow":
                await asyncio.sleep(0.02)
            elif event[0] == "echo":
                event.append("seen")

        socket.on("error", lambda error: socket.emit("refused", str(error)))
        socket.on("echo", lambda *args: (order.append("echo"), list(args))[1])
        socket.on("slow", lambda value: (order.append("slow"), ["slow", value])[1])
        socket.on("order", lambda: order[-2:])


@pytest.fixture
async def play(node: Any, serve: Any) -> Any:
    io = fastsio.IO(middleware_timeout=0.1, cleanup_empty_child_namespaces=True)
    for add in (rooms, asked, guarded, packets):
        add(io)
    server = await serve(io)

    async def play(scenario: str, mode: str) -> None:
        await node.play(scenario, server.url, mode)
        await assert_clean(server)
        assert set(io.hub.namespaces) == {"/", "/guarded", "/packets"}

    return play


@pytest.mark.feature("1.9 dynamic namespaces by pattern")
async def test_client_joins_namespaces_that_a_pattern_fits(play: Any, mode: str) -> None:
    await play("dynamicNamespaces", mode)


@pytest.mark.feature("1.9 dynamic namespaces by function")
async def test_client_joins_namespaces_that_a_function_allows(play: Any, mode: str) -> None:
    await play("namespacesByFunction", mode)


@pytest.mark.feature("1.5 refuse with data")
async def test_client_hears_why_it_is_refused(play: Any, mode: str) -> None:
    await play("middlewareRefuses", mode)


@pytest.mark.feature("1.6 per-packet middleware")
async def test_events_pass_packet_middleware(play: Any, mode: str) -> None:
    await play("packetMiddleware", mode)
