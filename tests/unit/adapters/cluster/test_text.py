"""A broadcast that came as JSON goes to the clients as it is; where somebody looks into it, it is read first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fastsio
from fastsio._json import DEFAULT_JSON
from fastsio.adapters import MemoryHub
from fastsio.adapters.protocol import wire
from fastsio.testing import TestServer
from harness import until


def came(io: fastsio.IO, packet: str, nsp: str = "/", more: str = "", **opts: Any) -> None:
    """A broadcast of another server."""
    opts = {"rooms": [], "except": [], "flags": {}, **opts}
    text = f'{{"packet":{{"type":2,"data":{packet}}},{more}"opts":{DEFAULT_JSON.dumps(opts).decode()}}}'
    message = f'{{"type":3,"data":{text},"uid":"83fe0442e732e8f6","nsp":"{nsp}"}}'
    found = wire.read_event(message.encode())
    if found is None:
        io.hub.cluster.receive(wire.decode(message.encode(), DEFAULT_JSON))
    else:
        io.hub.cluster.receive_event(*found)


async def got(client: Any) -> list[tuple[Any, ...]]:
    return [(event.name, *event.args) for event in await client.received()]


def make(**options: Any) -> fastsio.IO:
    return fastsio.IO(adapter=MemoryHub().bus(), **options)


@pytest.mark.parametrize("nsp", ["/", "/chat"])
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_each_client_gets_it_once_and_in_order(nsp, transport):
    io = make()
    io.of(nsp)
    async with TestServer(io) as server:
        clients = [await server.connect(nsp, transport=transport) for _ in "ab"]
        for n in range(3):
            came(io, f'["news",{n},{{"é":null}}]', nsp)
        await server.settle()
        for client in clients:
            assert await got(client) == [("news", n, {"é": None}) for n in range(3)]


async def test_rooms_and_who_is_left_out_hold():
    io = make()

    @io.on("connection")
    def connection(socket):
        socket.join("room")

    async with TestServer(io) as server:
        a, b = await server.connect(), await server.connect()
        came(io, '["to room"]', rooms=["room"], **{"except": [a.sid]})
        came(io, '["to a"]', rooms=[a.sid])
        came(io, '["elsewhere"]', rooms=["other"])
        came(io, '["volatile"]', flags={"volatile": True, "compress": False})
        await server.settle()
        assert await got(a) == [("to a",), ("volatile",)]
        assert await got(b) == [("to room",), ("volatile",)]


async def test_what_clients_may_drop_may_be_dropped():
    """It is an event without an answer, as one that was encoded here."""
    io = make()
    async with TestServer(io):
        seen = []
        namespace = io.sockets
        namespace.adapter.local.deliver = lambda encoded, *rest: seen.append(encoded)
        came(io, '["x",1]')
        assert seen[0].is_event and not seen[0].is_plain
        assert seen[0].text == namespace.encode_event(["x", 1]).text


async def test_clients_of_another_form_get_it_in_theirs():
    io = make(serializer="msgpack")
    async with TestServer(io) as server:
        client = await server.connect()
        came(io, '["news",{"n":1}]')
        await server.settle()
        assert await got(client) == [("news", {"n": 1})]


async def test_an_observer_is_told_what_is_in_it():
    io = make()
    told: list[Any] = []
    async with TestServer(io) as server:
        client = await server.connect()
        io.sockets.tell_sent_to = lambda args, *rest: told.append(args)
        io.sockets.watched().listen_to_rooms("join-room", (lambda *args: None,))
        assert io.sockets.observer is not None
        came(io, '["news",1]')
        await server.settle()
        assert await got(client) == [("news", 1)]
    assert told == [["news", 1]]


async def test_what_is_kept_for_clients_that_come_back_has_its_offset():
    io = make(connection_state_recovery={})
    async with TestServer(io) as server:
        client = await server.connect()
        came(io, '["news",1]')
        await server.settle()
        (event,) = await client.received()
        assert (event.name, event.args[0]) == ("news", 1)
        assert len(event.args) == 2 and isinstance(event.args[1], str)


async def test_who_is_still_asked_about_gets_it_when_admitted():
    io = make()
    may = asyncio.Event()

    @io.use
    async def guard(socket):
        await may.wait()

    async with TestServer(io) as server:
        connecting = asyncio.create_task(server.connect())
        await until(lambda: io.sockets.joining, "it is asked about")
        came(io, '["news",1]')
        may.set()
        client = await connecting
        await server.settle()
        assert await got(client) == [("news", 1)]


async def test_of_the_latest_of_a_key_and_of_one_with_answers_the_packet_is_read():
    io = make()
    async with TestServer(io) as server:
        client = await server.connect()

        @client.on("q")
        def q(*args):
            return args[0]

        came(io, '["news",1]', flags={"latest": "key"})
        came(io, '["q",7]', more='"requestId":"7146a78b364edd34",', flags={"timeout": 1000})
        await server.settle()
        assert ("news", 1) in await got(client)


@pytest.mark.fault(
    "another server publishes JSON that is no event", "it is logged, and clients get nothing"
)
@pytest.mark.parametrize("packet", ["{}", "[]", '"text"', "[{}]", "null"])
async def test_json_that_is_no_event_reaches_nobody(packet, caplog):
    io = make()
    async with TestServer(io) as server:
        client = await server.connect()
        came(io, packet)
        came(io, '["after"]')
        await server.settle()
        assert ("after",) in await got(client)
